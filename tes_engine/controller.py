"""The parent: collects down to files, forks workers, watches them, and reports what they journal.

It runs no case itself, so that it stays as it was when a worker is needed in place of one that died.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any, Iterator, List, Optional

import pytest
from _pytest import mark

from .board import NOBODY
from .foreman import Foreman
from .gather import clash, file_of, files, reordered, runs_of, whole_wanted
from .journal import Event, Journal, Unwritable
from .lessons import spoilt, together
from .options import processors
from .plugins import runners, tell_dropped, whose
from .plan import make_plan, read
from .recorder import Recorder
from .sooner import sooner, summary
from .surface import DISTRIBUTION, Ignored
from .worker import Plan, chosen, collecting

PASSIVE = ("collectonly", "usepdb", "trace", "setuponly", "setupplan", "showfixtures", "show_fixtures_per_test")


class Controller:
    """pytest's plugin in the parent."""

    def __init__(self, options: Any, journal: Journal) -> None:
        self.options, self.journal = options, journal
        self.session: Any = None
        self.nodes: List[Any] = []
        self.items: Optional[List[Any]] = None
        self.plan: Plan
        self.foreman: Optional[Foreman] = None
        self.count = options.workers or processors()
        self.recorder: Optional[Recorder] = None
        self.deselected: List[Any] = []

    def totals(self) -> Event:
        """What the last line of the journal says."""
        return self.foreman.totals() if self.foreman is not None else {"collected": 0, "ran": 0}

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: Any) -> None:
        self.session = session
        self.recorder = Recorder(session.config, self.journal, "main")
        option = session.config.option
        passive = [name for name in PASSIVE if getattr(option, name, False)]
        if passive:
            self.journal.write({"e": "problem", "text": f"the option {passive[0]} runs no case that could be judged"})
        else:
            session.perform_collect = self.collect
            sooner(session)

    def pytest_collectreport(self, report: Any) -> None:
        if self.recorder is not None and not (self.foreman is not None and self.foreman.replaying):
            self.recorder.pytest_collectreport(report)

    def pytest_internalerror(self, excinfo: Any) -> None:
        if not isinstance(excinfo.value, Unwritable):
            self.journal.write({"e": "problem", "text": f"pytest broke down: {whose(excinfo.value)}"})

    def pytest_deselected(self, items: List[Any]) -> None:
        if self.foreman is None:
            self.deselected += items
            self.journal.write({"e": "deselected", "k": len(items), "w": "main", "b": NOBODY})

    def collect(self, args: Any = None, genitems: bool = True) -> List[Any]:
        """In place of the session's own collection."""
        session, config = self.session, self.session.config
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        with collecting(config):
            leave = set(read(self.options.leave) or ())
            self.nodes = [node for node in files(session) if file_of(node) not in leave]
            whole = clash(config, self.nodes)
            if self.options.collect != "parallel":
                whole = whole or whole_wanted(config)
            if self.options.collect == "once" or self.group_by() == "group":
                whole = whole or "asked for"
            if whole is None and self.options.collect != "parallel" and (file := together(config)) is not None:
                whole = f"cases of {file} were seen to fail unless other test files have been imported"
            if whole is None and self.options.collect != "parallel" and (file := spoilt(config)) is not None:
                whole = f"cases of {file} were seen to fail after those of others"
            if whole is None:
                # A wrong -k or -m is refused here, not by each worker.
                mark.pytest_collection_modifyitems([], config)
                if reporter is not None:
                    reporter.ensure_newline()
                session.items = []
                return []
            self.journal.write({"e": "note", "text": f"all cases are collected before the workers start: {whole}"})
            items: List[Any] = []
            session.items = items
            for node in self.nodes:
                items.extend(session.genitems(node))
            selected = read(self.options.select)
            items[:] = chosen(items, None if selected is None else set(selected), leave)
            before, told = list(items), self.deselected
            config.hook.pytest_collection_modifyitems(session=session, config=config, items=items)
            config.hook.pytest_collection_finish(session=session)
            items = session.items
            tell_dropped(config, self.journal, before, items, told)
            session.testscollected = len(items)
        self.items = items
        return items

    def group_by(self) -> str:
        """What stays together: as asked for, else as the project told pytest-xdist."""
        if self.options.group_by != "auto":
            return str(self.options.group_by)
        return DISTRIBUTION.get(Ignored.distribution or "", "auto")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> Optional[bool]:
        if "perform_collect" not in vars(session):
            return None
        if getattr(session.config.option, "setupshow", False):
            self.journal.write({"e": "note", "text": "--setup-show shows nothing: fixtures are set up in the workers"})
        for word in Ignored.given:
            self.journal.write({"e": "note", "text": f"{word} is not obeyed: the engine has workers of its own"})
        for text in runners(session.config):
            self.journal.write({"e": "note", "text": text})
        self.plan_only()
        foreman = self.foreman = Foreman(self, self.choose_start())
        self.introduce(foreman)
        try:
            foreman.go()
        except Unwritable as error:
            raise session.Interrupted(f"the journal cannot be written: {error}") from None
        finally:
            foreman.end_all()
        session.testscollected = sum(foreman.cases.values())
        self.check_selection(foreman)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if foreman.ended_early:
            raise session.Interrupted(foreman.ended_early)
        return True

    def introduce(self, foreman: Foreman) -> None:
        """What a reader of the journal wants to know first."""
        self.journal.write(
            {
                "e": "session",
                "python": sys.version.split()[0],
                "pytest": pytest.__version__,
                "workers": self.count,
                "mode": "once" if self.items is not None else "parallel",
                "start": foreman.start,
                "root": str(self.session.config.rootpath),
                "arguments": self.options.arguments,
                "t": time.time(),
                "pid": os.getpid(),
            }
        )
        foreman.resume()

    def plan_only(self) -> None:
        """The same in the parent and in each worker that is a process of its own."""
        batches = None
        if self.items is not None:
            batches = runs_of(self.items, self.group_by())
            self.nodes = [found[0] for _, found in batches]
        config = self.session.config
        self.plan = make_plan(
            config,
            self.options,
            nodes=self.nodes,
            items=None if batches is None else [found for _, found in batches],
            group_by=self.group_by(),
            workers=self.count,
            keep_order=self.items is not None and (reordered(config) or spoilt(config) is not None),
        )

    def choose_start(self) -> str:
        """`fork` or `process`: as asked for, else a fork where it is safe."""
        if self.options.start != "auto":
            return str(self.options.start)
        if not hasattr(os, "fork") or sys.platform == "darwin":
            return "process"
        threads = _threads()
        if threads == 1:
            return "fork"
        text = f"{threads - 1} thread(s) run beside the main one: workers are processes of their own, not forks"
        self.journal.write({"e": "note", "text": text})
        return "process"

    def check_selection(self, foreman: Foreman) -> None:
        """A case that was asked for by name and is not there has not passed."""
        if self.plan.select is None or foreman.stopping():
            return
        there = {name.partition("[")[0] for name in self.plan.done} | self.plan.done
        there |= {"::".join(name.split("::")[:2]) for name in there}
        lost = sorted(name for name in self.plan.select if "::" in name and name not in there)
        if lost:
            self.journal.write(
                {"e": "problem", "text": f"{len(lost)} chosen case(s) are not there, the first: {lost[0]}"}
            )

    @pytest.hookimpl(tryfirst=True, hookwrapper=True)
    def pytest_sessionfinish(self, session: Any) -> Iterator[None]:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            summary(session.config, reporter)
        yield

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> Any:
        if report.outcome == "rerun":
            return "rerun", "R", ("RERUN", {"yellow": True})
        return None


def _threads() -> int:
    """Threads of this process, those of libraries included where the system tells."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return threading.active_count()
