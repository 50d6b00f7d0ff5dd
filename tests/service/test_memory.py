"""The API tells which cases flake, fail, are slow or set aside, and that a pass on retry was one."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

import records
from domain.cases import Attempt, CaseId, Status, SuiteReport, judge
from domain.quarantine import Entry

RACE, DEAD, CALM = (CaseId(suite="unit", file="t.py", name=name) for name in ("race", "dead", "calm"))
BASE = "/api/v1/projects/shop"
ROUTES = ("flaky", "failing", "clusters", "trend", "slowest", "quarantine")


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 runs of 4 contents: one case passes on retry now and then, one is broken since the last content."""
    path = tmp_path_factory.mktemp("history") / "records.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TES_DATABASE_URL", f"sqlite:///{path}")
        _remember()
        records.close()
    return path


@pytest.fixture
def remembered(history: Path, database: str) -> None:
    """The history in this test's own records."""
    shutil.copyfile(history, database.removeprefix("sqlite:///"))


def _remember() -> None:
    for number in range(24):
        made = [
            Attempt(case=CALM, status=Status.PASSED, seconds=2.0),
            Attempt(case=DEAD, status=Status.FAILED if number >= 18 else Status.PASSED, message=f"no {number}"),
            Attempt(case=RACE, status=Status.PASSED, number=2 if number % 5 == 1 else 1),
        ]
        if number % 5 == 1:
            made.append(Attempt(case=RACE, status=Status.FAILED, message=f"took {number} s"))
        records.open_run(f"r{number}", "shop", "execution", source_digest=f"sha256:{number // 6}")
        records.record_attempts(f"r{number}", "tests.unit", made)
        verdict = judge(SuiteReport(suite="unit", attempts=tuple(made), seconds=1.0))
        records.record_stage(f"r{number}", "tests.unit", verdict, started=1.0, ended=2.0, inputs_digest=str(number))
    now = time.time()
    entry = Entry(case=RACE, owner="ann", reason="races", issue="SHOP-7", added=now - 60, until=now + 86400)
    records.quarantine("shop", entry, "ann")


async def _get(api: httpx.AsyncClient, what: str, **query: Any) -> Any:
    answer = await api.get(f"{BASE}/{what}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.usefixtures("remembered")
class TestMemory:
    async def test_what_is_broken_comes_before_what_flakes_and_both_with_their_reasons(
        self, api: httpx.AsyncClient
    ) -> None:
        dead, race = await _get(api, "flaky")
        assert (dead["name"], dead["state"], dead["streak"]) == ("dead", "broken", -6)
        assert (race["name"], race["state"], race["on_retry"], race["flakes"]) == ("race", "flaky", 5, 5)
        assert 0 < race["low"] < race["rate"] < race["high"] < 1 and "flake rate" in race["reasons"][0]
        assert race["quarantined_until"] and dead["quarantined_until"] is None
        assert await _get(api, "flaky", suite="another") == [] and len(await _get(api, "flaky", limit=1)) == 1

    async def test_what_fails_most_and_why(self, api: httpx.AsyncClient) -> None:
        assert [(one["name"], one["runs"]) for one in await _get(api, "failing")] == [("dead", 6), ("race", 5)]
        found = await _get(api, "clusters", limit=1)
        assert (found["groups"], found["failures"], len(found["items"])) == (2, 11, 1)
        assert (found["items"][0]["pattern"], found["items"][0]["count"]) == ("no <number>", 6)

    async def test_a_pass_on_retry_is_in_the_trend(self, api: httpx.AsyncClient) -> None:
        points = await _get(api, "trend", limit=3)
        assert [(one["run"], one["outcome"], one["metrics"]["flaky"]) for one in points] == [
            ("r23", "FAIL", 0), ("r22", "FAIL", 0), ("r21", "FAIL", 1),
        ]  # fmt: skip

    async def test_the_slowest_come_first(self, api: httpx.AsyncClient) -> None:
        slow = await _get(api, "slowest", limit=2)
        assert len(slow) == 2 and (slow[0]["name"], slow[0]["mean"], slow[0]["attempts"]) == ("calm", 2.0, 3)

    async def test_the_quarantine_names_owner_issue_and_end_also_of_who_left(self, api: httpx.AsyncClient) -> None:
        (held,) = await _get(api, "quarantine")
        assert (held["name"], held["owner"], held["issue"], held["released"]) == ("race", "ann", "SHOP-7", None)
        records.release_from_quarantine("shop", records.quarantines("shop")[0].entry, "mended", "ann")
        assert await _get(api, "quarantine") == []
        assert (await _get(api, "quarantine", all=True))[0]["released_why"] == "mended"

    @pytest.mark.parametrize("query", ["limit=0", "limit=501", "suite=" + "x" * 201])
    @pytest.mark.parametrize("route", ROUTES)
    async def test_a_question_that_makes_no_sense_is_refused(
        self, api: httpx.AsyncClient, route: str, query: str
    ) -> None:
        assert (await api.get(f"{BASE}/{route}?{query}")).status_code == 422


@pytest.mark.parametrize("route", ROUTES)
async def test_a_project_that_nobody_recorded_is_not_there(api: httpx.AsyncClient, route: str) -> None:
    answer = await api.get(f"{BASE}/{route}")
    assert answer.status_code == 404 and "there is no project 'shop'" in answer.json()["detail"]
