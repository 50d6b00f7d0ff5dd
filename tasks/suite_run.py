"""Runs one suite here and now: no Prefect, no copy of the project, nothing slow to import before it has started.

A person waits for this. The engine's command is composed without pydantic where the framework is pytest; what judges
the result is imported while the tests run.
"""

from __future__ import annotations

import os
import select as ready
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from domain.errors import MissingTool, ToolError
from tasks.process_group import dies_with_parent, kill_group
from tasks.state_folder import home, project_key
from tes_engine.journal import Event, Tail
from toolchain.engine_argv import BOOT, suite_argv

if TYPE_CHECKING:
    from domain.cases import SuiteReport
    from tasks.ahead import Ahead
    from tasks.resident import Engine, Place, Warm
    from toolchain.runners import RunRequest

COUNTS = ("passed", "failed", "error", "skipped", "xfailed", "xpassed", "crashed", "flaky", "reused")

LOOK_S = 0.1
# What a stopped engine may take to write what it has.
GRACE_S = 5.0
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Job(NamedTuple):
    """One round of one suite. `suite` is a `domain.spec.Suite` as JSON; `selection`, `repeat` as in `RunRequest`."""

    suite: Mapping[str, Any]
    root: str
    out: str
    python: str
    environment: Mapping[str, str]
    selection: tuple[str, ...] = ()
    durations: str | None = None
    impact: bool = False
    coverage: str | None = None
    repeat: str | None = None


class Start(NamedTuple):
    """What is to be executed: the part of a `Command` that matters here."""

    argv: Sequence[str]
    cwd: str
    environment: Mapping[str, str]
    files: Mapping[str, str] = {}
    folders: Sequence[str] = ()
    report: str | None = None


class Ended(NamedTuple):
    """How a round went. `code` as `Ran.exit_code`; `stopped` is the signal that a person stopped it with."""

    job: Job
    argv: Sequence[str]
    code: int | None
    seconds: float
    report: str | None
    stopped: int | None = None


def light(job: Job) -> Start | None:
    """The engine's command, composed without pydantic; None where only the framework's own runner can say it."""
    if job.suite["framework"] != "pytest":
        return None
    argv, files = suite_argv(
        job.suite,
        python=job.python,
        root=job.root,
        out=job.out,
        cache=cache(job),
        selection=job.selection,
        durations=job.durations,
        repeat=job.repeat,
        coverage=job.coverage,
        impact=job.impact,
    )
    return Start(argv, job.root, job.suite["environment"], files)


def cache(job: Job) -> str:
    """pytest's own memory (`--lf`), which outlives the run."""
    return os.path.join(home(), "cache", f"{project_key(job.root)}-{job.suite['name']}")


def composed(job: Job) -> Start:
    """The command that the framework's runner composes."""
    from toolchain.registry import module

    command = module("toolchain.runners", job.suite["framework"]).command(request(job))
    return Start(
        command.argv,
        str(command.cwd or job.root),
        {**command.environment, **command.secrets},
        {str(path): text for path, text in command.files.items()},
        [str(path) for path in command.creates],
        None if command.report is None else str(command.report),
    )


def request(job: Job) -> RunRequest:
    """The job as runners know it."""
    from pathlib import Path

    from domain.spec import Suite
    from toolchain.runners import RunRequest

    suite = Suite.model_validate(job.suite)
    return RunRequest(
        suite=suite,
        root=Path(job.root),
        out=Path(job.out),
        interpreter=Path(job.python),
        selection=job.selection,
        timeout=suite.timeout,
        durations=Path(job.durations) if job.durations else None,
        impact=job.impact,
        coverage=Path(job.coverage) if job.coverage else None,
        repeat=Path(job.repeat) if job.repeat else None,
        cache=Path(cache(job)),
    )


def run(
    job: Job,
    tell: Callable[[list[Event]], None],
    meanwhile: Callable[[], None] = lambda: None,
    every: float = LOOK_S,
    warm: Warm | None = None,
    ahead: Ahead | None = None,
) -> Ended:
    """Starts a round and waits for its end. `meanwhile` is called once it has started: the place for slow imports.

    `tell` gets what is new in the journal, also when that is nothing, `every` so many seconds. Ctrl-C, SIGTERM and
    SIGHUP stop the suite, which keeps what it has; the second of them kills it. MissingTool or ToolError when it cannot
    be started. With `warm`, an engine that has its libraries already is taken where there is one; with `ahead`, the one
    that was started in advance.
    """
    start = light(job) or composed(job)
    if start.argv[1:2] != [BOOT] or job.coverage is not None:
        warm = None
    if warm is not None:
        start = start._replace(argv=[*start.argv[:2], "--modules", *start.argv[2:]])
    tail = Tail(os.path.join(job.out, "journal"))
    with _listening() as heard:
        began = time.monotonic()
        process = _spawn(job, start, warm, ahead)
        heard.ends = getattr(process, "ends", None)
        try:
            meanwhile()
            timed_out = _waited(process, heard, began + float(job.suite["timeout"]), lambda: tell(_new(tail)), every)
        finally:
            # What it left running would go on writing into a run that nobody reads.
            kill_group(process.pid, signal.SIGKILL)
            process.wait()
        tell(_new(tail))
    if warm is not None and not heard.stops:
        warm.prepare(job.suite["name"], _place(job, start), job.out)
    seconds = time.monotonic() - began
    stopped = heard.stops[0] if heard.stops else None
    return Ended(job, start.argv, None if timed_out else process.returncode, seconds, start.report, stopped)


