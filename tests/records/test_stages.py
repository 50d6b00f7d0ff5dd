"""A stage's verdict is kept, and quoted only when it still holds."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

import records
from domain.errors import Rejected
from domain.verdict import Outcome
from tests.records.values import verdict

NOW = time.time()


def _record(
    run_id: str, outcome: Outcome = Outcome.PASS, *, ended: float = NOW, digest: str = "d1", **more: str
) -> None:
    records.open_run(run_id, "checkout", "release")
    records.record_stage(
        run_id, "build", verdict("build", outcome), started=ended - 2.5, ended=ended, inputs_digest=digest, **more
    )


def test_a_stage_is_read_back_as_it_was_told(database: str) -> None:
    _record("r1", result_json='{"digest": "sha256:a"}')
    found = records.run("r1")
    assert found is not None
    (row,) = found.stages
    assert row.verdict == verdict("build").model_dump(mode="json")
    assert (row.outcome, row.inputs_digest, row.result_json) == ("PASS", "d1", '{"digest": "sha256:a"}')
    assert row.seconds == pytest.approx(2.5) and row.ended == datetime.fromtimestamp(NOW, UTC)


def test_a_pass_on_the_same_inputs_is_quoted(database: str) -> None:
    _record("r1", result_json="{}")
    found = records.reusable("checkout", "build", "d1")
    assert found is not None
    row, quoted = found
    assert (row.run_id, row.result_json, quoted) == ("r1", "{}", verdict("build"))


@pytest.mark.parametrize(
    ("project", "stage", "digest"), [("other", "build", "d1"), ("checkout", "load", "d1"), ("checkout", "build", "d2")]
)
def test_another_project_stage_or_input_is_not_quoted(database: str, project: str, stage: str, digest: str) -> None:
    _record("r1")
    assert records.reusable(project, stage, digest) is None


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.INCONCLUSIVE])
def test_only_a_pass_is_quoted_and_only_if_it_was_the_last_look(database: str, outcome: Outcome) -> None:
    _record("r1")
    _record("r2", outcome, ended=NOW + 1)
    assert records.reusable("checkout", "build", "d1") is None
    _record("r3", ended=NOW + 2)
    assert records.reusable("checkout", "build", "d1") is not None


def test_a_quotation_is_not_quoted_in_place_of_its_original(database: str) -> None:
    _record("r1")
    _record("r2", ended=NOW + 1, reused_from="r1")
    found = records.reusable("checkout", "build", "d1")
    assert found is not None and found[0].run_id == "r1"
    records.invalidate("checkout", "build")
    assert records.reusable("checkout", "build", "d1") is None


def test_invalidation_forbids_what_was_said_and_nothing_else(database: str) -> None:
    _record("r1")
    _record("r2", digest="d2")
    assert records.invalidate("checkout", "build", "d1") == 1
    assert records.reusable("checkout", "build", "d1") is None
    assert records.reusable("checkout", "build", "d2") is not None
    assert records.invalidate("other") == 0
    _record("r3", ended=NOW + 5)
    assert records.reusable("checkout", "build", "d1") is not None


def test_what_goes_stale_is_not_quoted_for_ever(database: str) -> None:
    _record("r1", ended=time.time() - 7200)
    assert records.reusable("checkout", "build", "d1", max_age=3600) is None
    assert records.reusable("checkout", "build", "d1", max_age=10800) is not None


def test_a_stage_done_again_replaces_its_row_unless_it_ended_earlier(database: str) -> None:
    _record("r1", Outcome.FAIL)
    _record("r1", Outcome.PASS, ended=NOW + 1)
    _record("r1", Outcome.FAIL, ended=NOW - 60)
    found = records.run("r1")
    assert found is not None and [row.outcome for row in found.stages] == ["PASS"]


def test_a_stage_of_no_run_is_refused(database: str) -> None:
    with pytest.raises(Rejected, match="open_run"):
        records.record_stage("nowhere", "build", verdict(), started=1.0, ended=2.0)


def test_a_time_without_a_zone_is_refused(database: str) -> None:
    records.open_run("r1", "checkout", "release")
    with pytest.raises(ValueError, match="no time zone"):
        records.record_stage("r1", "build", verdict(), started=datetime(2026, 1, 1), ended=NOW)
