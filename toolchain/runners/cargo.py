"""`cargo test`: the text that libtest prints, block by block, each against its own count; or nextest's JUnit report.

libtest's JSON is unstable, its text is not. cargo names the targets on standard error, in the order in which they print
on standard output. A block without its last line is a process that died. With `args: [nextest, run]` it is
cargo-nextest, whose report is read from `target/nextest/<profile>/junit.xml`. A selection runs tests by their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from domain.cases import Attempt, CaseId, Status, SuiteReport
from toolchain.command import Command, Ran
from toolchain.reports.report import Kept, Names, Text
from toolchain.runners import RunRequest
from toolchain.runners import _libtest as libtest
from toolchain.runners import _nextest as nextest
from toolchain.runners._agreement import doubts, no_options, printed

TOOL = "cargo"
ENVIRONMENT = ""
BUILD, PROCESS = "(build)", "(process)"
_RUNNING = re.compile(r"running (\d+) tests?\s*\Z")
_TEST = re.compile(r"test (.+?)(?: - should panic)?(?: - compile(?: fail)?)? \.\.\. (.*)")
_RESULT = re.compile(
    r"test result: (?:ok|FAILED)\. (\d+) passed; (\d+) failed; (\d+) ignored; (\d+) measured; (\d+) filtered out"
)
_FAILURE = re.compile(r"---- (.+?) stdout ----\s*\Z")
_TARGET = re.compile(r"\s+(?:Running (?:\w+ )?(\S+) \((\S+)\)|Doc-tests (\S+))\s*\Z")
_NOT_COMPILED = re.compile(r"error: could not compile `([^`]+)`")
_WORDS = {"ok": Status.PASSED, "FAILED": Status.FAILED, "ignored": Status.SKIPPED}


def command(request: RunRequest) -> Command:
    """`--no-fail-fast`, so that one crate's failure does not hide those of the next."""
    suite = request.suite
    no_options(suite, suite.paths)
    packages = tuple(f"--package={path}" for path in suite.paths)
    names = tuple(dict.fromkeys(_name(entry) for entry in request.selection if "::" in entry))
    if nextest.asked(suite):
        config = request.out / "nextest.toml"
        exact = nextest.chosen(request.selection)
        argv = (TOOL, *suite.args, f"--tool-config-file=tes:{config}", "--no-fail-fast", *packages, *exact)
        more = {"report": nextest.report_of(request), "files": {config: nextest.config(suite)}}
    else:
        ours, _, harness = _split(suite.args)
        threads = (f"--test-threads={count}",) if (count := request.workers or suite.workers) else ()
        after = (*threads, *harness, *(("--exact", *names) if names and not any("(" in n for n in names) else ()))
        argv = (TOOL, "test", "--no-fail-fast", "--color=never", *packages, *ours, *(("--", *after) if after else ()))
        more = {}
    environment = {"CARGO_TERM_COLOR": "never", **suite.environment}
    return Command.model_validate(
        {"argv": argv, "cwd": request.root, "environment": environment, "timeout": request.timeout, **more}
    )


