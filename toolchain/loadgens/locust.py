"""Locust: runs a declared scenario where there is no k6. How it keeps the arrival rate is in `_locustfile.py`.

It runs alone (no web interface, no workers, no port). Its exit code would tell only that some request failed; the
report that our locustfile writes at the end tells what happened, and is not there unless it got to the end.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

from pydantic import Field

from domain.errors import ReportError, SpecError
from domain.load import LoadSummary
from toolchain.command import Command, Ran
from toolchain.loadgens import LoadRequest
from toolchain.loadgens._checks import failed_checks
from toolchain.loadgens._scenario import as_json, check_time
from toolchain.reports.trusted import Report, believed, finished, one_line, read

TOOL = "locust"
RUNS_SCRIPTS = False
CODES = frozenset({0})
DRAIN = 15  # seconds: the longest request, and then some
Count = Field(ge=0)
Time = Field(ge=0)


class _Told(Report):
    arrivals: int = Count
    requests: int = Count
    failed: int = Count
    dropped: int = Count
    seconds: float = Time
    finished: bool
    p50: float = Time
    p90: float = Time
    p95: float = Time
    p99: float = Time
    max: float = Time
    checks: dict[str, tuple[Annotated[int, Count], Annotated[int, Count]]]
    exceptions: dict[str, int]


def command(request: LoadRequest) -> Command:
    """Runs the declared scenario. SpecError when there is none (a k6 script needs k6), or too little time."""
    if request.scenario is None:
        raise SpecError("locust runs declared scenarios, not k6 scripts", fix="install k6, or set load.scenario")
    check_time(request.scenario, request.timeout)
    report, scenario = request.out / "locust.json", request.out / "scenario.json"
    limit = math.ceil(max(1.0, request.scenario.duration)) + DRAIN
    argv = (
        *(TOOL, "--locustfile", str(Path(__file__).with_name("_locustfile.py")), "--headless", "--users", "1"),
        *("--spawn-rate", "1", "--run-time", f"{limit}s", "--only-summary", "--loglevel", "WARNING"),
        *("--exit-code-on-error", "0"),
    )
    return Command(
        argv=argv,
        cwd=request.out,
        environment={
            **request.environment,
            "BASE_URL": request.base_url,
            "SCENARIO": str(scenario),
            "REPORT": str(report),
        },
        timeout=request.timeout,
        report=report,
        creates=(request.out,),
        files={scenario: as_json(request.scenario)},
    )


def parse(ran: Ran, request: LoadRequest) -> LoadSummary:
    """The summary. ToolError, ReportError when there is nothing to rely on."""
    finished(ran, TOOL, CODES)
    told = read(_Told, ran, ran.report, TOOL)
    if told.failed > told.requests or told.requests + told.dropped > told.arrivals:
        raise ReportError(
            f"locust's report cannot be true: {told.arrivals} arrivals, {told.requests} requests, {told.failed} failed",
            fix="see its log",
        )
    problems = []
    if not told.finished or told.requests + told.dropped < told.arrivals:
        missing = told.arrivals - told.requests - told.dropped
        problems.append(f"{missing} requests were cut off before they had an answer")
    if told.exceptions:
        names = ", ".join(one_line(f"{name} ({count})", 80) for name, count in list(told.exceptions.items())[:3])
        problems.append(f"{sum(told.exceptions.values())} requests ended in an error of the generator: {names}")
    passes = sum(p for p, _ in told.checks.values())
    fails = sum(f for _, f in told.checks.values())
    return believed(
        LoadSummary,
        TOOL,
        generator=TOOL,
        requests=told.requests,
        failed=told.failed,
        seconds=told.seconds,
        rate=told.requests / told.seconds if told.seconds else 0.0,
        iterations=told.requests,
        dropped_iterations=told.dropped,
        p50=told.p50,
        p90=told.p90,
        p95=told.p95,
        p99=told.p99,
        max=told.max,
        checks=passes / (passes + fails) if passes + fails else None,
        failed_checks=failed_checks((name, p, f) for name, (p, f) in told.checks.items()),
        problems=tuple(problems),
    )
