"""A flow run to an environment that asks is paused, and what is answered decides: against a real Prefect server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import State, flow
from prefect.client.orchestration import get_client
from prefect.testing.utilities import prefect_test_harness

import records
from domain.report import Report
from domain.verdict import Outcome
from tasks import approval as stage
from tasks.answered import given
from domain.approval import Answer
from tasks.approval import approval
from tasks.course import course

SPEC = """
name: shop
release: {command: [serve]}
environments:
  production: {platform: memory, approve_within: %s}
  staging: {platform: memory}
"""


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=240):  # a busy machine is slow to start one
        yield


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tes_home: Path) -> None:
    monkeypatch.setattr(stage, "POLL_S", 0.1)


@flow(name="asks")
async def asks(project: str, environment: str) -> State[Report]:
    """The stage alone, as flows/stages.rolled_out composes it."""
    async with course("deploy", ["deploy"], project, environment=environment) as run:
        run.heard(await approval(run.run, run.stages))
        return await run.end()


def project(tmp_path: Path, within: str = "60s") -> str:
    (tmp_path / "tes.yaml").write_text(SPEC % within)
    return str(tmp_path)


async def answered(running: asyncio.Future[Any], **words: Any) -> None:
    """Answers the run that is paused, as the Prefect UI does."""
    deadline = time.monotonic() + 60
    async with get_client() as client:
        while time.monotonic() < deadline and not running.done():
            for run in await client.read_flow_runs():
                keyset = run.state.state_details.run_input_keyset if run.state and run.state.is_paused() else None
                if keyset:
                    await client.resume_flow_run(run.id, run_input=words or None)
                    return
            await asyncio.sleep(0.1)
    raise AssertionError("no run was paused")


async def said(project: str, environment: str = "production", *, blank: bool = False, **words: Any) -> Report:
    running = asyncio.ensure_future(asks(project, environment, return_state=True))
    if words or blank:
        await answered(running, **words)
    report = await (await running).aresult(raise_on_failure=False)
    assert isinstance(report, Report), report
    return report


async def test_a_yes_lets_it_go_on_and_is_in_the_audit_log(tmp_path: Path) -> None:
    report = await said(project(tmp_path), approve=True, by="ada", reason="it is time")
    (one,) = report.stages
    assert one.verdict.outcome is Outcome.PASS and one.verdict.reasons == ("ada said yes (Prefect): it is time",)
    (entry,) = records.audit_entries().items
    assert (entry.action, entry.subject) == ("approval.PASS", "shop in production")
    detail = json.loads(entry.detail)
    assert detail["by"] == "ada" and detail["reason"] == "it is time" and detail["at"] > 0


async def test_a_no_is_a_fail_that_names_who_and_why(tmp_path: Path) -> None:
    report = await said(project(tmp_path), approve=False, by="bob", reason="friday")
    assert report.outcome is Outcome.FAIL
    assert report.stages[0].verdict.reasons == ("bob said no (Prefect): friday",)


async def test_silence_is_inconclusive_when_the_time_is_over(tmp_path: Path) -> None:
    report = await said(project(tmp_path, "1s"))
    assert report.outcome is Outcome.INCONCLUSIVE
    assert report.stages[0].verdict.reasons == ("nobody approved within 1 s",)


async def test_a_yes_of_somebody_who_is_not_listed_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TES_DEPLOYERS", "ada")
    report = await said(project(tmp_path), approve=True, by="eve")
    assert report.outcome is Outcome.INCONCLUSIVE and "eve said yes" in report.stages[0].verdict.reasons[0]


async def test_a_run_that_is_resumed_without_an_answer_was_not_approved(tmp_path: Path) -> None:
    report = await said(project(tmp_path), blank=True)
    assert report.outcome is not Outcome.PASS and not report.stages[0].verdict.passed


async def test_an_environment_that_does_not_ask_has_no_such_stage(tmp_path: Path) -> None:
    assert (await said(project(tmp_path), "staging")).stages == ()


async def test_what_was_answered_before_is_not_asked_again(tmp_path: Path) -> None:
    with given(Answer(approve=True, by="ada", way="--yes")):
        report = await said(project(tmp_path))
    assert report.stages[0].verdict.reasons == ("ada said yes (--yes)",)
