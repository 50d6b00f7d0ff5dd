"""Which functions leave something behind: caches, lazy initialisation, registries. And what a file imports.

What a case executes is not all it depends on: where an earlier case filled a cache, a later one executes only the look
into it. So the callers of such a cache stand for all that was ever executed beneath them (`domain/impact.py`), and
this module decides who they are, by the text alone, rather too often than too seldom:

- it declares `global` or `nonlocal`;
- it assigns to an attribute or item of something that is not its own: the class, a global;
- it assigns to an attribute or item of an argument that it also looks at: `if self._x is None: self._x = ...`;
- it changes a global container by one of the usual methods;
- a decorator's name speaks of it: cache, memo, once, lazy, singleton.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

_DECORATOR = re.compile(r"cache|memo|once|lazy|singleton", re.IGNORECASE)
_CHANGES = frozenset({"append", "add", "setdefault", "update", "extend", "insert", "appendleft", "register"})
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Lasting:
    """Functions as (first line with decorators, name). `mentions`: (level of a relative import, dotted name).

    `aliases`: (name, name) of functions that a cache was put around under another name: `quick = lru_cache(slow)`.
    """

    functions: frozenset[tuple[int, str]]
    cached: frozenset[tuple[int, str]]
    mentions: frozenset[tuple[int, str]]
    aliases: frozenset[tuple[str, str]] = frozenset()


def lasting(source: bytes) -> Lasting:
    """What a file's functions leave behind, and what it imports. SyntaxError as from ast.parse."""
    functions: set[tuple[int, str]] = set()
    cached: set[tuple[int, str]] = set()
    mentions: set[tuple[int, str]] = set()
    aliases: set[tuple[str, str]] = set()
    starts: dict[str, list[tuple[int, str]]] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, _Function):
            start = (min([node.lineno, *(d.lineno for d in node.decorator_list)]), node.name)
            starts.setdefault(node.name, []).append(start)
            if any(_DECORATOR.search(ast.unparse(d)) for d in node.decorator_list):
                cached.add(start)
            if _lasts(node):
                functions.add(start)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            aliases.update(_aliases(node, node.value))
        elif isinstance(node, ast.Import):
            mentions.update((0, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            mentions.add((node.level, base))
            mentions.update((node.level, f"{base}.{name.name}".lstrip(".")) for name in node.names)
    for name, _ in aliases:
        cached.update(starts.get(name, ()))
    return Lasting(frozenset(functions), frozenset(cached), frozenset(mentions), frozenset(aliases))


def _aliases(node: ast.Assign, call: ast.Call) -> set[tuple[str, str]]:
    """(the function's own name, the name of what keeps its results)."""
    if not _DECORATOR.search(ast.unparse(call.func)):
        return set()
    own = {n.id if isinstance(n, ast.Name) else n.attr for n in call.args if isinstance(n, ast.Name | ast.Attribute)}
    others = {t.id if isinstance(t, ast.Name) else t.attr for t in node.targets
              if isinstance(t, ast.Name | ast.Attribute)}  # fmt: skip
    return {(name, other) for name in own for other in others}


def _lasts(function: _Function) -> bool:
    arguments = function.args
    given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    own = {argument.arg for argument in given if argument} - {"cls"}
    stores: list[tuple[str, str]] = []  # (the name it begins with, the first attribute or "")
    looked: set[str] = set()
    changed: set[str] = set()
    aliases: dict[str, ast.expr] = {}
    made: set[str] = set()
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            made.add(node.name)
            continue
        todo.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Global | ast.Nonlocal):
            return True
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            made.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            pass  # an imported module is not the function's own
        elif isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            stores.append(_chain(node))
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute | ast.Name):
            aliases.update((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.If | ast.IfExp | ast.While):
            looked.update(_attributes(node.test))
        elif isinstance(node, ast.Try):
            for part in node.body:
                looked.update(_attributes(part))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in _CHANGES:
                changed.add(_chain(node.func)[0])
            if node.func.attr == "setdefault":
                looked.add(_chain(node.func)[1])
                stores.append(_chain(node.func))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("hasattr", "getattr"):
            looked.update(a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str))
    for name in looked & set(aliases):
        looked |= _attributes(aliases[name])
    for name, attribute in stores:
        if name in aliases:
            name, attribute = _chain(ast.Subscript(aliases[name], ast.Constant(0)))
        if name and name not in own and name not in made:
            return True
        if name in own and attribute in looked:
            return True
    return any(name and name not in own and name not in made for name in changed)


def _chain(node: ast.expr) -> tuple[str, str]:
    """The name that a chain of attributes and items begins with, and its first attribute. ("", "") if by a call."""
    first = ""
    while isinstance(node, ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Attribute):
            first = node.attr
        node = node.value
    return (node.id, first) if isinstance(node, ast.Name) else ("", "")


def _attributes(tree: ast.AST) -> set[str]:
    """Names of attributes, and of variables that may stand for one."""
    nodes = list(ast.walk(tree))
    return {n.attr for n in nodes if isinstance(n, ast.Attribute)} | {n.id for n in nodes if isinstance(n, ast.Name)}
