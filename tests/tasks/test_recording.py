"""What a stage asks the records for."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import records
from domain.cases import Attempt, CaseId, Status, SuiteReport, judge
from records.write.attempt import PORTION
from tasks import recording


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TES_DATABASE_URL", f"sqlite:///{tmp_path}/records.db")
    records.close()
    records.migrate()
    yield
    records.close()


def test_the_trend_is_the_runs_before_this_one_oldest_first_without_quotations(database: None) -> None:
    def run(name: str, statuses: list[Status], **more: Any) -> None:
        attempts = [Attempt(case=CaseId(suite="unit", name=str(n)), status=s) for n, s in enumerate(statuses)]
        records.open_run(name, "shop", "execution")
        verdict = judge(SuiteReport(suite="unit", attempts=tuple(attempts), seconds=2.0))
        records.record_stage(name, "tests.unit", verdict, started=1.0, ended=2.0, inputs_digest=name, **more)

    run("one", [Status.PASSED, Status.FAILED])
    run("two", [Status.PASSED, Status.PASSED])
    run("three", [Status.PASSED, Status.PASSED], reused_from="two")
    run("now", [Status.PASSED])
    here: Any = SimpleNamespace(project="shop", id="now")
    found = asyncio.run(recording.trend(here, "unit"))
    assert [(one.run, one.outcome, one.passed, one.cases, one.seconds) for one in found] == [
        ("one", "FAIL", 1, 2, 2.0),
        ("two", "PASS", 2, 2, 2.0),
    ]
    assert found[0].at > 1.7e9


def test_a_stream_of_attempts_is_recorded_as_it_comes(database: None) -> None:
    """What was taken long ago is gone from memory when the last comes."""
    seen: list[weakref.ref[Attempt]] = []

    def stream() -> Iterator[Attempt]:
        for number in range(3 * PORTION):
            made = Attempt(case=CaseId(suite="unit", name=str(number)), status=Status.PASSED)
            if number == PORTION // 2:
                seen.append(weakref.ref(made))
            yield made
        assert seen[0]() is None

    records.open_run("one", "shop", "execution")
    here: Any = SimpleNamespace(project="shop", id="one")
    asyncio.run(recording.attempts(here, "tests.unit", stream()))
    assert records.counted("shop") == {"unit": 3 * PORTION}
