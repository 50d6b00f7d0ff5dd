"""What the JavaScript runners share: where their tool is, how cases are chosen, and when a report is believed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from domain.cases import Attempt, SuiteReport, final
from domain.errors import MissingTool
from domain.spec import Suite
from domain.verdict import Value
from toolchain.command import Command, Ran
from toolchain.reports.trusted import one_line, said
from toolchain.runners import RunRequest
from toolchain.runners._agreement import no_options

WHOLE_FILE = "(file)"
"""The name of the case that stands for a file which could not be loaded, or whose process died."""

BETWEEN = " > "
MAX_NAME = 2_000
_PATTERN_LIMIT = 60_000
_COUNT = re.compile(r" \(#\d+\)$")
_ANSI = re.compile(r"\x1b\[[0-9;:]*[A-Za-z]")
_ONLY = re.compile(r"\.only\s*[(.`]|\bf(?:it|describe)\s*[(.`]|\bonly\s*:\s*true\b")

_REASON = re.compile(r"Error: |threshold")


class Read(Value):
    """What a report held. `running` is the case that had begun and not ended, `empty` the files without any case."""

    attempts: tuple[Attempt, ...] = ()
    complete: bool = True
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    running: str = ""


def binary(root: Path, name: str) -> str:
    """The tool that the project depends on; in a workspace it lies in a folder above. Else the name, if it is on PATH.

    MissingTool where it is in neither place.
    """
    for folder in (root, *root.parents):
        if (found := folder / "node_modules" / ".bin" / name).exists():
            return str(found)
    if shutil.which(name):
        return name
    raise MissingTool(
        f"{name} is not installed: there is no {root / 'node_modules' / '.bin' / name}, and none on PATH",
        fix=f"npm ci (without a lock: npm install) in {root}; package.json has to depend on {name}",
    )


def command(tool: str, request: RunRequest, report: Path, words: Iterable[str]) -> Command:
    """The tool with these words. With CI set no framework waits for changes or writes the snapshot to compare with."""
    return Command(
        argv=(binary(request.root, tool), *words),
        cwd=request.root,
        environment={"CI": "1", **request.suite.environment},
        timeout=request.timeout,
        report=report,
    )


def paths(suite: Suite, selection: tuple[str, ...]) -> tuple[str, ...]:
    """The files to run: those of the selected cases, else the suite's paths. SpecError for one that is an option."""
    chosen = tuple(dict.fromkeys(one.partition("::")[0] for one in selection)) or suite.paths
    no_options(suite, chosen)
    return chosen


def limit(option: str, suite: Suite, end: str = "") -> list[str]:
    """The option that limits one case, in milliseconds; none where tes.yaml says nothing: each has a limit of its own.

    `end` makes the tool end with its last case: what a stopped case waits for (a timer, a connection) goes on, and
    would keep the process. Node's is left out: its `--test-timeout` ends whole files (seen with 20.20).
    """
    if suite.case_timeout is None:
        return []
    return [f"{option}={max(1, round(suite.case_timeout * 1000))}", *([end] if end else [])]


def pattern(selection: tuple[str, ...]) -> str:
    """A regular expression for the full names of the selected cases; "" where whole files are meant.

    A full name is what the frameworks match: the titles from the outermost, joined by a blank.
    """
    names = [one.partition("::")[2] for one in selection]
    if not all(names) or WHOLE_FILE in names or sum(map(len, names)) > _PATTERN_LIMIT:
        return ""
    exact = "|".join(_full_name(name) for name in dict.fromkeys(names))
    return f"^(?:{exact})$" if exact else ""


def _full_name(name: str) -> str:
    # A title may itself hold what we put between titles.
    parts = re.split(rf"({re.escape(BETWEEN)}|::)", _COUNT.sub("", name))
    return "".join(rf"(?:\s|{escaped(part)})" if at % 2 else escaped(part) for at, part in enumerate(parts))


def escaped(text: str) -> str:
    """A text as a JavaScript regular expression that matches just it."""
    return re.sub(r"\s", r"\\s", re.sub(r"([.*+?^${}()|\[\]\\/])", r"\\\1", text))


def plain(text: str, limit: int = 16_000) -> str:
    """A text of a tool without colours, cut to a length that fits into the records."""
    return _ANSI.sub("", text[: limit * 2]).strip("\n")[:limit]


def relative(path: str, root: Path) -> str:
    """A path of a report under the project's root, with slashes; as it is where it lies elsewhere."""
    for base in (root, root.resolve()):
        if Path(path).is_relative_to(base):
            return Path(path).relative_to(base).as_posix()
    return path


def focused(root: Path, files: Iterable[str]) -> Iterator[str]:
    """Of these files, those with an `.only` in their source."""
    for name in files:
        try:
            with (root / name).open("rb") as file:
                text = file.read(1 << 20).decode("utf-8", "replace")
        except OSError:
            continue
        if _ONLY.search(text):
            yield name


def report(tool: str, read: Read, ran: Ran, request: RunRequest) -> SuiteReport:
    """The whole report: what was read, with each reason not to believe it. Exit code and report have to agree."""
    attempts, left_out = _chosen(read.attempts, request.selection)
    bad = any(attempt.status.bad for attempt in final(attempts).values())
    return SuiteReport(
        suite=request.suite.name,
        attempts=attempts,
        complete=read.complete and not ran.timed_out,
        problems=(*_of_exit(tool, ran, read.running, bad), *read.problems),
        notes=read.notes,
        seconds=ran.seconds,
        deselected=left_out,
    )


def _of_exit(tool: str, ran: Ran, running: str, bad: bool) -> Iterator[str]:
    if ran.timed_out or ran.exit_code is None:
        during = f", while {running} was running" if running else ""
        yield f"{tool} was stopped at its time-out after {ran.seconds:.0f} s{during}"
    elif ran.exit_code < 0:
        yield f"{tool} was killed by signal {-ran.exit_code}"
    elif ran.exit_code == 0 and bad:
        yield f"{tool} ended with exit code 0, although cases failed"
    elif ran.exit_code != 0 and not bad:
        yield f"{tool} ended with exit code {ran.exit_code}, and its report holds no failed case: {_why(ran)}"


def _why(ran: Ran) -> str:
    """The line of its output that tells of an error outside of all cases or of a limit not kept, else the last one."""
    lines = plain(ran.tail(8000)).splitlines()
    return one_line(next((line for line in lines if _REASON.search(line)), said(ran)))


def _chosen(attempts: tuple[Attempt, ...], selection: tuple[str, ...]) -> tuple[tuple[Attempt, ...], int]:
    """Without the cases that ran, or were told as skipped, only because they are in the file of a selected one."""
    if not selection:
        return attempts, 0
    wanted = set(selection)
    kept = tuple(a for a in attempts if a.status.bad or str(a.case) in wanted or a.case.file in wanted)
    return kept, len({a.case for a in attempts} - {a.case for a in kept})
