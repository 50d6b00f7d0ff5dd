"""Nothing that was counted is lost however long a proof lasts, and what it says is what was seen."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.load import quantile
from domain.proof import Proof, assess, impossible
from domain.proof_count import OTHERS, VERSIONS, Answer, Counting
from domain.verdict import Outcome

BEGAN = 1_700_000_000.0
MOST = 8


def counted(answers: list[Answer], *, aborted: float | None = None, after: int | None = None) -> Proof:
    """The proof of a rollout of v2; that it was taken back is heard before the answer number `after`."""
    counting = Counting("v2", BEGAN, most=MOST)
    for number, answer in enumerate(answers):
        if aborted is not None and number == after:
            counting.aborted(BEGAN + aborted)
        counting.add(answer)
    if aborted is not None:
        counting.aborted(BEGAN + aborted)
    return counting.told(99.0, stable="v1", rate=20.0, header="X-Release")


@st.composite
def answers(draw: st.DrawFn) -> list[Answer]:
    def one() -> Answer:
        return Answer(
            due=BEGAN + draw(st.floats(0, 5000)),
            seconds=draw(st.floats(0, 60)),
            version=draw(st.sampled_from(["", "v1", "v2"])),
            wrong=draw(st.sampled_from(["", "", "500", "connection refused"])),
            unsent=draw(st.integers(0, 9)) == 0,
        )

    return [one() for _ in range(draw(st.integers(0, 60)))]


@given(answers())
def test_rows_are_few_and_their_sums_are_the_totals(given_: list[Answer]) -> None:
    proof = counted(given_)
    sent = [one for one in given_ if not one.unsent]
    assert len(proof.rows) <= MOST
    assert proof.requests == len(sent) == sum(row.requests for row in proof.rows)
    assert proof.failed == sum(bool(one.wrong) for one in sent) == sum(row.failed for row in proof.rows)
    assert proof.unsent == len(given_) - len(sent) == sum(row.unsent for row in proof.rows)
    assert proof.failed == sum(proof.failures.values())
    for name in ("", "v1", "v2"):
        expected = sum(one.version == name for one in sent)
        assert proof.versions.get(name, 0) == expected == sum(row.versions.get(name, 0) for row in proof.rows)
    for row in proof.rows:
        assert sum(row.versions.values()) == row.requests
        assert row.requests == sum(row.at <= one.due - BEGAN < row.at + proof.width for one in sent)


@given(answers())
def test_quantiles_are_at_most_two_per_cent_above_the_truth(given_: list[Answer]) -> None:
    proof = counted(given_)
    ordered = sorted(one.seconds for one in given_ if not one.unsent)
    for share, found in ((0.5, proof.p50), (0.95, proof.p95), (0.99, proof.p99)):
        truth = max(quantile(ordered, share), 1e-5) if ordered else 0.0
        assert truth * 0.999999 <= found <= truth * 1.021
    for row in proof.rows:
        assert row.p50 <= row.p95 <= row.p99


@given(answers(), st.floats(0, 5000), st.integers(0, 60), st.randoms(use_true_random=False))
def test_the_order_of_the_answers_and_of_the_news_of_the_abort_changes_nothing(
    given_: list[Answer], aborted: float, after: int, dice: random.Random
) -> None:
    again = list(given_)
    dice.shuffle(again)
    one, other = counted(given_, aborted=aborted, after=after), counted(again, aborted=aborted)
    assert one == other
    strays = sum(a.version == "v2" and a.due >= BEGAN + aborted for a in given_ if not a.unsent)
    known = any(a.version for a in given_ if not a.unsent)
    assert one.strayed == (strays if known else None)


def test_a_proof_is_the_same_after_json() -> None:
    proof = counted([Answer(BEGAN + 3, 0.01, "v1"), Answer(BEGAN + 4, 1.0, "v2", "500")], aborted=5)
    assert Proof.model_validate_json(proof.model_dump_json()) == proof


def test_a_service_that_names_another_version_each_time_fills_no_memory() -> None:
    proof = counted([Answer(BEGAN, 0.01, f"request-{number}") for number in range(1000)] + [Answer(BEGAN, 0, "v2")])
    assert len(proof.versions) <= VERSIONS + 1
    assert (sum(proof.versions.values()), proof.versions["v2"]) == (1001, 1)
    assert proof.versions[OTHERS] > 900


def fine(count: int, version: str = "v1") -> list[Answer]:
    return [Answer(BEGAN + number / 20, 0.012, version) for number in range(count)]


BAD = [Answer(BEGAN + 12.5, 0.001, "", "connection refused"), Answer(BEGAN + 13, 0.02, "v2", "500")]


@pytest.mark.parametrize(
    ("proof", "outcome", "told"),
    [
        (counted(fine(40)), "PASS", "0 of 40 requests failed, 20 a second for 99 s"),
        (counted(fine(40)), "PASS", "p50 12.2 ms, p95 12.2 ms, p99 12.2 ms"),
        (counted(fine(4198) + BAD), "FAIL", "2 of 4,200 requests failed, the first at second 12: connection refused"),
        (counted(fine(4198) + BAD), "FAIL", "1 of them got their bad answer from v2 itself"),
        (counted(fine(3, "")), "PASS", "which release answered is unknown: no answer has the header X-Release"),
        (counted(fine(5) + fine(2, "v2") + fine(1, "")), "PASS", "answered by v1 5, v2 2, unknown 1"),
        (counted(fine(5) + fine(2, "v2"), aborted=60), "PASS", "0 requests reached v2 after it was taken back"),
        (counted(fine(5) + fine(2, "v2"), aborted=0.02), "FAIL", "1 request reached v2 after it was taken back"),
        (
            counted(fine(5) + fine(2, "v2"), aborted=0.05, after=0),
            "FAIL",
            "1 request reached v2 after it was taken back",
        ),
        (counted(fine(5) + fine(2, "v2"), aborted=0.051, after=0), "PASS", "0 requests reached v2 after"),
        (counted([*fine(5), Answer(BEGAN, unsent=True)]), "INCONCLUSIVE", "1 request could not be sent in time"),
        (counted([]), "INCONCLUSIVE", "no request was sent, so nothing is proved"),
        (impossible("v2", "nothing was released before"), "INCONCLUSIVE", "nothing was released before"),
    ],
)
def test_the_verdict_says_it_in_words(proof: Proof, outcome: str, told: str) -> None:
    verdict = assess(proof)
    assert (verdict.outcome, told in "; ".join(verdict.reasons)) == (Outcome(outcome), True), verdict.reasons


def test_where_versions_are_unknown_nothing_is_said_of_strays() -> None:
    proof = counted(fine(5, ""), aborted=0.1)
    assert proof.strayed is None
    assert "taken back" not in "; ".join(assess(proof).reasons)
