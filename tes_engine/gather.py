"""Collects down to files, with pytest's own collection; and whether that is far enough.

The folders, packages and conftest files above the tests are collected once, in the parent. What is inside a file is
left to the worker that claims it, unless some plugin has to see all items at once.
"""

from __future__ import annotations

import ast
import inspect
import os
import textwrap
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import pytest

# These look at each item by itself (or order within a file), whatever a reading of their source would say.
LOCAL = ("_pytest.", "_hypothesis_", "hypothesis.", "pytest_asyncio.", "anyio.", "pytest_timeout", "pytest_cov.",
         "pytest_mock.", "pytest_randomly", "xdist.")  # fmt: skip
# These options need the results or the order of the whole.
WHOLE = ("lf", "failedfirst", "newfirst", "stepwise", "keepduplicates", "stepwise_skip", "maxfail")
_MUTED = ("pytest_collection_modifyitems", "pytest_collection_finish")


class _Muted:
    """The hooks, less the two that must not be told of a collection that has no items yet."""

    def __init__(self, hook: Any) -> None:
        self._hook = hook

    def __getattr__(self, name: str) -> Any:
        return _say_nothing if name in _MUTED else getattr(self._hook, name)


def _say_nothing(**_: Any) -> List[Any]:
    return []


def files(session: Any) -> List[Any]:
    """The file nodes that the arguments select, in pytest's order. Items that are not in a file come as they are.
    Raises what pytest's own collection does."""
    found: List[Any] = []
    own: Callable[[Any], Iterator[Any]] = type(session).genitems.__get__(session)

    def stop_at_files(node: Any) -> Iterator[Any]:
        if isinstance(node, pytest.Item) or (isinstance(node, pytest.File) and not isinstance(node, pytest.Package)):
            found.append(node)
        elif isinstance(node, pytest.Class):
            found.append(node)
        else:
            yield from own(node)

    config = session.config
    hook = config.hook
    session.genitems = stop_at_files
    config.hook = _Muted(hook)
    try:
        type(session).perform_collect(session)
    finally:
        config.hook = hook
        del session.genitems
    return found


def inside(session: Any, node: Any) -> List[Any]:
    """The items below a node, as pytest makes them."""
    items = list(session.genitems(node))
    cache = getattr(session, "_collection_cache", None)
    if cache:
        cache.clear()
    return items


def file_of(node: Any) -> str:
    """The file of a node, relative to the root, as node ids have it."""
    return str(node.nodeid).partition("::")[0]


def top_of(node: Any) -> str:
    """The function or class at the top level of its file that a node belongs to, as a node id."""
    return "::".join(str(node.nodeid).partition("[")[0].split("::")[:2])


def whole_wanted(config: Any) -> Optional[str]:
    """Why all items must be collected before any is run; None when each file can be taken by itself."""
    for name in WHOLE:
        if getattr(config.option, name, False):
            return f"the option {name} needs the whole"
    if any("::" in str(argument) for argument in config.args):
        return "cases are named one by one"
    for hook in _MUTED:
        for implementation in getattr(config.hook, hook).get_hookimpls():
            module = getattr(implementation.function, "__module__", "") or ""
            if (module + ".").startswith(LOCAL):
                continue
            if hook == "pytest_collection_finish" or not looks_at_each(implementation.function):
                return f"{hook} in {place(implementation.function)} may need all items"
    return None


def clash(config: Any, nodes: List[Any]) -> Optional[str]:
    """Which two files cannot be imported side by side, because their modules have one name. Pytest says so of the
    second; apart, in two workers, both could be imported, or not, as it happens."""
    if config.getoption("importmode", "prepend") == "importlib":
        return None
    seen: Dict[str, Dict[str, str]] = {}
    for node in nodes:
        path = str(getattr(node, "path", ""))
        if path.endswith(".py"):
            seen.setdefault(os.path.basename(path), {}).setdefault(path, file_of(node))
    for name, files in seen.items():
        modules: Dict[str, str] = {}
        for path, file in files.items() if len(files) > 1 else ():
            other = modules.setdefault(_module_name(path), file)
            if other != file:
                return f"{other} and {file} are modules of one name"
    return None


def _module_name(path: str) -> str:
    """The name under which pytest imports a file: it has the packages around it."""
    folder, name = os.path.split(path[: -len(".py")])
    while os.path.isfile(os.path.join(folder, "__init__.py")) and os.path.dirname(folder) != folder:
        folder, package = os.path.split(folder)
        name = f"{package}.{name}"
    return name


def reordered(config: Any) -> bool:
    """Whether a plugin may have put the items into an order of its own, which is kept then."""
    implementations = config.hook.pytest_collection_modifyitems.get_hookimpls()
    functions = [implementation.function for implementation in implementations]
    foreign = [one for one in functions if not (getattr(one, "__module__", "") + ".").startswith(LOCAL)]
    wanted = any(getattr(config.option, name, False) for name in ("failedfirst", "newfirst", "stepwise"))
    return wanted or not all(looks_at_each(function) for function in foreign)


def place(function: Any) -> str:
    try:
        return f"{os.path.basename(inspect.getfile(function))}:{function.__code__.co_firstlineno}"
    except (TypeError, AttributeError):
        return repr(function)


def looks_at_each(function: Any) -> bool:
    """Whether a `pytest_collection_modifyitems` does no more than go over the items one by one: then it does the same
    when it is given those of each file by themselves. Anything that is not plainly so is not."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return False
    if not tree.body or not isinstance(tree.body[0], ast.FunctionDef):
        return False
    body = tree.body[0]
    names = {argument.arg for argument in (*body.args.posonlyargs, *body.args.args, *body.args.kwonlyargs)}
    if "session" in names or "items" not in names:
        return "items" not in names and "session" not in names
    return _only_iterated(body)


def _only_iterated(body: ast.FunctionDef) -> bool:
    loops = {id(node.iter) for node in ast.walk(body) if isinstance(node, ast.For) and isinstance(node.iter, ast.Name)}
    for node in ast.walk(body):
        if isinstance(node, ast.Name) and node.id == "items" and id(node) not in loops:
            return False
        # What it keeps between calls, it would keep for the wrong items; a yield wraps somebody else's work.
        if isinstance(node, (ast.Global, ast.Nonlocal, ast.Yield, ast.YieldFrom, ast.Return)):
            if not (isinstance(node, ast.Return) and node.value is None):
                return False
    return True


def runs_of(items: List[Any], group_by: str) -> List[Tuple[str, List[Any]]]:
    """Collected items as batches: each run of neighbours of one file; members of an xdist_group in one of their own."""
    batches: List[Tuple[str, List[Any]]] = []
    named: Dict[str, List[Any]] = {}
    last = None
    for item in items:
        group = group_name(item) if group_by == "group" else None
        file = file_of(item)
        if group is not None:
            if group not in named:
                named[group] = []
                batches.append((file, named[group]))
            named[group].append(item)
            last = None
        elif last == file:
            batches[-1][1].append(item)
        else:
            batches.append((file, [item]))
            last = file
    return batches


def group_name(item: Any) -> Optional[str]:
    """The name of an item's xdist_group; None when it has none."""
    names = []
    for mark in item.iter_markers("xdist_group"):
        names.append(str(mark.args[0] if mark.args else mark.kwargs.get("name", "default")))
    return "_".join(sorted(set(names))) if names else None
