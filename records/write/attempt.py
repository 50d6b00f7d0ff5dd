"""Recording attempts at test cases, as many at once as there are.

Attempts come by the hundred thousand, so that this is the one table whose rows are made as plain tuples and handed to
the driver: SQLite takes them by `executemany`, PostgreSQL by COPY (`records.bulk`). A stream is taken in portions, so
that it need not fit into memory, and is one transaction all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from math import isfinite

from sqlmodel import Session, select

from domain.cases import Attempt, Status
from domain.errors import Rejected
from records.bulk import Portion, store
from records.session import reading, writing
from records.tables import ExecutionRow, RunRow
from records.tables.attempt import attempt_key
from records.tables.case import digest, member_key
from records.tables.columns import clean, finite
from records.upsert import upsert

PORTION = 5000
OUTPUT_LIMIT = 64 * 1024
"""Characters of an attempt's output that are kept: half from its beginning, half from its end."""

_STATUS = {status: status.value for status in Status}


def record_attempts(run_id: str, stage: str, attempts: Iterable[Attempt]) -> None:
    """Record attempts in one transaction: all of them, or none. The same attempt again changes nothing; another result
    under the same number is kept beside the first. Rejected when the run was not opened.

    The records may be locked for other writers until the last attempt has come: give what is there, do not wait for it.
    """
    coming = iter(attempts)
    first = list(islice(coming, 1))
    if not first:
        return
    with reading() as session:
        run = session.get(RunRow, run_id)
        execution = _execution(session, run_id, stage)
    if run is None:
        raise Rejected(f"attempts of run {run_id} cannot be recorded: there is no such run", fix="open_run first")
    if execution is None:
        # By itself: of several writers that begin an execution, none waits until the first has recorded all it has.
        with writing() as session:
            upsert(session, ExecutionRow, [{"run_id": run_id, "stage": stage}], key=("run_id", "stage"))
            execution = _execution(session, run_id, stage)
    assert execution is not None  # nothing ever takes one away
    portions = _portions(run.project, run_id, stage, chain(first, coming))
    ready = next(portions)  # made before anything is locked; most runs have no second one
    with writing() as session:
        store(session, run.project, execution, chain((ready,), portions))


def _execution(session: Session, run_id: str, stage: str) -> int | None:
    query = select(ExecutionRow.number).where(ExecutionRow.run_id == run_id, ExecutionRow.stage == stage)
    return session.exec(query).first()


def _portions(project: str, run_id: str, stage: str, attempts: Iterator[Attempt]) -> Iterator[Portion]:
    places: dict[tuple[str, str], tuple[str, str, str]] = {}
    of = f"{run_id}\0{stage}\0"
    while given := list(islice(attempts, PORTION)):
        yield _portion(project, of, given, places)


def _portion(
    project: str, of: str, given: list[Attempt], places: dict[tuple[str, str], tuple[str, str, str]]
) -> Portion:
    """Rows of attempts and of their cases. `places` has what is known of each suite's file: its digest, and both names
    as they are stored. Written for speed: a tenth of a microsecond here is a percent of what recording takes."""
    cases = {}
    rows = []
    nuls = of.count("\0") + 4  # between the texts, and none in them
    for attempt in given:
        case = attempt.case
        at = (case.suite, case.file)
        place = places.get(at)
        if place is None:
            place = places[at] = (digest(project, *at), clean(at[0]), clean(at[1]))
        classname, name = case.classname, case.name
        case_id = member_key(place[0], classname, name)
        message, output, worker = attempt.message, attempt.output, attempt.worker
        status = _STATUS[attempt.status]
        said = f"{of}{case_id}\0{status}\0{worker}\0{message}\0{output}"
        key = attempt_key(said, attempt)
        texts = f"{classname}{name}{said}"
        if not texts.isascii() or texts.count("\0") != nuls:
            classname, name = clean(classname), clean(name)
            message, output, worker = clean(message), clean(output), clean(worker)
        if len(said) > OUTPUT_LIMIT:
            message, output = _cut(message), _cut(output)
        seconds, started = attempt.seconds, attempt.started
        if not isfinite(seconds + started):
            seconds, started = finite(seconds), finite(started)
        cases[case_id] = (case_id, place[1], place[2], classname, name)
        rows.append(
            (
                *(case_id, key, seconds, started, attempt.number, +attempt.reused, +attempt.repeat),
                *(status, worker, message, output),
            )
        )
    return list(cases.values()), rows


def _cut(text: str) -> str:
    if len(text) <= OUTPUT_LIMIT:
        return text
    half = OUTPUT_LIMIT // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
