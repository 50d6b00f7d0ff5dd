"""Records that the API shows, on SQLite; the queries themselves are tested on both databases in tests/records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

import records
from domain.cases import Status
from domain.findings import Finding, Severity
from domain.load import LoadSummary
from domain.proof_count import Answer, Counting
from domain.rollout import Action, Verb
from domain.verdict import Outcome
from service.app import app
from tests.records.values import attempt, release, rollout, verdict


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Empty records; their URL."""
    url = f"sqlite:///{tmp_path}/records.db"
    monkeypatch.setenv("TES_DATABASE_URL", url)
    yield url
    records.close()


@pytest.fixture
def recorded(database: str) -> None:
    """Two runs, the first with all that a run can have; a release and a rollout."""
    records.open_run("r1", "checkout", "release", environment="production", ref="v2", actor="eve")
    records.record_stage("r1", "build", verdict(), started=10.0, ended=12.0, inputs_digest="d", result_json='{"a": 1}')
    records.record_stage("r1", "load", verdict("load", Outcome.FAIL), started=12.0, ended=15.0)
    flaky = [attempt("test_add", Status.FAILED), attempt("test_add", number=2)]
    records.record_attempts("r1", "tests.unit", [*flaky, attempt("test_pay", Status.CRASHED)])
    finding = Finding(scanner="bandit", rule="B602", severity=Severity.HIGH, path="app.py", line=3, message="shell")
    records.record_findings("r1", "scan.bandit", [finding])
    records.record_load("r1", LoadSummary(generator="k6", requests=9, failed=0, seconds=1.0, p95=0.25), verdict("load"))
    records.close_run("r1", Outcome.FAIL, ["p95 812 ms > 500 ms over 14 s"])
    records.open_run("r2", "search", "build", environment="staging")
    records.record_release(release().model_copy(update={"environment": {"API_KEY": "hunter2"}}), "production")
    records.record_rollout(rollout())
    records.record_rollout_step("ro-1", 0, Action(verb=Verb.PROVISION), verdict("provision"), 10.0, 11.5)
    records.record_rollout(rollout(id="ro-2", started=1_600_000_000.0))
    counting = Counting("v2", 10.0)
    counting.add(Answer(11.0, 0.02, "v1"))
    counting.add(Answer(12.0, 0.02, "v2", "status 500"))
    records.record_proof("ro-2", counting.told(5.0, stable="v1", header="X-Release", rate=1.0))


@pytest.fixture
async def api(database: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, without a socket."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client
