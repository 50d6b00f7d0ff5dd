"""The stages as the flows compose them: each hears what its tasks say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from domain.supply import Artifact, Source
from tasks.approval import approval
from tasks.build import build
from tasks.course import Course
from tasks.courses import Courses
from tasks.coverage import coverage
from tasks.deploy import part_of, roll_out, roll_out_together
from tasks.execution import no_tests, tests
from tasks.go_back import go_back_together
from tasks.load import load
from tasks.prepare import accepted
from tasks.push import goes_to_a_registry, push
from tasks.scan import no_scan, scan
from tasks.source import source


async def built(course: Course) -> tuple[Source, Artifact | None]:
    """The source held still, and the artifact made of it; None when the build did not pass."""
    files = await source(course.run)
    stage = await build(course.run, files, await accepted(course.run))
    course.heard([stage])
    return files, Artifact.model_validate(stage.payload["artifact"]) if stage.verdict.passed else None


async def scanned(course: Course, files: Source, artifact: Artifact) -> None:
    """Every scanner, side by side; without one, that nothing was looked at."""
    runs = [scan(course.run, files, artifact, scanner) for scanner in course.run.spec.scan.scanners]
    course.heard(await asyncio.gather(*(runs or [no_scan(course.run)])))


async def tested(course: Course, files: Source) -> None:
    """Every suite, side by side, then what they executed; without one, that nothing was proved."""
    suites = course.run.spec.tests.suites or ()
    course.heard(
        await asyncio.gather(*([tests(course.run, files, s) for s in suites] or [no_tests(course.run, files)]))
    )
    stages = {stage.name: stage for stage in course.stages}
    measured = [(s, stages[f"tests.{s.name}"]) for s in suites if s.coverage is not None]
    course.heard(await asyncio.gather(*(coverage(course.run, files, s, stage) for s, stage in measured)))


async def loaded(course: Course, files: Source, artifact: Artifact) -> None:
    """The load that the project asks for; nothing where it asks for none."""
    if "load" in course.planned:
        course.heard([await load(course.run, files, artifact)])


async def pushed(course: Course, artifact: Artifact) -> Artifact:
    """The artifact as the registry knows it, where tes.yaml names one."""
    if not goes_to_a_registry(course.run, artifact):
        return artifact
    stage = await push(course.run, artifact)
    course.heard([stage])
    return Artifact.model_validate(stage.payload["artifact"]) if stage.verdict.passed else artifact


async def built_and_proven(course: Course) -> tuple[Source, Artifact | None]:
    """Everything before the environment is touched: built, then scanned and tested, then loaded."""
    files, artifact = await built(course)
    if artifact and course.goes_on:
        await asyncio.gather(scanned(course, files, artifact), tested(course, files))
    if artifact and course.goes_on:
        await loaded(course, files, artifact)
    return files, artifact


async def rolled_out_together(courses: Courses, made: Sequence[tuple[Source, Artifact | None]]) -> None:
    """To the registry, then approval where an environment asks for it, then deploy and verify: all of the services, or
    none."""
    ready = [
        (course, files, artifact) for course, (files, artifact) in zip(courses.each, made, strict=True) if artifact
    ]
    images = [await pushed(course, artifact) for course, _, artifact in ready]
    if courses.goes_on:
        for course in courses.each:
            course.heard(await approval(course.run, course.stages))
    if not courses.goes_on:
        return
    parts = [part_of(course.run, files, image) for (course, files, _), image in zip(ready, images, strict=True)]
    courses.ended(await roll_out_together(parts, courses.group))


async def gone_back_together(courses: Courses) -> None:
    """Every service back at the release before, or none."""
    courses.ended(await go_back_together([course.run for course in courses.each], courses.group))


async def rolled_out(course: Course, files: Source, artifact: Artifact) -> None:
    """To the registry, then approval where the environment asks for it, then deploy and verify."""
    artifact = await pushed(course, artifact)
    if not course.goes_on:
        return
    course.heard(await approval(course.run, course.stages))
    if not course.goes_on:
        return
    placed = await roll_out(course.run, files, artifact)
    course.heard(placed.stages)
    course.version, course.address, course.state = placed.version, placed.address, placed.state
