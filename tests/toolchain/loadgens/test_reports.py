"""What is read from recorded reports of the real generators."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domain.errors import ReportError
from domain.load import LoadSummary, judge
from domain.spec import Load
from domain.verdict import Outcome
from toolchain.command import Ran
from toolchain.loadgens import LoadRequest
from toolchain.registry import module

FIXTURES = Path(__file__).with_name("fixtures")
REQUEST = LoadRequest(base_url="http://127.0.0.1:1", out=Path("/out"), script=Path("/source/script.js"))
LIMITS = Load().thresholds


def parsed(generator: str, case: str, code: int, log: Path | None = None, truncated: bool = False) -> LoadSummary:
    report = FIXTURES / generator / f"{case}.json"
    log = log or FIXTURES / generator / f"{case}.log"
    ran = Ran(argv=("x",), exit_code=code, seconds=9, stdout=log, stderr=log, report=report, truncated=truncated)
    told = module("toolchain.loadgens", generator).parse(ran, REQUEST)
    assert isinstance(told, LoadSummary)
    return told


# generator, report, exit code → outcome by the shipped thresholds, requests, failed, share of checks, a word of why
READ = [
    ("k6", "clean", 0, "PASS", 21, 0, 1.0, "checks 100.00%"),
    ("k6", "failing", 0, "FAIL", 21, 11, 10 / 21, "GET / is 2xx or 3xx: 11 of 11 failed"),
    ("k6", "dropped", 0, "INCONCLUSIVE", None, 0, 1.0, "iterations dropped"),
    ("k6", "crossed", 99, "FAIL", 5, 0, 0.5, "threshold of the script crossed: http_req_duration: p(95)<0.001"),
    ("k6", "thrown", 0, "INCONCLUSIVE", 0, 0, None, "4 errors in 4 iterations: Error: no such field"),
    ("k6", "unchecked", 0, "INCONCLUSIVE", 5, 0, None, "made no checks"),
    ("locust", "clean", 0, "PASS", 20, 0, 1.0, "checks 100.00%"),
    ("locust", "failing", 0, "FAIL", 20, 10, 0.5, "GET / is 2xx or 3xx: 10 of 10 failed"),
    ("locust", "dropped", 0, "INCONCLUSIVE", None, 0, 1.0, "iterations dropped"),
]


@pytest.mark.parametrize(("generator", "case", "code", "outcome", "requests", "failed", "checks", "why"), READ)
def test_a_recorded_report_says(
    generator: str,
    case: str,
    code: int,
    outcome: str,
    requests: int | None,
    failed: int,
    checks: float | None,
    why: str,
) -> None:
    told = parsed(generator, case, code)
    said = judge(told, LIMITS)
    assert said.outcome == outcome and why in " ".join(said.reasons)
    assert (told.failed, told.checks) == (failed, pytest.approx(checks) if checks else checks)
    assert requests is None or told.requests == requests


@pytest.mark.parametrize("generator", ["k6", "locust"])
def test_times_are_seconds_and_in_order(generator: str) -> None:
    told = parsed(generator, "clean", 0)
    assert 0 < told.p50 <= told.p90 <= told.p95 <= told.p99 <= told.max < 1
    assert told.seconds == pytest.approx(1.0, abs=0.1) and told.rate == pytest.approx(20, abs=2)
    assert parsed(generator, "dropped", 0).dropped_iterations > 20


def test_a_script_error_is_told_by_its_own_words() -> None:
    log = FIXTURES / "k6" / "syntax.log"
    ran = Ran(argv=("k6",), exit_code=107, seconds=1, stdout=log, stderr=log, report=FIXTURES / "k6" / "no.json")
    with pytest.raises(ReportError, match="the script has an error .*Unexpected end of input"):
        module("toolchain.loadgens", "k6").parse(ran, REQUEST)


def line(text: str, **more: str) -> str:
    return json.dumps({"level": "error", "msg": text, **more}, separators=(",", ":"))


@pytest.mark.parametrize(
    ("log", "problems"),
    [
        (line("status was 500", source="console"), 0),
        (line("thresholds on metrics 'checks' have been crossed"), 0),
        ('{"level":"warning","msg":"Request Failed"}', 0),
        (line("TypeError: x is undefined", source="stacktrace"), 1),
        ('{"level":"error","msg":"cut o', 1),
        (line("a" * 1_000_000), 1),
    ],
)
def test_only_what_the_script_did_not_write_itself_is_a_problem(log: str, problems: int, tmp_path: Path) -> None:
    path = tmp_path / "stderr.log"
    path.write_text(f"{log}\n" * 3)
    told = parsed("k6", "clean", 0, path)
    assert len(told.problems) == problems and all(len(p) < 1000 for p in told.problems)
    assert judge(told, LIMITS).passed is (problems == 0)


def test_a_log_that_was_cut_may_hide_errors() -> None:
    told = parsed("k6", "clean", 0, truncated=True)
    assert judge(told, LIMITS).outcome is Outcome.INCONCLUSIVE


def test_exit_99_is_a_crossed_threshold_even_where_the_summary_names_none() -> None:
    assert judge(parsed("k6", "clean", 99), LIMITS).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"finished": False, "requests": 18}, "INCONCLUSIVE"),
        ({"requests": 15}, "INCONCLUSIVE"),
        ({"exceptions": {"KeyError": 2}}, "INCONCLUSIVE"),
        ({"requests": 0, "dropped": 20, "checks": {}}, "INCONCLUSIVE"),
    ],
)
def test_a_run_of_locust_that_did_not_get_to_its_end(change: dict[str, object], outcome: str, tmp_path: Path) -> None:
    assert judge(locust_told(change, tmp_path), LIMITS).outcome == outcome


@pytest.mark.parametrize("change", [{"failed": 21}, {"requests": 30}, {"p95": -1.0}, {"arrivals": "many"}])
def test_a_report_of_locust_that_cannot_be_true_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ReportError):
        locust_told(change, tmp_path)


def locust_told(change: dict[str, object], folder: Path) -> LoadSummary:
    report = folder / "report.json"
    report.write_text(json.dumps({**json.loads((FIXTURES / "locust" / "clean.json").read_text()), **change}))
    ran = Ran(argv=("x",), exit_code=0, seconds=1, stdout=folder / "o", stderr=folder / "e", report=report)
    told = module("toolchain.loadgens", "locust").parse(ran, REQUEST)
    assert isinstance(told, LoadSummary)
    return told


@pytest.mark.parametrize(
    ("metric", "key", "value"),
    [
        ("http_req_duration", "p(95)", -1),
        ("http_req_duration", "p(95)", None),
        ("http_req_failed", "passes", 1000),
        ("checks", "passes", -1),
        ("http_reqs", "count", "many"),
    ],
)
def test_a_summary_of_k6_that_cannot_be_true_is_refused(metric: str, key: str, value: object, tmp_path: Path) -> None:
    summary = json.loads((FIXTURES / "k6" / "clean.json").read_text())
    if value is None:
        del summary["metrics"][metric][key]
    else:
        summary["metrics"][metric][key] = value
    report = tmp_path / "report.json"
    report.write_text(json.dumps(summary))
    ran = Ran(argv=("k6",), exit_code=0, seconds=1, stdout=report, stderr=tmp_path / "e", report=report)
    with pytest.raises(ReportError):
        module("toolchain.loadgens", "k6").parse(ran, REQUEST)
