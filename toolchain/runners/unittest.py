"""unittest, in the tested project's own interpreter, by a small script of ours that writes results as they come.

unittest has no report. The script (`_unittest_main.py`, stdlib only) is written beside the report and run from there,
so that nothing of ours is on the project's path. Sharded by files and cases: a selection of either is run as it is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domain.cases import Attempt, CaseId, Status, SuiteReport
from toolchain.command import Command, Ran
from toolchain.reports.report import MAX_TEXT, Kept, Names
from toolchain.runners import RunRequest
from toolchain.runners._agreement import doubts, no_options

TOOL = "unittest"
_SCRIPT = Path(__file__).with_name("_unittest_main.py")
_FAILED = (1,)


def command(request: RunRequest) -> Command:
    """Our options come last: argparse takes the last of two, and a suite must not move the report."""
    suite, report = request.suite, request.out / "unittest.jsonl"
    chosen = request.selection or suite.paths
    no_options(suite, chosen)
    script = request.out / "tes_unittest.py"
    files = {script: _SCRIPT.read_text("utf-8")}
    targets = tuple(f"--target={path}" for path in chosen)
    if sum(map(len, targets)) > 60_000:  # a longer command line would be refused by the kernel
        listing = request.out / "targets.txt"
        files[listing] = "".join(f"{target}\n" for target in targets)
        targets = (f"@{listing}",)
    ours = [f"--report={report}", f"--root={request.root}"]
    if suite.case_timeout is not None:
        ours.append(f"--case-timeout={suite.case_timeout:g}")
    return Command(
        argv=(str(request.interpreter or sys.executable), str(script), *suite.args, *ours, *targets),
        cwd=request.root,
        environment=dict(suite.environment),
        timeout=request.timeout,
        report=report,
        files=files,
    )


def parse(ran: Ran, request: RunRequest) -> SuiteReport:
    """Each case that finished; the one in which the process died is CRASHED."""
    reader = _Reader(request.suite.name)
    for event in _events(ran.report or request.out / "unittest.jsonl"):
        reader.take(event)
    attempts = reader.kept.attempts
    if not reader.ended and reader.running and not ran.timed_out:
        code = ran.exit_code or 0
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        message = f"unittest's process ended in this case ({how})"
        attempts.append(Attempt(case=reader.running, status=Status.CRASHED, message=message, output=ran.tail(4000)))
    problems = list(reader.problems)
    if problems and ran.exit_code in (3, 5):
        problems += [problem for problem in doubts(ran, TOOL, attempts) if "exit code" not in problem]
    else:
        problems += doubts(ran, TOOL, attempts, _FAILED)
    if ran.timed_out and reader.running:
        problems.append(f"{reader.running} was running when it was stopped")
    problems += reader.disagreements()
    return SuiteReport(
        suite=request.suite.name,
        attempts=tuple(attempts),
        complete=reader.ended and not ran.timed_out,
        problems=tuple(problems),
        notes=tuple(reader.notes),
        seconds=ran.seconds,
        unlisted=dict(reader.kept.unlisted),
    )


def _events(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of the report; what is cut off at its end is none."""
    try:
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n") and isinstance(event := _json(line), dict):
                    yield event
    except FileNotFoundError:
        return


def _json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


class _Reader:
    def __init__(self, suite: str) -> None:
        self.suite = suite
        self.kept, self.names = Kept(), Names()
        self.running: CaseId | None = None
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.collected: int | None = None
        self.ran = self.results = 0
        self.ended = self.stopped = self.fixtures = False

    def take(self, event: dict[str, Any]) -> None:
        kind = event.get("e")
        if kind == "start":
            self.running = self._case(event)
        elif kind == "result":
            self.running = None
            self._result(event)
        elif kind == "fixture":
            self.fixtures = True
            self.results -= 1  # what follows is no case
        elif kind in ("problem", "note"):
            (self.problems if kind == "problem" else self.notes).append(str(event.get("text")))
        elif kind == "collected":
            self.collected = int(event.get("n", 0))
        elif kind == "end":
            self.ended, self.stopped = True, bool(event.get("stopped"))
            self.ran = int(event.get("ran", 0))

    def _result(self, event: dict[str, Any]) -> None:
        self.results += 1
        try:
            status = Status(event.get("o", ""))
        except ValueError:
            self.problems.append(f"the report has an unknown outcome: {str(event.get('o'))[:40]}")
            return
        self.kept.add(
            Attempt(
                case=self.names.apart(self._case(event)),
                status=status,
                seconds=float(event.get("s", 0.0)),
                started=float(event.get("t", 0.0)) - float(event.get("s", 0.0)),
                message=str(event.get("msg", "")),
                output=str(event.get("out", ""))[: MAX_TEXT * 2],
            )
        )

    def _case(self, event: dict[str, Any]) -> CaseId:
        place = {"file": "f", "classname": "c", "name": "name"}
        return CaseId(suite=self.suite, **{field: str(event.get(key, "")) for field, key in place.items()})

    def disagreements(self) -> Iterator[str]:
        if not self.ended:
            if not self.problems:
                yield "unittest did not come to its end"
            return
        if self.ran != self.results:
            yield f"unittest ran {self.ran} cases, and its report holds {self.results}"
        # A fixture that failed or skipped leaves its cases out; so does --failfast.
        if self.collected is None or self.ran != self.collected and not (self.fixtures or self.stopped):
            yield f"unittest collected {self.collected} cases and ran {self.ran}"
