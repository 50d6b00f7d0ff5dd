"""k6: runs a team's script (with BASE_URL in its environment) or a declared scenario.

It exits 0 when every iteration throws, and reports an arrival rate that it could not reach only as a number. So the
summary is read, and the log's error lines: a script that threw proves nothing, whatever its numbers are.
Exit codes: https://github.com/grafana/k6/blob/master/errext/exitcodes/codes.go
"""

from __future__ import annotations

from pathlib import Path

from domain.errors import ReportError, SpecError
from domain.load import LoadSummary
from toolchain.command import Command, Ran
from toolchain.loadgens import LoadRequest
from toolchain.loadgens._checks import failed_checks
from toolchain.loadgens._k6_log import errors_in, most_frequent
from toolchain.loadgens._scenario import as_json, check_time
from toolchain.reports.trusted import Report, believed, finished, one_line, read, said

TOOL = "k6"
RUNS_SCRIPTS = True
CROSSED = 99
CODES = frozenset({0, CROSSED})
MEANS = {
    100: "its setup() timed out",
    101: "its teardown() timed out",
    104: "its options cannot be used",
    105: "it was interrupted",
    107: "the script has an error",
    108: "the script aborted the test",
}
STATISTICS = "min,med,avg,max,p(50),p(90),p(95),p(99)"


class _Check(Report):
    name: str
    passes: int
    fails: int


class _Group(Report):
    checks: dict[str, _Check]
    groups: dict[str, _Group]


class _Summary(Report):
    metrics: dict[str, dict[str, float | dict[str, bool]]]
    root_group: _Group


def command(request: LoadRequest) -> Command:
    """A script when there is one, else the scenario. SpecError when there is neither, or too little time for it."""
    report = request.out / "k6.json"
    environment = {**request.environment, "BASE_URL": request.base_url, "K6_NO_USAGE_REPORT": "true"}
    files: dict[Path, str] = {}
    script = request.script
    if script is None:
        if request.scenario is None:
            raise SpecError("there is neither a script nor a scenario to run", fix="set load.script or load.scenario")
        check_time(request.scenario, request.timeout)
        script = Path(__file__).with_name("_scenario.js")
        scenario = request.out / "scenario.json"
        environment["SCENARIO"] = str(scenario)
        files[scenario] = as_json(request.scenario)
    argv = (
        *(TOOL, "run", "--quiet", "--no-color", "--log-format", "json", "--address", ""),
        *("--summary-export", str(report), "--summary-trend-stats", STATISTICS, str(script)),
    )
    return Command(
        argv=argv,
        cwd=request.out,
        environment=environment,
        timeout=request.timeout,
        report=report,
        creates=(request.out,),
        files=files,
    )


def parse(ran: Ran, request: LoadRequest) -> LoadSummary:
    """The summary; script errors are its `problems`. ToolError, ReportError when there is nothing to rely on."""
    errors = errors_in(ran.stderr)
    if ran.exit_code in MEANS:
        raise ReportError(
            f"k6 did not finish: {MEANS[ran.exit_code]} (exit {ran.exit_code}): {most_frequent(errors) or said(ran)}",
            fix=f"run it by hand: k6 run {request.script.name if request.script else '(the scenario)'}",
        )
    finished(ran, TOOL, CODES)
    told = read(_Summary, ran, ran.report, TOOL)
    requests = int(_value(told, "http_reqs", "count"))
    rate = _value(told, "http_reqs", "rate")
    passes, fails = _value(told, "checks", "passes"), _value(told, "checks", "fails")
    iterations = int(_value(told, "iterations", "count"))
    failed = int(_value(told, "http_req_failed", "passes"))
    if failed > requests:
        raise ReportError(f"k6's summary cannot be true: {failed} of {requests} requests failed", fix="see its log")
    crossed = tuple(
        one_line(f"{metric}: {limit}", 120)
        for metric, values in sorted(told.metrics.items())
        if isinstance(limits := values.get("thresholds"), dict)
        for limit, broken in sorted(limits.items())
        if broken
    )
    if ran.exit_code == CROSSED and not crossed:
        crossed = ("one that its summary does not name",)
    return believed(
        LoadSummary,
        TOOL,
        generator=TOOL,
        requests=requests,
        failed=failed,
        seconds=requests / rate if rate else ran.seconds,
        rate=rate,
        iterations=iterations,
        dropped_iterations=int(_value(told, "dropped_iterations", "count")),
        p50=_duration(told, "p(50)"),
        p90=_duration(told, "p(90)"),
        p95=_duration(told, "p(95)"),
        p99=_duration(told, "p(99)"),
        max=_duration(told, "max"),
        checks=passes / (passes + fails) if passes + fails else None,
        failed_checks=failed_checks((c.name, c.passes, c.fails) for c in _checks(told.root_group)),
        crossed=crossed,
        problems=tuple(_problems(ran, errors, iterations)),
    )


def _value(told: _Summary, metric: str, key: str) -> float:
    """0 for a metric that k6 left out: it never counted anything. ReportError when the metric lacks the value."""
    if metric not in told.metrics:
        return 0.0
    value = told.metrics[metric].get(key)
    if not isinstance(value, float | int) or value < 0:
        raise ReportError(
            f"k6's summary has no usable {key} of {metric}", fix="written by a version of k6 that we do not know"
        )
    return float(value)


def _duration(told: _Summary, key: str) -> float:
    return _value(told, "http_req_duration", key) / 1000


def _checks(group: _Group) -> list[_Check]:
    return [*group.checks.values(), *(check for inner in group.groups.values() for check in _checks(inner))]


def _problems(ran: Ran, errors: dict[str, int], iterations: int) -> list[str]:
    problems = []
    if errors:
        problems.append(f"{sum(errors.values())} errors in {iterations} iterations: {most_frequent(errors)}")
    if ran.truncated:
        problems.append("its log was longer than is kept, so not all errors in it are known")
    if iterations == 0:
        problems.append("no iteration was finished")
    return problems
