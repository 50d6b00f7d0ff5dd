"""What pytest works out anew for each case, though the answer is the same every time: here it is kept.

A suite of many small cases spends more time between its cases than in them. Each of these gives exactly what pytest
gives, is put in place only where pytest has what it stands for, and concerns nothing that a project can see.
"""

from __future__ import annotations

import sys
from types import FunctionType
from typing import Any, Callable, Dict, Tuple

from _pytest import fixtures, python

_VARIABLE = 0x04 | 0x08  # CO_VARARGS, CO_VARKEYWORDS


def sooner(session: Any) -> None:
    """Makes the cases of this session begin and end sooner."""
    session.gethookproxy = _hooks(session)
    for module, name, quick in ((fixtures, "getfuncargnames", _names), (python, "getfslineno", _places)):
        plain = getattr(module, name, None)
        if type(plain) is FunctionType and plain.__module__ != __name__:
            setattr(module, name, quick(plain))


def _hooks(session: Any) -> Callable[[Any], Any]:
    """The hooks that concern a path depend on the plugins and conftests that are known: pytest asks for each hook."""
    plain, manager = session.gethookproxy, session.config.pluginmanager
    names, conftests = getattr(manager, "_name2plugin", None), getattr(manager, "_conftest_plugins", None)
    if names is None or conftests is None:
        return plain  # type: ignore[no-any-return]
    known: Dict[Any, Tuple[int, int, Any]] = {}

    def gethookproxy(fspath: Any) -> Any:
        found = known.get(fspath)
        if found is None or found[0] != len(names) or found[1] != len(conftests):
            found = known[fspath] = len(names), len(conftests), plain(fspath)
        return found[2]

    return gethookproxy


def _names(plain: Callable[..., Any]) -> Callable[..., Any]:
    """A function without any argument has no names of them: pytest makes such a one for each `request`, and asks."""

    def getfuncargnames(function: Any, *words: Any, **more: Any) -> Any:
        if type(function) is FunctionType and not function.__dict__:
            code = function.__code__
            if not (code.co_argcount or code.co_kwonlyargcount or code.co_flags & _VARIABLE):
                return ()
        return plain(function, *words, **more)

    return getfuncargnames


def _places(plain: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Where a function is written, which all the cases of one function share."""
    known: Dict[Any, Any] = {}

    def getfslineno(obj: Any) -> Any:
        function = getattr(obj, "__func__", obj)
        if type(function) is not FunctionType:
            return plain(obj)
        if function not in known:
            known[function] = plain(obj)
        return known[function]

    return getfslineno


def summary(config: Any, reporter: Any) -> None:
    """To ask whether it wrote anything, hypothesis' plugin imports all of hypothesis: a sixth of a second. In a process
    that has not imported it, it has written nothing. Where a report has something for it, it is asked."""
    plugin = sys.modules.get("_hypothesis_pytestplugin")
    if plugin is None or "hypothesis" in sys.modules or getattr(config.option, "hypothesis_show_statistics", True):
        return
    keys = {value for name, value in vars(plugin).items() if name.endswith("_KEY")}
    reports = (report for reports in reporter.stats.values() for report in reports)
    if not any(keys & vars(report).keys() for report in reports if hasattr(report, "__dict__")):
        hook = config.hook.pytest_terminal_summary
        others = config.pluginmanager.subset_hook_caller(hook.name, [plugin])
        config.hook.pytest_terminal_summary = others
