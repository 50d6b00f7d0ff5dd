"""What each case does: the project's functions that it executes, the files that it opens, the processes that it starts.

A pytest plugin of any process that runs cases. Made before the conftests are loaded, so that it sees what they execute;
it survives a fork: the child tells in a file of its own (`impact_book`). What set a wider fixture up belongs to every
case that has it. What is executed while a file is collected belongs to it. What is executed between two cases, by a
conftest's hook say, belongs to all.

What cannot be seen is said rather than left out: a case beside which a process lives depends on everything (`a`), of
one that has threads or tasks nobody knows who called what (`t`), one that loses its tracer or talks to another machine
cannot be judged (`u`).
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

import pytest

from . import impact_audit, impact_beside
from .impact_bag import Bag
from .impact_book import Book
from .impact_codes import Codes

if sys.version_info >= (3, 12):
    from . import trace_monitoring as trace
else:
    from . import trace_profile as trace

NAME = "tes-impact"


class Recorder:
    """The plugin. `root` is the project's folder."""

    __name__ = NAME

    def __init__(self, out: str, root: str) -> None:
        self.codes = Codes(out, root)
        self.path, self.number = self.codes.path, self.codes.number
        self.session = Bag()
        self.book = Book(out, self.codes, self.session)
        self.say = self.book.say
        self.bags: List[Bag] = [self.session]
        self.scopes: Dict[int, Tuple[Any, int]] = {}
        self.scope_bags: Dict[int, Bag] = {}
        self.pending = Bag()
        self.running = self.started = self.ran = self.tracking = False
        self.processes = impact_beside.Processes()
        tracker: Any = trace.Tracker
        self.tracker: Any = tracker(self.number) if trace.NAME == "monitoring" else tracker()

    def close(self) -> None:
        """Stops looking."""
        if self.tracking:
            self.tracker.stop()
        impact_audit.listen(None)

    def end(self) -> None:
        """This process runs no further case."""
        self.collect()
        self.book.flush(end=True)

    # -- what was seen

    def collect(self, beside: Optional[Bag] = None) -> None:
        """What ran since the last time goes into the bag that is open; what threads did, into `beside`."""
        bag = self.bags[-1]
        beside = bag if beside is None else beside
        if beside is self.session and self.ran:
            beside = self.pending  # what threads do between two cases is the next one's: they are not everybody's
        if self.tracking:
            self._tracked(bag, beside)
        self._inside(beside, impact_beside.others())
        if self.processes.any():
            beside.anything = True

    def _tracked(self, bag: Bag, beside: Bag) -> None:
        taken, apart = self.tracker.take()
        self._take(bag, taken)
        if apart:
            self._take(beside, apart)
            beside.apart = beside.apart or bool(beside.codes)
        if not bag.codes.isdisjoint(self.codes.tasks):
            bag.apart = True
        if self.tracker.lost():
            bag.doubt = bag.doubt or "somebody else's tracer took the place of ours"

    def _take(self, bag: Bag, taken: Any) -> None:
        if trace.NAME == "profile":
            self._entries(bag, taken)
            return
        for caller, number in taken:
            bag.codes.add(number)
            if caller is not None:
                self.book.calls.add((caller, number))

    def _inside(self, bag: Bag, codes: Iterator[Any]) -> None:
        """Functions that go on while one bag is put down and another taken up."""
        for code in codes:
            number = self.number(code)
            if number is not None:
                bag.codes.add(number)
                bag.apart = True

    def open_bag(self) -> Bag:
        """A fresh one, above what it interrupts."""
        self.collect()
        self._inside(self.bags[-1], impact_beside.above())
        bag, self.pending = self.pending, Bag()
        self.bags.append(bag)
        self._inside(bag, impact_beside.others())
        if self.processes.any():
            bag.anything = True
        return bag

    def close_bag(self) -> None:
        self.collect()
        self.bags.pop()

    def _entries(self, bag: Bag, taken: List[Any]) -> None:
        """The C profiler's entries. Most are pytest's own: those must cost next to nothing."""
        seen, calls = bag.codes, self.book.calls
        numbers, cut = self.codes.numbers, self.codes.cut
        inner: Dict[int, List[Any]] = {}
        outer: List[Tuple[int, Any]] = []
        for entry in taken:
            code = entry.code
            above = numbers[id(code)] if id(code) in numbers else self.number(code)
            if above is None:
                if entry.calls is not None and id(code) not in cut:
                    inner[id(code)] = entry.calls
                continue
            seen.add(above)
            for call in entry.calls or ():
                callee = call.code
                number = numbers[id(callee)] if id(callee) in numbers else self.number(callee)
                if number is not None:
                    calls.add((above, number))
                elif id(callee) not in cut:
                    outer.append((above, callee))
        for above, callee in outer:
            self._bridge(above, callee, inner)

    def _bridge(self, above: int, callee: Any, inner: Dict[int, List[Any]]) -> None:
        """Calls from the project through other people's code back into the project: functools, dataclasses, ..."""
        todo, seen = [callee], set()
        while todo:
            one = todo.pop()
            number = self.number(one)
            if number is not None:
                self.book.calls.add((above, number))
            elif id(one) not in seen and id(one) not in self.codes.cut:
                seen.add(id(one))
                todo.extend(call.code for call in inner.get(id(one), ()))

    def opened(self, path: str, caller: Optional[int]) -> None:
        """A data file or folder of the project was read."""
        self.bags[-1].paths.add(path)
        if caller is not None:
            self.say({"e": "open", "c": caller, "p": path})

    # -- pytest's hooks

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self) -> None:
        """Plugins of other people are imported by now, which is half of the start and concerns nobody. Where one is the
        project's own, all of its file counts for all cases."""
        self.start()

    def start(self) -> None:
        """Looks from now on. Functions are looked at as soon as there are some of the project's: until then that would
        be pytest's own, which is most of what a run of few cases does."""
        if self.started:
            return
        self.started = True
        impact_audit.listen(self)
        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None)
            path = self.path(file) if isinstance(file, str) and file.endswith(".py") else None
            if path is not None:
                self.session.codes.add(self.codes.whole(path))
                self.track()

    def track(self) -> None:
        """Looks at functions from now on."""
        if self.tracking:
            return
        self.tracking = True
        if threading.current_thread() is not threading.main_thread():
            self.session.doubt = "a thread imported the project before anything else did"
        self.tracker.start()

    def executes(self, code: Any) -> None:
        """A module is about to run: no function of the project is there before one of its modules has."""
        name = getattr(code, "co_filename", "<")
        if name[:1] != "<" and self.path(name) is not None:
            self.track()

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: Any) -> None:
        self.start()
        self.book.facts = {
            "patterns": list(config.getini("python_files")),
            "testpaths": list(config.getini("testpaths")) if config.rootpath == config.invocation_params.dir else [],
            "globs": list(getattr(config.option, "doctestglob", None) or ["test*.txt"]),
            "folders": sorted(p for p in set(sys.path) if os.path.isdir(p) and self.path(os.path.join(p, "x")) is None),
            "tracker": trace.NAME,
        }

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_make_collect_report(self, collector: Any) -> Iterator[None]:
        file = self.path(str(getattr(collector, "path", "")))
        if file is None or not os.path.isfile(str(collector.path)):
            self.collect()
            yield
            self.collect()
            return
        bag = self.open_bag()
        yield
        self.close_bag()
        self.say(bag.event("collect", f=file))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        bag = self.open_bag()
        self.running = self.ran = True
        yield
        self.close_bag()
        self.running = False
        bag.scopes |= self._scopes_of(item)
        self.say(bag.event("case", id=item.nodeid))
        self.book.flush()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: Any, nextitem: Any) -> Iterator[None]:
        if nextitem is None or nextitem.parent is not item.parent:
            self.collect()  # what follows may be the tear-down of a wider fixture
        self.bags[-1].scopes |= self._scopes_of(item)
        yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        if fixturedef.scope == "function":
            yield
            return
        bag = self.open_bag()
        yield
        self.close_bag()
        number = len(self.scope_bags)
        self.scope_bags[number] = bag
        self.scopes[id(fixturedef)] = (fixturedef, number)
        outer = self.bags[-1]
        outer.scopes.add(number)
        self.say(bag.event("scope", i=number))

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_post_finalizer(self, fixturedef: Any) -> None:
        scope = self.scopes.get(id(fixturedef))
        if scope is None or fixturedef.scope == "function":
            return
        bag = Bag()
        self.bags.append(bag)
        self.collect(self.bags[-2])
        self.bags.pop()
        if self.running:
            self.bags[-1].add(bag)
        if bag:
            self.say(bag.event("scope", i=scope[1]))

    def _scopes_of(self, item: Any) -> Set[int]:
        """Numbers of the wider fixtures that are set up and that the case has."""
        used: List[Any] = []
        for definitions in getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {}).values():
            used.extend(definitions)
        used.extend(getattr(getattr(item, "_request", None), "_fixture_defs", {}).values())
        return {self.scopes[id(one)][1] for one in used if id(one) in self.scopes}
