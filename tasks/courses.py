"""The course of a group: several services, each with a run of its own in the records, that are released as one."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from prefect import State
from prefect.states import Completed, Failed

from domain.errors import SpecError
from domain.group import distinct
from domain.report import GroupReport, Stage, grouped, silent
from domain.verdict import Outcome
from tasks import progress
from tasks.abandoned import clear_up
from tasks.course import SAID, Course, closed, stopped_by_sigterm
from tasks.deploy import Together
from tasks.prepare import prepare
from tasks.run import new_run_id

T = TypeVar("T")


class Courses:
    """The runs of a group under way. `torn` and `fix` are what a rollout said that left some new and others old."""

    def __init__(self, group: str, kind: str, each: Sequence[Course]) -> None:
        self.group, self.kind, self.each = group, kind, tuple(each)
        self.torn = self.fix = ""
        self._began = time.time()

    @property
    def goes_on(self) -> bool:
        """Whether what was heard of every service lets all of them go on."""
        return all(course.goes_on for course in self.each)

    async def side_by_side(self, work: Callable[[Course], Awaitable[T]]) -> list[T]:
        """The same for every service, at once; all of it has ended when this returns or raises the first error."""

        async def named(course: Course) -> T:
            with progress.naming(course.run.project):
                return await work(course)

        found: list[T] = []
        for one in await asyncio.gather(*map(named, self.each), return_exceptions=True):
            if isinstance(one, BaseException):
                raise one
            found.append(one)
        return found

    def ended(self, together: Together) -> None:
        """Hears where the services ended up."""
        self.torn, self.fix = together.torn, together.fix
        for course, placed in zip(self.each, together.placed, strict=True):
            course.heard(placed.stages)
            course.version, course.address, course.state = placed.version, placed.address, placed.state

    def _held_back(self) -> None:
        """Says of a service that was well why it went no further: another one of the group was not."""
        bad = [course.run.project for course in self.each if not course.goes_on]
        for course in self.each:
            if bad and course.goes_on and "deploy" not in {stage.group for stage in course.stages}:
                why = f"not begun: all of the group or none, and {', '.join(bad)} did not get this far"
                course.heard([Stage(name="deploy", verdict=silent("deploy", why))])

    async def end(self) -> State[GroupReport]:
        """Every service's report, and that of all. Completed only where all are PASS."""
        self._held_back()
        reports = await self.side_by_side(Course.report)
        report = grouped(self.group, self.kind, reports, time.time() - self._began, self.torn, self.fix)
        progress.tell(report)
        if report.outcome is Outcome.PASS:
            return Completed(name="PASS", message=f"{report.kind}: PASS", data=report)
        told = "; ".join(filter(None, (report.torn and f"torn: {report.torn}; mend it: {report.fix}", *report.reasons)))
        return Failed(name=report.outcome.value, message=f"{report.outcome}: {told[:SAID]}", data=report)


@contextlib.asynccontextmanager
async def courses(
    kind: str,
    planned: Sequence[str],
    projects: Sequence[str],
    *,
    environment: str,
    ref: str | None = None,
    version: str | None = None,
) -> AsyncIterator[Courses]:
    """Begins a run for each project, and closes their rows whatever ends them. What can be refused is refused for all
    of them before the block begins."""
    if not projects:
        raise SpecError("no project is named", fix="name the folders of the services, e.g. shop cart")
    group = new_run_id()
    async with contextlib.AsyncExitStack() as stack:
        runs = []
        for project in projects:
            run = await prepare(kind, project, environment=environment, ref=ref, version=version, group=group)
            runs.append(run)
            await stack.enter_async_context(closed(run))
        distinct([run.project for run in runs])
        with stopped_by_sigterm():
            for run in runs:
                await clear_up(run)
            yield Courses(group, kind, [Course(run, planned) for run in runs])
