"""Of a shard's results the highest token that was committed counts, once; whatever else came is told and ignored."""

from __future__ import annotations

import itertools

import pytest

from domain.cases import Attempt, CaseId, Status, SuiteReport, judge
from domain.merging import merged
from domain.plan import Plan, Shard
from domain.shard_result import Commit, Order, accepted
from domain.spec import Build, Suite
from domain.verdict import Outcome

ORDER = Order(
    run="r1", project="p", source="sha256:1", suite=Suite(name="unit"), shard=Shard(number=2), of=3, plan="plan-1",
    token=2, build=Build(),
)  # fmt: skip


def commit(token: int, **other: object) -> Commit:
    return Commit.of(ORDER, "0" * 64, 1).model_copy(update={"token": token, **other})


@pytest.mark.parametrize(
    ("commits", "wins", "says"),
    [
        ([], None, ""),
        ([commit(1)], 1, ""),
        ([commit(2)], 2, ""),
        ([commit(1), commit(2)], 2, "answered more than once: token 2 counts, token 1 is ignored"),
        ([commit(9)], None, "token 9, which nobody handed out"),
        ([commit(2), commit(9)], 2, "token 9, which nobody handed out"),
        ([commit(2, plan="plan-0")], None, "another plan (plan-0)"),
        ([commit(2, run="r0")], None, "in run r0 is ignored"),
        ([commit(2, shard=1)], None, "shard 1 of unit"),
        ([commit(2, suite="other")], None, "of other in run r1"),
        ([commit(1), commit(2, plan="plan-0")], 1, "another plan"),
    ],
)
def test_which_result_counts(commits: list[Commit], wins: int | None, says: str) -> None:
    for order in itertools.permutations(commits):
        best, told = accepted(ORDER, {1, 2}, order)
        assert (best.token if best else None) == wins
        assert says in " ".join(told)


PLAN = Plan(
    suite="unit",
    basis="history",
    shards=(
        Shard(number=1, leave=("b.py", "c.py::test_x", "c.py::TestY")),
        Shard(number=2, selection=("b.py",)),
        Shard(number=3, selection=("c.py::test_x", "c.py::TestY")),
    ),
)


def report(*cases: str, **other: object) -> SuiteReport:
    attempts = []
    for case in cases:
        file, *middle = case.split("::")
        name = middle.pop()
        case_id = CaseId(suite="unit", file=file, classname="::".join(middle), name=name)
        attempts.append(Attempt(case=case_id, status=Status.PASSED))
    return SuiteReport.model_validate({"suite": "unit", "attempts": attempts, **other})


GOOD = {
    1: report("a.py::test_a", "c.py::test_rest"),
    2: report("b.py::test_b"),
    3: report("c.py::test_x[1]", "c.py::TestY::test_y"),
}


def test_shards_that_did_what_they_were_told_are_one_report() -> None:
    found = merged(PLAN, GOOD)
    assert judge(found).outcome is Outcome.PASS and len(found.attempts) == 5 and not found.problems


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({2: None}, "shard 2 of 3 gave no result"),
        ({1: None, 2: None, 3: None}, "shard 1 of 3 gave no result"),
        ({2: report("b.py::test_b", complete=False)}, ""),
        ({2: report("b.py::test_b", problems=["cut off"])}, "shard 2 of 3: cut off"),
        ({2: report("z.py::test_b")}, "shard 2 of 3 reports 1 cases that are not its own, the first: z.py::test_b"),
        ({2: report("a.py::test_a", "b.py::test_b")}, "1 cases ran in more than one shard, the first: a.py::test_a"),
        ({1: report("a.py::test_a", "b.py::test_new")}, "shard 1 of 3 reports 1 cases that are not its own"),
        ({1: report("a.py::test_a", "c.py::test_x[2]")}, "shard 1 of 3 reports 1 cases that are not its own"),
        ({3: report("c.py::test_rest", "c.py::test_x[1]")}, "shard 3 of 3 reports 1 cases that are not its own"),
    ],
)
def test_what_a_shard_did_wrong_is_no_pass(changed: dict[int, SuiteReport | None], says: str) -> None:
    reports = {number: one for number, one in {**GOOD, **changed}.items() if one is not None}
    found = merged(PLAN, reports)
    assert judge(found).outcome is Outcome.INCONCLUSIVE
    assert says in " ".join(found.problems)


def test_a_bad_case_stays_bad_whatever_another_shard_says_of_it() -> None:
    bad = Attempt(case=CaseId(suite="unit", file="a.py", name="test_a"), status=Status.FAILED)
    reports = {**GOOD, 1: report("a.py::test_b").model_copy(update={"attempts": (bad,)}), 2: report("a.py::test_a")}
    assert judge(merged(PLAN, reports)).outcome is not Outcome.PASS