def _new(tail: Tail) -> list[Event]:
    """What the journal has had since the last look. The picture must not end a run: damage is told by the report."""
    try:
        return [event for _, events in tail.new() for event in events]
    except (OSError, ValueError):
        return []


def _place(job: Job, start: Start) -> Place:
    from tasks.resident import Place

    environment = {**job.environment, **start.environment}
    return Place(start.argv[0], start.cwd, tuple(sorted(environment.items())))


def _spawn(
    job: Job, start: Start, warm: Warm | None = None, ahead: Ahead | None = None
) -> subprocess.Popen[bytes] | Engine:
    try:
        for folder in (job.out, *start.folders, *map(os.path.dirname, filter(None, (*start.files, start.report)))):
            os.makedirs(folder, exist_ok=True)
        for path, text in start.files.items():
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise ToolError(
            f"{job.out} cannot be written: {error.strerror}", fix="set TES_HOME to another folder"
        ) from error
    environment = {**job.environment, **start.environment}
    if ahead is not None and (process := ahead.go(start.argv, start.cwd, environment)) is not None:
        return process
    executable = start.argv[0]
    with open(os.path.join(job.out, "stdout.log"), "wb") as out, open(os.path.join(job.out, "stderr.log"), "wb") as err:
        if warm is not None:
            engine = warm.start(job.suite["name"], start.argv, _place(job, start), out.name, err.name)
            if engine is not None:
                return engine
        try:
            return subprocess.Popen(
                start.argv,
                cwd=start.cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                preexec_fn=dies_with_parent(),
            )
        except FileNotFoundError:
            raise MissingTool(f"{executable} is not installed", fix=f"install {executable}") from None
        except OSError as error:
            raise ToolError(f"{executable} cannot be started: {error.strerror}", fix=f"check {executable}") from error


def _waited(
    process: subprocess.Popen[bytes] | Engine, heard: _Heard, deadline: float, look: Callable[[], None], every: float
) -> bool:
    """Waits for the end of the process and makes it end where it must; True when that was because of its time-out."""
    timed_out, stopping = False, 0.0
    while process.poll() is None:
        heard.wait(every)
        now = time.monotonic()
        if heard.stops and not stopping:
            stopping = now
            kill_group(process.pid, signal.SIGINT)
        elif stopping and (len(heard.stops) > 1 or now > stopping + GRACE_S):
            kill_group(process.pid, signal.SIGKILL)
        elif now > deadline and not stopping:
            timed_out, stopping = True, now
            kill_group(process.pid, signal.SIGTERM)
        look()
    return timed_out


class _Heard:
    """Signals, told through a pipe: a child's end ends a wait at once, too. `ends` is a pipe that tells that of a
    process which is no child of ours."""

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe
        self.stops: list[int] = []
        self.ends: int | None = None

    def wait(self, seconds: float) -> None:
        pipes = [self.pipe] if self.ends is None else [self.pipe, self.ends]
        if self.pipe in ready.select(pipes, [], [], seconds)[0]:
            self.stops += [number for number in os.read(self.pipe, 512) if number in STOPS]


@contextmanager
def _listening() -> Iterator[_Heard]:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    numbers = (*STOPS, signal.SIGCHLD)
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    woken = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield _Heard(reading)
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)


def parsed(ended: Ended) -> SuiteReport:
    """What the framework's runner reads of a round. Nothing is believed but what it read."""
    from pathlib import Path

    from toolchain.command import Ran
    from toolchain.registry import module

    job = ended.job
    ran = Ran(
        argv=tuple(ended.argv),
        exit_code=ended.code,
        seconds=ended.seconds,
        stdout=Path(job.out, "stdout.log"),
        stderr=Path(job.out, "stderr.log"),
        report=None if ended.report is None else Path(ended.report),
        timed_out=ended.code is None,
    )
    report: SuiteReport = module("toolchain.runners", job.suite["framework"]).parse(ran, request(job))
    return report
