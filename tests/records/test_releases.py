"""Releases are immutable, rollouts only move on, and each step is there once."""

from __future__ import annotations

import pytest

import records
from domain.errors import Rejected
from domain.findings import Finding, Severity
from domain.load import LoadSummary
from domain.place import Release
from domain.proof import impossible
from domain.proof_count import Answer, Counting
from domain.rollout import Action, Rollout, Status, Verb
from domain.verdict import Outcome
from tests.records.values import release, rollout, verdict


def test_a_release_is_recorded_once_for_each_environment(database: str) -> None:
    first = records.record_release(release(), "staging")
    assert records.record_release(release(), "staging") == first
    assert records.record_release(release(), "production") != first
    (row,) = records.releases("staging").items
    assert Release.model_validate(row.release) == release()
    assert [row.environment for row in records.releases().items] == ["production", "staging"]


def test_another_setting_is_another_release_and_another_place_of_the_artifact_is_not(database: str) -> None:
    moved = release().artifact.model_copy(update={"location": "elsewhere", "created": 2.0})
    first = records.record_release(release(), "staging")
    assert records.record_release(release().model_copy(update={"artifact": moved}), "staging") == first
    assert records.record_release(release().model_copy(update={"replicas": 2}), "staging") != first


def _stored() -> Rollout:
    found = records.rollout("ro-1")
    assert found is not None
    return Rollout.model_validate(found.rollout.rollout)


def test_a_rollout_can_be_taken_up_again_from_its_row(database: str) -> None:
    records.record_rollout(rollout())
    moved = rollout(cursor=2, promoted=True)
    records.record_rollout(moved)
    assert _stored() == moved
    assert [row.id for row in records.rollouts("production", unfinished=True).items] == ["ro-1"]
    records.record_rollout(rollout(cursor=3, promoted=True, status=Status.PROMOTED))
    assert records.rollouts("production", unfinished=True).items == []
    assert records.rollouts("staging").items == []


@pytest.mark.parametrize(
    "late",
    [
        pytest.param({"token": 6, "cursor": 3}, id="an older fencing token"),
        pytest.param({"cursor": 0}, id="an earlier cursor"),
        pytest.param({"cursor": 2, "status": Status.PROGRESSING}, id="progressing after it began to abort"),
    ],
)
def test_a_late_word_changes_nothing(database: str, late: dict[str, object]) -> None:
    stands = rollout(cursor=2, status=Status.ABORTING, reason="verify: error rate 12 %")
    records.record_rollout(stands)
    records.record_rollout(stands.model_copy(update=late))
    assert _stored() == stands


@pytest.mark.parametrize("over", [status for status in Status if status.over])
@pytest.mark.parametrize("other", list(Status))
def test_what_is_over_stays_so(database: str, over: Status, other: Status) -> None:
    records.record_rollout(rollout(cursor=3, status=over))
    records.record_rollout(rollout(cursor=3, status=other, token=8))
    assert _stored().status is over


def test_a_step_is_there_once_and_an_abort_stands_beside_the_step_that_failed(database: str) -> None:
    records.record_rollout(rollout())
    verify, abort = Action(verb=Verb.VERIFY, seconds=5), Action(verb=Verb.ABORT)
    records.record_rollout_step("ro-1", 2, verify, verdict("verify", Outcome.INCONCLUSIVE), 10.0, 11.0)
    records.record_rollout_step("ro-1", 2, verify, verdict("verify", Outcome.FAIL), 12.0, 14.5)
    records.record_rollout_step("ro-1", 2, abort, verdict("abort"), 15.0, 16.0)
    found = records.rollout("ro-1")
    assert found is not None
    assert [(step.index, step.action, step.outcome, step.seconds) for step in found.steps] == [
        (2, "verify 5 s", "FAIL", 2.5),
        (2, "abort", "PASS", 1.0),
    ]


def test_a_step_of_no_rollout_is_refused(database: str) -> None:
    with pytest.raises(Rejected, match="record_rollout"):
        records.record_rollout_step("nowhere", 0, "promote", verdict(), 1.0, 2.0)


def test_findings_that_differ_in_their_line_are_two_and_the_same_is_one(database: str) -> None:
    records.open_run("r1", "checkout", "release")
    finding = Finding(scanner="bandit", rule="B602", severity=Severity.HIGH, path="app.py", line=3, message="shell")
    other = finding.model_copy(update={"line": 9})
    records.record_findings("r1", "scan.bandit", [finding, other, finding])
    records.record_findings("r1", "scan.bandit", [finding])
    page = records.findings("r1", limit=1)
    assert [row.line for row in page.items] == [3] and page.next == "1"
    assert [row.line for row in records.findings("r1", after=page.next).items] == [9]


def test_a_load_run_done_again_counts_last(database: str) -> None:
    records.open_run("r1", "checkout", "release")
    summary = LoadSummary(generator="k6", requests=100, failed=1, seconds=10.0, p95=0.2)
    records.record_load("r1", summary, verdict("load", Outcome.FAIL))
    records.record_load("r1", summary.model_copy(update={"failed": 0}), verdict("load"))
    records.record_load("r1", summary, verdict("verify.load"))
    found = records.run("r1")
    assert found is not None
    assert [(row.gate, row.outcome, row.failed, row.p95) for row in found.loads] == [
        ("load", "PASS", 0, 0.2),
        ("verify.load", "PASS", 1, 0.2),
    ]
    assert LoadSummary.model_validate(found.loads[1].summary) == summary


def test_the_proof_of_a_rollout_is_there_once_and_the_last_one_counts(database: str) -> None:
    records.record_rollout(rollout())
    found = records.rollout("ro-1")
    assert found is not None and not found.proved and records.proof("ro-1") is None
    records.record_proof("ro-1", impossible("v2", "nothing was released before"))
    counting = Counting("v2", 10.0)
    counting.add(Answer(11.0, 0.02, "v1"))
    counting.add(Answer(12.0, 0.02, "\0 and \u2028", "status 500"))
    proof = counting.told(5.0, stable="v1", header="X-Release", marks=[(11.5, "abort")])
    records.record_proof("ro-1", proof)
    assert records.proof("ro-1") == proof
    found = records.rollout("ro-1")
    assert found is not None and found.proved


def test_a_proof_of_no_rollout_is_refused(database: str) -> None:
    with pytest.raises(Rejected, match="record_rollout"):
        records.record_proof("nowhere", impossible("v2", "no"))
