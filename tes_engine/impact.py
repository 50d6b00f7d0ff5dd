"""What each case does: the project's functions that it executes, the files that it opens, the processes that it starts.

A pytest plugin of any process that runs cases. Made before the conftests are loaded, so that it sees what they execute;
it survives a fork: the child tells in its own OUT/impact/<worker>-<pid>.jsonl, whole lines, one write a case.
What set a wider fixture up belongs to every case that has it. What is executed while a file is collected belongs to it.

What cannot be seen is said rather than left out: a case that starts a process depends on everything (`a`), one that
loses its tracer or talks to another machine cannot be judged (`u`).
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

import pytest

from . import impact_audit
from .impact_bag import Bag

if sys.version_info >= (3, 12):
    from . import trace_monitoring as trace
else:
    from . import trace_profile as trace

_CUT = ("<frozen importlib", "/_pytest/", "/pluggy/", "/tes_engine/")


class _Anything:
    """Stands for all the code of a file."""

    co_firstlineno, co_name = 0, "?"


class Recorder:
    """The plugin. `root` is the project's folder: what is outside of it, or installed into it, is not the project's."""

    def __init__(self, out: str, root: str) -> None:
        self.folder = os.path.join(out, "impact")
        self.roots = tuple(dict.fromkeys(os.path.join(path, "") for path in (root, os.path.realpath(root))))
        self.outside = tuple(
            os.path.join(path, "")
            for path in {sys.prefix, sys.exec_prefix, out, *_installed()}
            if not self.roots[0].startswith(os.path.join(path, ""))
        )
        self.numbers: Dict[int, Optional[int]] = {}  # of code objects, by identity; None is not the project's
        self.codes: List[Tuple[Any, str]] = []  # keeps them alive, so that identities stay theirs
        self.cut: Set[int] = set()  # where calls lead from anywhere to anywhere: imports, pytest, pluggy
        self.pid = 0
        self.lines: List[str] = []
        self.told = 0
        self.calls: Set[Tuple[int, int]] = set()
        self.modules = 0
        self.known: Set[str] = set()
        self.session = Bag()
        self.bags: List[Bag] = [self.session]
        self.scopes: Dict[int, Tuple[Any, int]] = {}
        self.scope_bags: Dict[int, Bag] = {}
        self.running = self.ran = False
        self.facts: Dict[str, Any] = {}
        self.tracker = trace.Tracker(self.number) if trace.NAME == "monitoring" else trace.Tracker()  # type: ignore
        self.started = False

    def close(self) -> None:
        """Stops looking."""
        self.tracker.stop()
        impact_audit.listen(None)

    # -- whose it is

    def path(self, name: str) -> Optional[str]:
        """A file's path from the root; None when it is not the project's."""
        if not os.path.isabs(name):
            name = os.path.abspath(name)
        for root in self.roots:
            if name.startswith(root):
                if name.startswith(self.outside):
                    return None
                path = name[len(root) :].replace(os.sep, "/")
                if any(part[:1] == "." or part == "site-packages" for part in path.split("/")):
                    return None
                return path
        return None

    def number(self, code: Any) -> Optional[int]:
        """The number of one of the project's code objects."""
        try:
            return self.numbers[id(code)]
        except KeyError:
            pass
        name = getattr(code, "co_filename", "<")
        path = None if name[:1] == "<" else self.path(name)
        found = None
        if path is not None:
            found = len(self.codes)
        elif any(part in name.replace(os.sep, "/") for part in _CUT):
            self.cut.add(id(code))
        self.numbers[id(code)] = found
        self.codes.append((code, path or ""))
        return found

    # -- what was seen

    def collect(self) -> None:
        """What ran since the last time goes into the bag that is open."""
        taken = self.tracker.take()
        if trace.NAME == "profile":
            self._entries(taken)
        else:
            seen = self.bags[-1].codes
            for caller, number in taken:
                seen.add(number)
                if caller is not None:
                    self.calls.add((caller, number))
        if self.tracker.lost():
            self.bags[-1].doubt = self.bags[-1].doubt or "somebody else's tracer took the place of ours"

    def _entries(self, taken: List[Any]) -> None:
        """The C profiler's entries. Most are pytest's own: those must cost next to nothing."""
        seen, calls, numbers, cut = self.bags[-1].codes, self.calls, self.numbers, self.cut
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
                self.calls.add((above, number))
            elif id(one) not in seen and id(one) not in self.cut:
                seen.add(id(one))
                todo.extend(call.code for call in inner.get(id(one), ()))

    def opened(self, path: str, caller: Optional[int]) -> None:
        """A data file or folder of the project was read."""
        self.bags[-1].paths.add(path)
        if caller is not None:
            self.say({"e": "open", "c": caller, "p": path})

    # -- what is told

    def say(self, event: Dict[str, Any]) -> None:
        self.lines.append(json.dumps(event))

    def flush(self) -> None:
        """Everything new, with whatever it refers to before it."""
        if self.pid != os.getpid():
            self.pid, self.told, self.modules = os.getpid(), 0, 0
            self.known = set()
            os.makedirs(self.folder, exist_ok=True)
            worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
            self.file = os.path.join(self.folder, f"{worker}-{self.pid}.jsonl")
            self.written: Set[Tuple[int, int]] = set()
            self.lines[:0] = [json.dumps({"e": "facts", "x": self.facts}), json.dumps(self.session.event("session"))]
        head = []
        for number in range(self.told, len(self.codes)):
            code, path = self.codes[number]
            if path:
                head.append(
                    json.dumps({"e": "code", "i": number, "f": path, "l": code.co_firstlineno, "q": code.co_name})
                )
        self.told = len(self.codes)
        if len(sys.modules) != self.modules:
            self.modules = len(sys.modules)
            head += self._new_modules()
        calls = self.calls - self.written
        if calls:
            self.written |= calls
            head.append(json.dumps({"e": "calls", "x": sorted(calls)}))
        text = "".join(f"{line}\n" for line in head + self.lines)
        self.lines = []
        handle = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(handle, text.encode())
        finally:
            os.close(handle)

    def _new_modules(self) -> List[str]:
        told = []
        for name, module in list(sys.modules.items()):
            if name in self.known:
                continue
            self.known.add(name)
            file = getattr(module, "__file__", None)
            path = self.path(file) if isinstance(file, str) else None
            if path is not None:
                told.append(json.dumps({"e": "module", "n": name, "f": path}))
        return told

    # -- pytest's hooks

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self) -> None:
        """Plugins of other people are imported by now, which is half of the start and concerns nobody. Where one is the
        project's own, all of its file counts for all cases."""
        self.start()

    def start(self) -> None:
        """Looks from now on."""
        if self.started:
            return
        self.started = True
        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None)
            path = self.path(file) if isinstance(file, str) and file.endswith(".py") else None
            if path is not None:
                self.session.codes.add(len(self.codes))
                self.codes.append((_Anything(), path))
        self.tracker.start()
        impact_audit.listen(self)

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: Any) -> None:
        self.start()
        self.facts = {
            "patterns": list(config.getini("python_files")),
            "folders": sorted(p for p in set(sys.path) if os.path.isdir(p) and self.path(os.path.join(p, "x")) is None),
            "tracker": trace.NAME,
        }

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_make_collect_report(self, collector: Any) -> Iterator[None]:
        self.collect()
        file = self.path(str(getattr(collector, "path", "")))
        if file is None or not os.path.isfile(str(collector.path)):
            yield
            self.collect()
            return
        bag = Bag()
        self.bags.append(bag)
        yield
        self.collect()
        self.bags.pop()
        self.say(bag.event("collect", f=file))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        if not self.ran:
            self.ran = True
            self.collect()
        bag = Bag()
        self.bags.append(bag)
        self.running = True
        yield
        self.collect()
        self.running = False
        self.bags.pop()
        bag.scopes |= self._scopes_of(item)
        self.say(bag.event("case", id=item.nodeid))
        self.flush()

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
        self.collect()
        bag = Bag()
        self.bags.append(bag)
        yield
        self.collect()
        self.bags.pop()
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
        self.collect()
        self.bags.pop()
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


def _installed() -> List[str]:
    paths = sysconfig.get_paths()
    return [paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib") if key in paths]
