"""The real generators, one second each, against a service on loopback."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from domain.load import LoadSummary, judge
from domain.spec import Load, Request, Scenario
from domain.verdict import Outcome
from tasks.execute import execute
from tests.toolchain.loadgens.gate import verdict
from tests.toolchain.loadgens.service import answering
from toolchain.loadgens import LoadRequest, k6, locust

LIMITS = Load().thresholds
BOTH = [
    pytest.param(k6, marks=pytest.mark.requires("k6"), id="k6"),
    pytest.param(locust, marks=pytest.mark.requires("locust"), id="locust"),
]
REQUESTS = (
    Request(path="/", contains="hello"),
    Request(path="/gone", status=404),
    Request(path="/away", status=302),
    Request(method="POST", path="/orders", json={"quantity": 2}, headers={"X-Test": "1"}),
)


async def run(generator: ModuleType, scenario: Scenario, out: Path, **service: float) -> LoadSummary:
    with answering(**service) as url:  # type: ignore[arg-type]
        request = LoadRequest(base_url=url, out=out, scenario=scenario, timeout=60)
        summary = generator.parse(await execute(generator.command(request), out), request)
    assert isinstance(summary, LoadSummary)
    return summary


@pytest.mark.parametrize("generator", BOTH)
async def test_a_declared_scenario_sends_what_it_says(generator: ModuleType, tmp_path: Path) -> None:
    told = await run(generator, Scenario(requests=REQUESTS, rate=40, duration=1), tmp_path)
    assert judge(told, LIMITS).outcome is Outcome.PASS, told
    assert 39 <= told.requests <= 42 and told.checks == 1.0 and told.failed == 0


@pytest.mark.parametrize("generator", BOTH)
async def test_a_service_that_fails_is_a_fail(generator: ModuleType, tmp_path: Path) -> None:
    told = await run(generator, Scenario(requests=REQUESTS[:1], rate=20, duration=1), tmp_path, status=503)
    said = judge(told, LIMITS)
    assert said.outcome is Outcome.FAIL and "error rate 100.00% > 1.00%" in said.reasons[0]


@pytest.mark.parametrize("generator", BOTH)
async def test_a_wrong_answer_with_the_right_status_is_a_fail(generator: ModuleType, tmp_path: Path) -> None:
    told = await run(generator, Scenario(requests=(Request(contains="goodbye"),), rate=20, duration=1), tmp_path)
    assert told.failed == 0 and told.checks == 0.5
    assert judge(told, LIMITS).outcome is Outcome.FAIL


@pytest.mark.parametrize("generator", BOTH)
async def test_a_rate_that_cannot_be_reached_is_not_a_pass(generator: ModuleType, tmp_path: Path) -> None:
    told = await run(generator, Scenario(rate=40, duration=1, max_vus=2), tmp_path, after=0.5)
    said = judge(told, LIMITS)
    assert told.dropped_iterations > 25 and told.p95 > 0.4
    assert said.outcome is Outcome.INCONCLUSIVE and "dropped" in said.reasons[0]


@pytest.mark.parametrize("generator", BOTH)
async def test_nobody_there_is_a_fail(generator: ModuleType, tmp_path: Path) -> None:
    request = LoadRequest(base_url="http://127.0.0.1:9", out=tmp_path, scenario=Scenario(rate=10, duration=1))
    said = await verdict(generator, generator.command(request), request)
    assert said.outcome is Outcome.FAIL and said.metrics["error_rate"] == 1.0


SCRIPTS = [
    ("PASS", 'check(http.get(__ENV.BASE_URL), { "is 200": (r) => r.status === 200 });', ""),
    ("FAIL", 'check(http.get(__ENV.BASE_URL), { "is 201": (r) => r.status === 201 });', ""),
    ("FAIL", "check(http.get(__ENV.BASE_URL), { a: () => true });", 'http_req_duration: ["max<0.0001"]'),
    ("INCONCLUSIVE", 'throw new Error("boom");', ""),
    ("INCONCLUSIVE", 'check(http.get(__ENV.BASE_URL), { a: () => true }); throw new Error("boom");', ""),
    ("INCONCLUSIVE", "http.get(__ENV.BASE_URL);", ""),
    ("INCONCLUSIVE", "check(null, { a: () => true });", ""),
    ("INCONCLUSIVE", "this is no script", ""),
    ("INCONCLUSIVE", 'exec.test.abort("enough");', ""),
]


@pytest.mark.requires("k6")
@pytest.mark.parametrize(("outcome", "body", "thresholds"), SCRIPTS)
async def test_a_script_of_k6(outcome: str, body: str, thresholds: str, tmp_path: Path) -> None:
    script = tmp_path / "script.js"
    script.write_text(
        'import http from "k6/http"; import exec from "k6/execution"; import { check } from "k6";\n'
        f"export const options = {{ iterations: 3, thresholds: {{ {thresholds} }} }};\n"
        f"export default function () {{ {body} }}\n"
    )
    with answering() as url:
        request = LoadRequest(base_url=url, out=tmp_path / "out", script=script, timeout=60)
        said = await verdict(k6, k6.command(request), request)
    assert said.outcome == outcome, said.reasons
