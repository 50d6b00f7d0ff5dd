"""The scan stage: one task a scanner, side by side."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from domain.findings import Severity, judge
from domain.report import Stage, silent
from domain.supply import Artifact, Source
from domain.verdict import Evidence, Verdict
from settings import settings
from tasks import recording
from tasks.execute import execute, find
from tasks.kinds import derive
from tasks.locked_environment import locked_environment
from tasks.run import Run
from tasks.stage import perform
from toolchain.registry import module
from toolchain.scanners import Scanner, ScanRequest

SHOWN = 50


async def _lock(run: Run, source: Source, artifact: Artifact) -> Path | None:
    # A bundle's environment is there already: this only finds its lock.
    if artifact.kind != "bundle":
        return None
    return (await locked_environment(source, run.spec.build, run.store)).lock_file


@derive("scan")
async def no_scan(run: Run) -> Stage:
    """The verdict where no scanner is wanted: nothing was looked at, and that is said."""

    async def work(out: Path) -> tuple[Verdict, dict[str, Any]]:
        return silent("scan", "nothing was scanned: scan.scanners is []"), {}

    return await perform(run, "scan", {}, work, reusable=False)


@derive("scan {scanner}")
async def scan(run: Run, source: Source, artifact: Artifact, scanner: str) -> Stage:
    """Looks at the source, and the artifact, with one scanner; every finding goes to the records."""
    tool: Scanner = module("toolchain.scanners", scanner)
    how = run.spec.scan
    today = date.today()

    async def work(out: Path) -> tuple[Verdict, dict[str, Any]]:
        request = ScanRequest(
            root=Path(source.root),
            out=out,
            exclude=how.exclude,
            lock=await _lock(run, source, artifact),
            artifact=artifact,
            timeout=how.timeout,
            options=settings().scanner_options,
        )
        ran = await execute(tool.command(request), out)
        lesser = tool.fallback(ran, request) if hasattr(tool, "fallback") else None
        if lesser is not None:
            ran = await execute(lesser, out)
        report = tool.parse(ran, request)
        await recording.findings(run, f"scan.{scanner}", report.findings)
        verdict = judge(report, Severity(how.severity), how.waivers, today)
        rows = [[f.severity, f.rule, f"{f.path}:{f.line}", f.message] for f in report.findings[:SHOWN]]
        table = [["severity", "rule", "where", "message"], *rows] if rows else []
        evidence = tuple(
            Evidence(name=path.name, location=str(path)) for path in (ran.report, ran.stdout, ran.stderr) if path
        )
        return verdict.model_copy(update={"evidence": evidence}), {"table": table}

    # A waiver that ends, or an advisory published today, changes the answer while the source stays the same.
    inputs = {
        "source": source.digest,
        "artifact": artifact.digest,
        "scan": how.model_dump(mode="json"),
        "day": today.isoformat(),
        "tool": str(find(tool.TOOL)),
        "options": settings().scanner_options,
    }
    return await perform(run, f"scan.{scanner}", inputs, work)