def _split(args: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    at = args.index("--") if "--" in args else len(args)
    return args[:at], args[at : at + 1], args[at + 1 :]


def _name(entry: str) -> str:
    """`src/lib.rs::shop::tests::adds` → `tests::adds`: without the file and the crate."""
    parts = entry.split("::")
    return "::".join(parts[2:] if parts[0].endswith(".rs") else parts[1:])


def parse(ran: Ran, request: RunRequest) -> SuiteReport:
    """Every test that was named, with the targets it belongs to."""
    if nextest.asked(request.suite):
        return _of_nextest(ran, request)
    errors = printed(ran.stderr)
    reader = _Reader(request.suite.name, list(_targets(errors)), died=not ran.timed_out)
    reader.read(printed(ran.stdout), errors)
    problems = [*reader.problems, *doubts(ran, "cargo test", reader.kept.attempts, (101,))]
    if ran.truncated:
        problems.append("its output was cut off")
    return SuiteReport(
        suite=request.suite.name,
        attempts=tuple(reader.kept.attempts),
        complete=reader.whole and not ran.timed_out and not ran.truncated,
        problems=tuple(problems),
        notes=tuple(reader.notes),
        seconds=ran.seconds,
        unlisted=dict(reader.kept.unlisted),
    )


def _of_nextest(ran: Ran, request: RunRequest) -> SuiteReport:
    report = nextest.read(ran, request)
    broken = tuple(_not_compiled(printed(ran.stderr), request.suite.name))
    attempts = (*report.attempts, *broken)
    # What does not compile leaves no report.
    problems = () if broken and not report.attempts else report.doubts()
    return SuiteReport(
        suite=request.suite.name,
        attempts=attempts,
        complete=(report.complete or bool(broken)) and not ran.timed_out,
        problems=(*problems, *doubts(ran, "cargo nextest", attempts, (100, 101) if broken else (100,))),
        notes=report.notes,
        seconds=ran.seconds,
        unlisted=report.unlisted,
    )


def _not_compiled(errors: str, suite: str) -> Iterator[Attempt]:
    for crate in dict.fromkeys(_NOT_COMPILED.findall(errors)):
        at = max(0, errors.find("error") - 200)
        case = CaseId(suite=suite, classname=crate, name=BUILD)
        yield Attempt(case=case, status=Status.ERROR, message=f"could not compile {crate}", output=errors[at:][:16_000])


def _targets(errors: str) -> Iterator[tuple[str, str]]:
    """The source file and the name of each target that was run, in order."""
    for line in errors.splitlines():
        if found := _TARGET.match(line):
            if found[3]:
                yield "", f"{found[3]} (doc)"
            else:
                yield found[1], re.sub(r"-[0-9a-f]{16}(\.exe)?\Z", "", PurePosixPath(found[2]).name)


class _Block:
    """What one test binary printed."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.found: dict[str, Status] = {}
        self.again: list[tuple[str, Status]] = []
        self.outputs: dict[str, Text] = {}
        self.pending = ""
        self.counts: tuple[int, ...] | None = None

    def add(self, name: str, word: str) -> None:
        status = _WORDS.get(word.split(",")[0].strip())
        if status is None and word.startswith("bench:"):
            status = Status.PASSED
        if status is None:
            self.pending = name  # its output comes first
            return
        self.pending = ""
        if name in self.found:
            self.again.append((name, status))
        else:
            self.found[name] = status

    def disagreement(self) -> str:
        if self.counts is None:
            return f"it ended after {len(self.found)} of {self.number} tests, without a result"
        seen = [sum(status is wanted for status in self.found.values()) for wanted in _WORDS.values()]
        passed, failed, ignored, measured, _ = self.counts
        if seen != [passed + measured, failed, ignored] or sum(seen) != self.number:
            return f"it says {self.counts[:3]} passed, failed and ignored of {self.number}, and names {tuple(seen)}"
        return ""


class _Reader:
    def __init__(self, suite: str, targets: list[tuple[str, str]], died: bool) -> None:
        self.suite, self.targets, self.died = suite, targets, died
        self.kept, self.names = Kept(), Names()
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.whole = True

    def read(self, text: str, errors: str) -> None:
        blocks = list(_blocks(text))
        named = len(blocks) == len(self.targets)
        if not named:
            self.notes.append(f"{len(self.targets)} targets ran and {len(blocks)} printed tests: not told apart")
        for index, block in enumerate(blocks):
            file, crate = self.targets[index] if named else ("", "")
            self._keep(block, file, crate, errors)
        for attempt in _not_compiled(errors, self.suite):
            self.kept.add(attempt)

    def _keep(self, block: _Block, file: str, crate: str, errors: str) -> None:
        for name, status in [*block.found.items(), *block.again]:
            text = str(block.outputs.get(name, "")).strip("\n") if status is Status.FAILED else ""
            case = self.names.apart(CaseId(suite=self.suite, file=file, classname=crate, name=name))
            self.kept.add(Attempt(case=case, status=status, message=libtest.message(text), output=text))
        if not (problem := block.disagreement()):
            return
        self.whole = False
        self.problems.append(f"{crate or 'a target'}: {problem}")
        if block.counts is None and self.died:
            case = CaseId(suite=self.suite, file=file, classname=crate, name=block.pending or PROCESS)
            why = next((line.strip() for line in errors.splitlines() if "process didn't exit successfully" in line), "")
            message = why or "the process ended without a result"
            self.kept.add(
                Attempt(case=self.names.apart(case), status=Status.CRASHED, message=message, output=errors[-4000:])
            )


def _blocks(text: str) -> Iterator[_Block]:
    block: _Block | None = None
    output: Text | None = None
    for line in text.splitlines():
        if found := _RUNNING.match(line):
            if block is not None:
                yield block
            block, output = _Block(int(found[1])), None
        elif block is None:
            continue
        elif found := _RESULT.match(line):
            block.counts = tuple(int(number) for number in found.groups())
            yield block
            block, output = None, None
        elif found := _FAILURE.match(line):
            output = block.outputs.setdefault(found[1], Text())
        elif line == "failures:":
            output = None
        elif output is not None:
            output.add(line + "\n")
        elif found := _TEST.fullmatch(line):
            block.add(found[1], found[2])
        elif block.pending and line.strip() in _WORDS:
            block.add(block.pending, line.strip())
    if block is not None:
        yield block
