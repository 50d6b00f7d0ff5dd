"""What a process tells of its cases: OUT/impact/<worker>-<pid>.jsonl, whole lines, one write a case, and a last line
that says that this was all. A record that lacks it, or has a line that cannot be read, is not believed to be whole."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Dict, List, Set, Tuple

from .impact_bag import Bag
from .impact_codes import Codes


class Book:
    """Written by whatever process holds it: after a fork the child begins one of its own."""

    def __init__(self, out: str, codes: Codes, session: Bag) -> None:
        self.folder = os.path.join(out, "impact")
        self.codes, self.session = codes, session
        self.facts: Dict[str, Any] = {}
        self.calls: Set[Tuple[int, int]] = set()
        self.lines: List[str] = []
        self.pid = self.told = self.modules = 0
        self.written: Set[Tuple[int, int]] = set()
        self.known: Set[str] = set()
        self.session_told: Any = None

    def say(self, event: Dict[str, Any]) -> None:
        self.lines.append(json.dumps(event))

    def flush(self, end: bool = False) -> None:
        """Everything new, with whatever it refers to before it."""
        head: List[str] = []
        if self.pid != os.getpid():
            self.pid, self.told, self.modules = os.getpid(), 0, 0
            self.known, self.written, self.session_told = set(), set(), None
            os.makedirs(self.folder, exist_ok=True)
            worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
            self.file = os.path.join(self.folder, f"{worker}-{self.pid}.jsonl")
            head.append(json.dumps({"e": "facts", "x": self.facts}))
        all_codes = self.codes.all
        for number in range(self.told, len(all_codes)):
            code, path = all_codes[number]
            if path:
                line, name = code.co_firstlineno, code.co_name
                head.append(json.dumps({"e": "code", "i": number, "f": path, "l": line, "q": name}))
        self.told = len(all_codes)
        if len(sys.modules) != self.modules:
            self.modules = len(sys.modules)
            head += self._new_modules()
        if self.session_told != self.session.size():
            self.session_told = self.session.size()
            head.append(json.dumps(self.session.event("session")))
        calls = self.calls - self.written
        if calls:
            self.written |= calls
            head.append(json.dumps({"e": "calls", "x": sorted(calls)}))
        last = ['{"e": "end"}'] if end else []
        data = memoryview("".join(f"{line}\n" for line in head + self.lines + last).encode())
        self.lines = []
        handle = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            while data:
                data = data[os.write(handle, data) :]
        finally:
            os.close(handle)

    def _new_modules(self) -> List[str]:
        told = []
        for name, module in list(sys.modules.items()):
            if name in self.known:
                continue
            self.known.add(name)
            file = getattr(module, "__file__", None)
            path = self.codes.path(file) if isinstance(file, str) else None
            if path is not None:
                told.append(json.dumps({"e": "module", "n": name, "f": path}))
        return told
