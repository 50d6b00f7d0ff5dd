"""Recording attempts at test cases, as many at once as there are.

Attempts come by the hundred thousand, so that this is the one table whose rows are made as plain tuples and handed to
the driver: SQLite takes them by `executemany`, PostgreSQL by COPY (`records.bulk`). A stream is taken in portions, so
that it need not fit into memory, and is one transaction all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from math import isfinite
from operator import itemgetter

from sqlmodel import Session, select

from domain.cases import Attempt, Status
from domain.errors import Rejected
from records.bulk import store
from records.bulk.portion import Portion
from records.session import reading, writing
from records.tables import ExecutionRow, RunRow
from records.tables.attempt import FIELDS, attempt_keys
from records.tables.case import FILE_DIGITS, case_keys
from records.tables.columns import cleaned, finite
from records.upsert import upsert

PORTION = 5000
OUTPUT_LIMIT = 64 * 1024
"""Characters of an attempt's output that are kept: half from its beginning, half from its end."""

_fields = itemgetter(*FIELDS)
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
    """Written for speed: a tenth of a microsecond an attempt is a percent of what recording takes. Hence an attempt's
    fields by one C call, and what is nearly always needless looked at once a column."""
    while given := [_fields(vars(attempt)) for attempt in islice(attempts, PORTION)]:
        case, status, seconds, message, output, number, started, worker, reused, repeat = zip(*given, strict=True)
        ids = case_keys(project, case)
        keys = attempt_keys(run_id, stage, ids, given)
        yield Portion(
            files=sorted({key[:FILE_DIGITS] for key in ids}),
            cases=case,
            ids=ids,
            said=(
                *(keys, _finite(seconds), _finite(started), number, reused, repeat),
                *([_STATUS[one] for one in status], cleaned(worker), _short(cleaned(message)), _short(cleaned(output))),
            ),
        )


def _finite(numbers: Sequence[float]) -> Sequence[float]:
    return numbers if isfinite(sum(numbers)) else [finite(number) for number in numbers]


def _short(texts: Sequence[str]) -> Sequence[str]:
    return texts if max(map(len, texts)) <= OUTPUT_LIMIT else [_cut(text) for text in texts]


def _cut(text: str) -> str:
    if len(text) <= OUTPUT_LIMIT:
        return text
    half = OUTPUT_LIMIT // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
