"""Recording attempts at test cases, as many at once as there are.

Attempts come by the hundred thousand, so that this is the one table whose rows are made as plain tuples and handed to
the driver: SQLite takes them by `executemany`, PostgreSQL by COPY (`records.bulk`). A stream is taken in portions, so
that it need not fit into memory, and is one transaction all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from math import isfinite

from domain.cases import Attempt, Status
from domain.errors import Rejected
from records.bulk import Portion, store
from records.session import reading, writing
from records.tables import RunRow
from records.tables.attempt import attempt_key
from records.tables.case import digest, member_key
from records.tables.columns import clean, finite

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
    if run is None:
        raise Rejected(f"attempts of run {run_id} cannot be recorded: there is no such run", fix="open_run first")
    portions = _portions(run.project, run_id, stage, chain(first, coming))
    ready = next(portions)  # made before anything is locked; most runs have no second one
    with writing() as session:
        store(session, run.project, run_id, stage, chain((ready,), portions))


def _portions(project: str, run_id: str, stage: str, attempts: Iterator[Attempt]) -> Iterator[Portion]:
    places: dict[tuple[str, str], str] = {}
    while given := list(islice(attempts, PORTION)):
        yield _portion(project, run_id, stage, given, places)


def _portion(
    project: str, run_id: str, stage: str, given: list[Attempt], places: dict[tuple[str, str], str]
) -> Portion:
    cases = {}
    rows = []
    for attempt in given:
        case = attempt.case
        suite, file, classname, name = case.suite, case.file, case.classname, case.name
        place = places.get((suite, file))
        if place is None:
            place = places[suite, file] = digest(project, suite, file)
        case_id = member_key(place, classname, name)
        key = attempt_key(run_id, stage, case_id, attempt)
        message, output, worker = attempt.message, attempt.output, attempt.worker
        texts = f"{file}{classname}{name}{message}{output}{worker}{suite}"
        if not texts.isascii() or "\0" in texts:
            suite, file, classname, name = clean(suite), clean(file), clean(classname), clean(name)
            message, output, worker = clean(message), clean(output), clean(worker)
        if len(texts) > OUTPUT_LIMIT:
            message, output = _cut(message), _cut(output)
        seconds, started = attempt.seconds, attempt.started
        if not isfinite(seconds + started):
            seconds, started = finite(seconds), finite(started)
        cases[case_id] = (case_id, suite, file, classname, name)
        rows.append(
            (
                *(key, case_id, attempt.number, _STATUS[attempt.status], seconds),
                *(message, output, started, worker, attempt.reused, attempt.repeat),
            )
        )
    return list(cases.values()), rows


def _cut(text: str) -> str:
    if len(text) <= OUTPUT_LIMIT:
        return text
    half = OUTPUT_LIMIT // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
