"""A plan loses no case, doubles none, leaves no shard empty, and asks for nothing that is not there."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cases import CaseId
from domain.plan import Plan, Shard, plan
from domain.python_names import top_level

SUITE = "unit"


def case(file: str, name: str, classname: str = "") -> CaseId:
    return CaseId(suite=SUITE, file=file, classname=classname, name=name)


def runs(shard: Shard, one: CaseId) -> bool:
    """Whether pytest, told so, would run the case: by what is named."""
    node = str(one)

    def names(item: str) -> bool:
        return node == item or node.startswith((f"{item}::", f"{item}["))

    chosen = not shard.selection or any(names(item) for item in shard.selection)
    left = any(names(item) for item in shard.leave)
    return chosen and not left


def top(one: CaseId) -> str:
    """The function or class at the top level of its file."""
    return one.classname.partition("::")[0] or one.name.partition("[")[0]


_NAMES = st.sampled_from(["test_a", "test_ab", "test_abc", "test_b", "test_a[1]", "test_a[2]", "test_ab[x]", "test_c"])
_CASES = st.builds(case, st.sampled_from(["t/a.py", "t/b.py", "c.py"]), _NAMES, st.sampled_from(["", "TestX", "T::In"]))


@given(
    history=st.dictionaries(_CASES, st.floats(0, 100), max_size=25),
    new=st.sets(_CASES, max_size=10),
    shards=st.integers(1, 6),
    hidden=st.sets(st.sampled_from(["test_a", "test_ab", "TestX", "test_c"])),
)
def test_every_case_that_is_there_runs_in_exactly_one_shard(
    history: dict[CaseId, float], new: set[CaseId], shards: int, hidden: set[str]
) -> None:
    """Old and new ones, whatever history knew; a name that is hidden is one that only history knows."""
    files = {one.file: 100 for one in (*history, *new)}
    tops: dict[str, set[str]] = {file: set() for file in files}
    for one in history:
        tops[one.file] |= {top(one)} - hidden
    for one in new:
        tops[one.file].add(top(one))
    made = plan(SUITE, shards, files, history, lambda file: sorted(tops[file]))
    for one in (*history, *new):
        assert sum(runs(shard, one) for shard in made.shards) == 1, (one, made)


@given(
    sizes=st.dictionaries(st.from_regex(r"[a-z]{1,3}\.py", fullmatch=True), st.integers(0, 10**6), max_size=20),
    shards=st.integers(1, 9),
)
def test_no_shard_is_empty_and_only_the_first_takes_what_is_left(sizes: dict[str, int], shards: int) -> None:
    made = plan(SUITE, shards, sizes, {})
    assert len(made.shards) == max(1, min(shards, len(sizes)))
    assert [shard.number for shard in made.shards] == list(range(1, len(made.shards) + 1))
    assert not made.shards[0].selection and all(shard.selection for shard in made.shards[1:])
    assert sorted(made.shards[0].leave) == sorted(unit for shard in made.shards[1:] for unit in shard.selection)
    assert len(made.shards[0].leave) < max(1, len(sizes))


def test_what_is_no_longer_there_is_not_asked_for() -> None:
    history = {case("a.py", "test_x"): 1.0, case("gone.py", "test_x"): 9.0, case("b.py", "test_y"): 1.0}
    made = plan(SUITE, 2, {"a.py": 1, "b.py": 1}, history)
    assert made.shards[1].selection in (("a.py",), ("b.py",)) and "gone.py" not in made.shards[0].leave


def test_a_file_that_dominates_is_divided_into_functions_and_classes() -> None:
    history = {case("big.py", f"test_{n}[{p}]"): 5.0 for n in "abcd" for p in range(2)}
    history |= {case("big.py", "test_m", "TestK"): 1.0, case("small.py", "test_s"): 1.0}
    made = plan(SUITE, 4, {"big.py": 1, "small.py": 1}, history, lambda _: [f"test_{n}" for n in "abcd"] + ["TestK"])
    assert max(shard.seconds for shard in made.shards) <= 12
    assert {item for shard in made.shards[1:] for item in shard.selection} <= {
        "big.py::test_a", "big.py::test_b", "big.py::test_c", "big.py::test_d", "big.py::TestK", "small.py",
    }  # fmt: skip
    assert sum(shard.cases for shard in made.shards) == 10


def test_a_file_whose_names_cannot_be_told_stays_whole() -> None:
    history = {case("big.py", f"test_{n}"): 5.0 for n in "abcd"} | {case("b.py", "test_b"): 1.0}
    made = plan(SUITE, 2, {"big.py": 1, "b.py": 1}, history, lambda _: None)
    assert made.shards[1].selection == ("big.py",)


def test_equal_input_gives_an_equal_plan_and_another_one_another_digest() -> None:
    history = {case(f"t{n}.py", "test_x"): float(n) for n in range(9)}
    files = {one.file: 1 for one in history}
    assert plan(SUITE, 3, files, history).digest == plan(SUITE, 3, dict(reversed(files.items())), history).digest
    assert plan(SUITE, 3, files, history).digest != plan(SUITE, 4, files, history).digest


def test_what_history_does_not_know_is_left_to_the_first_shard() -> None:
    history = {case("a.py", "test_x"): 1.0, case("b.py", "test_x"): 2.0}
    made = plan(SUITE, 3, {"a.py": 1, "b.py": 1, "test_helpers.py": 5}, history)
    assert len(made.shards) == 2 and all("test_helpers.py" not in shard.selection for shard in made.shards)


def test_a_hundred_thousand_cases_take_less_than_a_second() -> None:
    numbers = random.Random(1)
    history = {case(f"t/test_{n % 2000}.py", f"test_{n}"): numbers.expovariate(1) for n in range(95_000)}
    history |= {case("t/test_big.py", f"test_{n}"): 1.0 for n in range(5_000)}
    files = {one.file: 1 for one in history}
    names = [f"test_{n}" for n in range(5_000)]
    began = time.process_time()
    made: Plan = plan(SUITE, 64, files, history, lambda _: names)
    assert time.process_time() - began < 1
    assert max(shard.seconds for shard in made.shards) < 1.02 * sum(history.values()) / 64


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            "def test_a(): pass\nasync def test_b(): pass\nclass TestC:\n    def test_d(self): pass\n",
            "test_a test_b TestC",
        ),
        ("from base import TestBase, TestOther as TestIt\nimport os.path\n", "TestBase TestIt os"),
        ("if True:\n    def test_a(): pass\nelse:\n    test_b = None\n", "test_a test_b"),
        ("(test_a, [test_b]) = made()\n", "test_a test_b"),
        ("from base import *\ndef helper():\n    inner = 1\n", "* helper"),
        ("def test_a(:\n", None),
        ("def test_a(): pass\n\0", None),
    ],
)
def test_the_names_of_a_module_as_far_as_its_text_tells(text: str, names: str | None) -> None:
    assert top_level(text) == (None if names is None else tuple(names.split()))
