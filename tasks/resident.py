"""Resident engines for `tes test --watch`: each has imported a suite's libraries and forks an engine when asked.

For a person who waits, never for a verdict in CI. Where one cannot be used, or is not ready, a fresh engine is started
instead: this only ever saves time.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tasks.process_group import dies_with_parent
from toolchain.engine_argv import BOOT

# A resident that is idle answers in a few milliseconds.
ANSWER_S = 2.0


class Place(NamedTuple):
    """What a process cannot change afterwards: where any of it differs, another resident is needed."""

    python: str
    root: str
    environment: tuple[tuple[str, str], ...]


class Engine:
    """A forked engine, as `subprocess.Popen` would show it. `ends` becomes readable when it ends."""

    def __init__(self, resident: Resident, pid: int) -> None:
        self.resident, self.pid = resident, pid
        self.returncode: int | None = None
        self.ends = resident.answers

    def poll(self) -> int | None:
        return self._ended(0.0)

    def wait(self) -> int:
        """Until it has ended; its exit code, negative for a signal."""
        while (code := self._ended(60.0)) is None:
            pass
        return code

    def _ended(self, seconds: float) -> int | None:
        if self.returncode is None and (answer := self.resident.answer(seconds)) is not None:
            # The kernel kills an engine whose resident was killed.
            self.returncode = int(answer.get("code", -9))
        return self.returncode


class Resident:
    """One resident process, that knows the libraries `names`."""

    def __init__(self, place: Place, names: Sequence[str], avoid: Sequence[str]) -> None:
        self.place, self.names = place, frozenset(names)
        self.kept = b""
        self.state = "starting"
        self.process = subprocess.Popen(
            [place.python, BOOT, "--resident"],
            cwd=place.root,
            env=dict(place.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=dies_with_parent(),
        )
        assert self.process.stdout is not None
        self.answers = self.process.stdout.fileno()
        self._order({"root": place.root, "names": list(names), "avoid": list(avoid)})

    def ready(self) -> bool:
        """Whether it can be given an order now."""
        if self.state == "starting" and (answer := self.answer(0.0)) is not None:
            self.state = "ready" if "ready" in answer else "refused"
        return self.state == "ready"

    def start(self, order: Mapping[str, Any]) -> Engine | None:
        """An engine; None when it cannot make one, and then it never will."""
        self._order(order)
        answer = self.answer(ANSWER_S) or {}
        if "pid" in answer:
            return Engine(self, answer["pid"])
        self.state = "stale"
        self.stop()
        return None

    def answer(self, seconds: float) -> dict[str, Any] | None:
        """Its next answer; None when none came in time; an empty one when it is gone."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self.kept:
            if not select.select([self.answers], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return None
            read = os.read(self.answers, 1 << 16)
            if not read:
                self.state = "gone"
                return {}
            self.kept += read
        line, _, self.kept = self.kept.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """Ends it, and its engine if there is one."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()

    def _order(self, order: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # it is gone, which its answer tells
            self.process.stdin.write(json.dumps(order).encode() + b"\n")
            self.process.stdin.flush()


class Warm:
    """The residents of one `--watch`, by the names of the suites."""

    def __init__(self) -> None:
        self.residents: dict[str, Resident] = {}
        self.usable = "CI" not in os.environ
        self.never: set[str] = set()

    def start(self, suite: str, argv: Sequence[str], place: Place, stdout: str, stderr: str) -> Engine | None:
        """The engine of that argv, forked; None when a fresh one must be started. The log files are there already."""
        resident = self.residents.get(suite)
        if not self.usable or resident is None or resident.place != place or not resident.ready():
            return None
        order = {
            "argv": list(argv[2:]),
            "cwd": place.root,
            "environment": dict(place.environment),
            "stdout": stdout,
            "stderr": stderr,
        }
        return resident.start(order)

    def prepare(self, suite: str, place: Place, out: str) -> None:
        """After a run, while its result is read: a resident with what the run's workers had imported."""
        told = _told(os.path.join(out, "modules")) if self.usable else []
        names = dict.fromkeys(name for one in told for name in one["names"])
        if not all(one["same"] for one in told):
            # The tests set variables before they import: that order must stay.
            self.never.add(suite)
        before = self.residents.get(suite)
        if before is not None:
            kept = before.place == place and before.state in ("starting", "ready", "refused")
            # A few more, those of the resident itself say, are not worth another start.
            if kept and len(names.keys() - before.names) * 20 <= len(before.names) and suite not in self.never:
                return
            before.stop()
            del self.residents[suite]
            if kept:
                names |= dict.fromkeys(before.names)
        if names and suite not in self.never:
            avoid = sorted({name for one in told for name in one["rewritten"]})
            self.residents[suite] = Resident(place, list(names), avoid)

    def stop(self) -> None:
        for resident in self.residents.values():
            resident.stop()
        self.residents = {}


def _told(folder: str) -> list[dict[str, Any]]:
    """What the workers of a run wrote; one that was killed may have written half of it."""
    found = []
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            with contextlib.suppress(ValueError), open(os.path.join(folder, name), encoding="utf-8") as file:
                found.append(json.load(file))
    return found
