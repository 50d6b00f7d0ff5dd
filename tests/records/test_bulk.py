"""However a batch meets what is there (cases known or new; attempts there, partly there, twice in the batch; more
cases in a file than are read at once), each attempt is there once, under its own case.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import text

import records
from domain.cases import Attempt, CaseId, Status
from records.bulk import portion, store
from records.session import reading, writing
from records.tables.attempt import attempt_keys
from records.tables.case import FILE_DIGITS, case_key, case_keys
from records.write import attempt as write


def made(name: str, file: str = "test_a.py", **said: Any) -> Attempt:
    return Attempt(case=CaseId(suite="unit", file=file, classname="T", name=name), status=Status.PASSED, **said)


def named(*names: str, **said: Any) -> list[Attempt]:
    return [made(name, **said) for name in names]


@pytest.fixture(autouse=True)
def _opened(database: str) -> None:
    for run in ("r1", "r2"):
        records.open_run(run, "checkout", "release")


def stored(run: str) -> dict[str, int]:
    """How many attempts each case has, by file and name; each row found by the whole way through its case."""
    query = text(
        "SELECT c.file, c.name, count(*), min(c.id) FROM attempts a JOIN executions e ON e.number = a.execution "
        "JOIN cases c ON c.number = a.case_number WHERE e.run_id = :run GROUP BY c.file, c.name"
    )
    with reading() as session:
        rows = session.connection().execute(query, {"run": run}).all()
    assert all(
        key == case_key("checkout", CaseId(suite="unit", file=file, classname="T", name=name))
        for file, name, _, key in rows
        if "\\" not in name
    )
    return {f"{file}::{name}": count for file, name, count, _ in rows}


MEETINGS = {
    "nothing is there": ([], named("a", "b"), {"test_a.py::a": 1, "test_a.py::b": 1}),
    "all is there": (named("a", "b"), named("b", "a"), {"test_a.py::a": 1, "test_a.py::b": 1}),
    "some is there": (named("b"), named("c", "b", "a"), {f"test_a.py::{name}": 1 for name in "abc"}),
    "others at the same cases are there": (
        named("a", "b"),
        named("a", "b", number=2),
        {"test_a.py::a": 2, "test_a.py::b": 2},
    ),
    "others lie around": (named("a", "c"), named("b"), {f"test_a.py::{name}": 1 for name in "abc"}),
    "a batch says the same twice": ([], named("a", "b", "a"), {"test_a.py::a": 1, "test_a.py::b": 1}),
    "a batch has a case twice": ([], named("a") + named("a", number=2), {"test_a.py::a": 2}),
    "a name is in two files": (
        named("a"),
        named("a", file="test_b.py") + named("a", number=2),
        {"test_a.py::a": 2, "test_b.py::a": 1},
    ),
    "two cases look alike when they are stored": (
        named("a\0"),
        named("a\\x00") + named("a\0", number=2),
        {"test_a.py::a\\x00": 3},
    ),
}


@pytest.mark.parametrize("known", [False, True], ids=["new cases", "cases of an earlier run"])
@pytest.mark.parametrize(("before", "given", "expected"), MEETINGS.values(), ids=MEETINGS)
def test_a_batch_leaves_each_attempt_once(
    before: list[Attempt], given: list[Attempt], expected: dict[str, int], known: bool
) -> None:
    if known:
        records.record_attempts("r2", "tests.unit", named("c") + given)
    records.record_attempts("r1", "tests.unit", before)
    records.record_attempts("r1", "tests.unit", given)
    assert stored("r1") == expected
    for again in (given, before, given[::-1]):
        records.record_attempts("r1", "tests.unit", again)
    assert stored("r1") == expected


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_a_stream_of_many_portions_leaves_what_one_portion_leaves(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "PORTION", size)
    for before, given, _ in list(MEETINGS.values())[:-1]:
        records.record_attempts("r1", "tests.unit", before)
        records.record_attempts("r1", "tests.unit", [*given, *given])
    assert stored("r1") == {"test_a.py::a": 2, "test_a.py::b": 2, "test_a.py::c": 1, "test_b.py::a": 1}


@pytest.mark.parametrize("enough", [1, 2, 40, 100])
def test_a_file_with_more_cases_than_are_read_at_once_keeps_its_cases(
    enough: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not read is asked for by its key."""
    monkeypatch.setattr(portion.Portion, "enough", enough)
    many = [made(f"c{n:02}", f"test_{n % 3}.py") for n in range(40)]
    records.record_attempts("r2", "tests.unit", many)
    records.record_attempts("r1", "tests.unit", many[::3] + [made("new")])
    assert len(stored("r1")) == 15 and set(stored("r1").values()) == {1}
    with reading() as session:
        assert session.connection().execute(text("SELECT count(*) FROM cases")).scalar() == 41


def test_a_writer_who_meets_another_in_the_middle_adds_what_is_missing(database: str) -> None:
    """Neither sees the other's rows when it asks what is there: on PostgreSQL COPY breaks on them."""
    records.record_attempts("r1", "tests.unit", named("first"))
    given = named("a", "b", "c")
    with reading() as session:
        execution = session.connection().execute(text("SELECT number FROM executions")).scalar_one()
    other = threading.Thread(target=records.record_attempts, args=("r1", "tests.unit", given))
    with writing() as session:
        store(session, "checkout", execution, write._portions("checkout", "r1", "tests.unit", iter(given[1:])))
        other.start()
        other.join(0.5)  # on PostgreSQL long enough to break, on SQLite it waits for the lock
    other.join(60)
    assert not other.is_alive()
    assert stored("r1") == {f"test_a.py::{name}": 1 for name in ("a", "b", "c", "first")}


def test_keys_are_those_of_version_0004() -> None:
    """Known answers, worked out by the code of before: another way to say the same would double what is there."""
    one = Attempt(
        case=CaseId(suite="unit", file="tests/ü.py", classname="A::B", name="test_x[\udcff-\0]"),
        status=Status.FAILED,
        seconds=0.25,
        started=1_795_616_460.25,
        worker="gw1",
        message="assert ü",
        output="said\0",
        number=2,
        repeat=True,
    )
    ids = case_keys("checkout", [one.case, made("a").case])
    assert ids == ["8933c5fb02382b8737792c8c87df77ae", "6330cc549d595e1a27955bfc8a74624b"]
    assert [case_key("checkout", one.case), case_key("checkout", made("a").case)] == ids
    said = [write._fields(vars(attempt)) for attempt in (one, made("a"))]
    assert attempt_keys("r1", "tests.unit", ids, said) == [-1310356549933069889, 2672312784593242891]


def test_cases_of_a_file_have_keys_that_begin_alike() -> None:
    keys = case_keys("checkout", [made(f"c{n}", f"f{n % 2}").case for n in range(6)])
    assert len(set(keys)) == 6 and len({key[:FILE_DIGITS] for key in keys}) == 2
    assert len({key[:FILE_DIGITS] for key in keys[::2]}) == 1
