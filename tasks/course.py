"""The course of one run: what its stages said so far, whether to go on, and what is said in the end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence

from prefect import State
from prefect.states import Completed, Failed

from domain.errors import TesError
from domain.report import Report, Stage, not_reached, weigh
from domain.verdict import Outcome
from tasks import progress, recording
from tasks.abandoned import clear_up
from tasks.prepare import prepare
from tasks.publish import Meter, publish_report
from tasks.run import Run

# Of the reasons, in the message of Prefect's state: all of them are in the report and the records.
SAID = 2000


class Course:
    """One run under way. `planned` are the pipeline's stages it means to reach."""

    def __init__(self, run: Run, planned: Sequence[str]) -> None:
        self.run, self.planned = run, tuple(name for name in planned if name != "load" or run.spec.load)
        self.stages: list[Stage] = []
        self.version: str | None = None
        self.address = ""
        self.state = ""
        self._began = time.time()
        self._meter = Meter(run)
        self._meter.show(0, f"0 of {len(self.planned)} stages")

    def heard(self, stages: Sequence[Stage]) -> None:
        """Adds what stages said."""
        self.stages += stages
        spoken = len(self.planned) - len(not_reached(self.stages, self.planned))
        self._meter.show(100 * spoken / max(1, len(self.planned)), f"{spoken} of {len(self.planned)} stages")

    @property
    def goes_on(self) -> bool:
        """Whether everything heard so far lets the run go on."""
        return weigh(self.stages, self.run.policy).ships

    @property
    def required(self) -> list[str]:
        """The gates that must have spoken before a run that reached its end can be PASS."""
        spec = self.run.spec
        gates = {
            "scan": list(spec.scan.scanners) or ["scan"],
            "tests": [f"tests.{suite.name}" for suite in spec.tests.suites or ()] or ["tests"],
        }
        gates["tests"] += [f"coverage.{suite.name}" for suite in spec.tests.suites or () if suite.coverage is not None]
        return [gate for name in self.planned for gate in gates.get(name, [name])]

    async def end(self) -> State[Report]:
        """Weighs, records, publishes and tells. Completed only for PASS; the state's name is the verdict."""
        report = await self.report()
        if report.outcome is Outcome.PASS:
            return Completed(name="PASS", message=f"{report.kind}: PASS", data=report)
        reasons = "; ".join(report.decision.reasons)[:SAID] or "no reason given"
        return Failed(name=report.outcome.value, message=f"{report.outcome}: {reasons}", data=report)

    async def report(self) -> Report:
        """Weighs, records, publishes and tells."""
        # Where the run was stopped, the reason is known; that later gates are silent is no news.
        decision = weigh(self.stages, self.run.policy, self.required if self.goes_on else ())
        report = Report(
            run=self.run.id,
            kind=self.run.kind,
            project=self.run.project,
            environment=self.run.environment,
            version=self.version,
            outcome=decision.outcome,
            decision=decision,
            stages=tuple(self.stages),
            skipped=not_reached(self.stages, self.planned),
            address=self.address,
            state=self.state,
            seconds=time.time() - self._began,
            evidence=str(self.run.folder),
        )
        await recording.closed(self.run, report)
        await publish_report(report)
        progress.tell(report)
        return report


@contextlib.contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """SIGTERM cancels the run, as Ctrl-C does, so that a rollout under way is taken back.

    Prefect's own handler raises wherever the event loop happens to be, which leaves nobody to do that.
    """
    task = asyncio.current_task()
    if task is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before, loop = signal.getsignal(signal.SIGTERM), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)


@contextlib.asynccontextmanager
async def course(
    kind: str,
    planned: Sequence[str],
    project: str,
    *,
    environment: str | None = None,
    ref: str | None = None,
    version: str | None = None,
    start_at: str | None = None,
) -> AsyncIterator[Course]:
    """Begins a run, and closes its row whatever ends it. What can be refused is refused before the block begins."""
    run = await prepare(kind, project, environment=environment, ref=ref, version=version, start_at=start_at)
    async with closed(run):
        with stopped_by_sigterm():
            await clear_up(run)
            yield Course(run, planned)


@contextlib.asynccontextmanager
async def closed(run: Run) -> AsyncIterator[None]:
    """Closes the run's row when an error or an interruption ends the block."""
    try:
        yield
    except asyncio.CancelledError:
        await recording.interrupted(run.id, "interrupted before it was done")
        raise
    except TesError as error:
        await recording.broken(run, error.message)
        raise
    except BaseException as error:
        await recording.broken(run, f"stopped by {type(error).__name__}")
        raise
