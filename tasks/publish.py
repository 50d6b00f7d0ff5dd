"""What a person reads in the Prefect UI: one artifact a stage. Outside a Prefect run there is nobody to read it."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

from prefect.artifacts import (
    acreate_image_artifact,
    acreate_link_artifact,
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)
from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging import get_run_logger

from domain.report import Report, Stage
from tasks import test_reports
from tasks.run import Run
from toolchain.reports.github import Annotation
from toolchain.reports.markdown import escaped

_SIGN = {"PASS": "✅", "FAIL": "❌", "INCONCLUSIVE": "❔"}


def key(*parts: str) -> str:
    """An artifact key: Prefect takes lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; a bar or a line break in a cell is made harmless."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(str(c).replace("|", "\\|").replace("\n", " ") for c in line) + " |" for line in lines
    )


def in_prefect() -> bool:
    """Whether we are inside a flow or task run."""
    return FlowRunContext.get() is not None or TaskRunContext.get() is not None


def stage_page(stage: Stage) -> str:
    """A stage as Markdown: verdict, reasons, numbers, and the stage's own table."""
    verdict = stage.verdict
    page = [f"# {_SIGN[verdict.outcome]} {stage.name}: {verdict.outcome}{' (reused)' if verdict.reused else ''}"]
    page += [f"- {escaped(reason)}" for reason in verdict.reasons]
    if verdict.metrics:
        page += ["", table(["measure", "value"], [[k, f"{v:g}"] for k, v in sorted(verdict.metrics.items())])]
    rows = stage.payload.get("table")
    if rows:
        page += ["", table(rows[0], rows[1:])]
    if told := stage.payload.get("page"):
        page += ["", str(told)]
    page += ["", *(f"- {e.name}: `{e.location}`" for e in verdict.evidence)]
    return "\n".join(page)


def report_page(report: Report) -> str:
    """A whole run as Markdown, for the Prefect UI and a GitHub step summary."""
    what = " ".join(filter(None, (report.project, report.version, report.environment and f"→ {report.environment}")))
    rows = [
        [
            stage.name,
            f"{_SIGN[stage.verdict.outcome]} {stage.verdict.outcome}",
            "reused" if stage.verdict.reused else f"{stage.seconds:.1f} s",
            stage.mode,
            escaped("; ".join(stage.verdict.reasons)),
        ]
        for stage in report.stages
    ] + [[name, "not reached", "", "", ""] for name in report.skipped]
    page = [f"# {_SIGN[report.outcome]} {report.outcome}: {report.kind} {what}"]
    page += [f"- {escaped(line)}" for line in (*report.decision.reasons, *report.decision.advice)]
    page += ["", table(["stage", "verdict", "time", "mode", "reasons"], rows), "", report.state]
    if report.address:
        page.append(f"\n[{report.address}]({report.address})")
    return "\n".join(page)


def announce(report: Report, project: Path, *, out: TextIO) -> None:
    """In GitHub Actions, annotates what the run's tests found and writes the step's summary: the run, then its tests.
    Does nothing anywhere else."""
    if not test_reports.in_actions():
        return
    found = [
        Annotation.model_validate(one)
        for stage in report.stages
        if not stage.verdict.reused
        for one in stage.payload.get("annotations", ())
    ]
    test_reports.annotate(found, project, out=out)
    pages = [f"## {escaped(s.name)}\n\n{s.payload['page']}" for s in report.stages if s.payload.get("page")]

    def fitting(room: int) -> str:
        page = report_page(report)
        for more in pages:
            if len(page.encode()) + len(more.encode()) < room:
                page += f"\n\n{more}"
        return page if len(page.encode()) <= room else ""

    test_reports.summarise(fitting)


_under_way: set[asyncio.Task[Any]] = set()


def publish_stage(run: Run, stage: Stage) -> None:
    """Sends the stage's artifacts to the Prefect UI, without keeping the next stage waiting for them: its page, and the
    cases worth looking at as a table that can be sorted."""
    if in_prefect():
        if cases := stage.payload.get("cases"):
            name = key(run.project, run.environment or "", stage.name, "cases")
            told = f"{stage.name}: failed, passed on retry, slowest"
            _under_way.add(asyncio.create_task(acreate_table_artifact(cases, key=name, description=told)))
        sending = asyncio.create_task(
            acreate_markdown_artifact(
                key=key(run.project, run.environment or "", stage.name),
                markdown=stage_page(stage),
                description=f"{stage.name}: {stage.verdict.outcome}",
            )
        )
        _under_way.add(sending)


def publish_picture(run: Run, name: str, svg: str, told: str) -> None:
    """Sends a drawing to the Prefect UI, whole: nobody there could reach a file of this machine. `told` says in words
    what it shows."""
    if in_prefect():
        address = f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
        made = acreate_image_artifact(address, key=key(run.project, run.environment or "", name), description=told)
        _under_way.add(asyncio.create_task(made))


class Meter:
    """A run's progress bar in the Prefect UI: how much of what was planned has spoken."""

    def __init__(self, run: Run, *names: str) -> None:
        self._key = key(run.project, run.environment or "", *(names or (run.kind,)), "progress")
        self._last: asyncio.Task[UUID] | None = None

    def show(self, percent: float, text: str) -> None:
        """Moves the bar, without keeping anybody waiting for it."""
        if in_prefect():
            self._last = asyncio.create_task(self._show(self._last, percent, text))
            _under_way.add(self._last)

    async def _show(self, before: asyncio.Task[UUID] | None, percent: float, text: str) -> UUID:
        if before is None:
            return await acreate_progress_artifact(percent, key=self._key, description=text)
        return await aupdate_progress_artifact(await before, percent, description=text)


async def publish_report(report: Report) -> None:
    """The run's artifact in the Prefect UI, once those of its stages have arrived. An artifact that Prefect did not
    take is logged: a picture that is missing changes no verdict."""
    if in_prefect() and report.address:
        name = key(report.project, report.environment or "", "address")
        _under_way.add(asyncio.create_task(acreate_link_artifact(report.address, key=name, description=report.state)))
    sent = list(_under_way)
    _under_way.clear()
    for problem in await asyncio.gather(*sent, return_exceptions=True):
        if isinstance(problem, Exception):
            get_run_logger().warning("an artifact could not be published: %s", problem)
    if in_prefect():
        await acreate_markdown_artifact(
            key=key(report.project, report.environment or "", report.kind),
            markdown=report_page(report),
            description=f"{report.kind} of {report.project}: {report.outcome}",
        )
