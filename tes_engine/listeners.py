"""Who hears of a case that just passed: nearly all of a suite, so that each microsecond counts.

pytest would ask every plugin about every report. Where only pytest's own listen, all that they make of a case that
passed is known beforehand: those that count failures need not hear of it, and what it is called need not be asked. The
rest, the terminal above all, are told directly. Whenever anybody else listens, pytest's hooks are called as ever.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Callable, Iterator, List

_CALLED = {"call": ("passed", ".", "PASSED"), "setup": ("", "", ""), "teardown": ("", "", "")}
"""What pytest calls a phase that passed (`pytest_report_teststatus` in its runner.py)."""
_UNMOVED = ("_pytest.main", "_pytest.logging", "_tes_engine", "tes_engine")
"""Whose listeners do nothing about a case that passed."""


class Listeners:
    """Who listens in this process. `quick` says, while results are `gathered`, that `passed` may be called."""

    def __init__(self, config: Any) -> None:
        self.config, self.quick = config, False
        self.told: List[Callable[..., Any]] = []

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Around several results: what the terminal says of them is flushed once, at the end. A plugin that came or
        went since the last time is noticed here."""
        names = vars(self.config.hook)
        asked = names.get("pytest_report_teststatus")
        self.quick = asked is not None and self._quick()
        if self.quick:
            names["pytest_report_teststatus"] = _Asked(asked)
        writer: Any = getattr(self.config.pluginmanager.get_plugin("terminalreporter"), "_tw", None)
        put_off = writer is not None and "flush" not in vars(writer)
        if put_off:
            writer.flush = _later
        try:
            yield
        finally:
            if self.quick:
                names["pytest_report_teststatus"], self.quick = asked, False
            if put_off:
                del writer.flush
                writer.flush()

    def _quick(self) -> bool:
        hook, manager = self.config.hook, self.config.pluginmanager
        if getattr(self.config.option, "debug", None) or vars(manager).get("_inner_hookexec") is None:
            return False  # somebody traces the calls
        status = hook.pytest_report_teststatus.get_hookimpls()
        log = hook.pytest_runtest_logreport.get_hookimpls()
        if any(one.hookwrapper or getattr(one, "wrapper", False) for one in log):
            return False
        if not all(_module(one).startswith(("_pytest.", *_UNMOVED)) for one in (*status, *log)):
            return False
        self.told = [one.function for one in reversed(log) if not _module(one).startswith(_UNMOVED)]
        return all(one.argnames == ("report",) for one in log if one.function in self.told)

    def passed(self, reports: List[Any]) -> None:
        """Tells of the phases of a case that passed and has nothing else to say."""
        for report in reports:
            for function in self.told:
                function(report=report)


class _Asked:
    """In the place of the hook `pytest_report_teststatus`, which answers at once for a phase that passed."""

    def __init__(self, hook: Any) -> None:
        self._hook = hook

    def __call__(self, *, report: Any, config: Any) -> Any:
        if report.outcome == "passed" and type(report).__name__ == "TestReport" and not hasattr(report, "wasxfail"):
            return _CALLED[report.when]
        return self._hook(report=report, config=config)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hook, name)


def _module(implementation: Any) -> str:
    return (getattr(implementation.function, "__module__", "") or "") + "."


def _later() -> None:
    """In the place of a flush."""
