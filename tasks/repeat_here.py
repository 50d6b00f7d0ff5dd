"""New and changed cases of `tes test`, run again at once where `tests.repeat` asks for it.

What `tasks/repetition.py` is to the flows. What is new is known here from the remembered times, what changed from
checksums of the test files: no record is asked, and nothing is looked at before the tests have run.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from domain.cases import Status, SuiteReport, final
from domain.repetition import fresh, repetitions
from tasks.state_folder import home, project_key, read_json, write_json
from tasks.suite_run import Job

STARTING = 60.0
"""Seconds that the engine may take beside the cases themselves."""


def repetition(
    job: Job, rule: Mapping[str, Any], report: SuiteReport, known: Collection[str]
) -> tuple[Job | None, str]:
    """The job that repeats, and what is to be said: "" when there is nothing. `rule` is `domain.spec.Repeat` as JSON,
    `known` are the cases with a history."""
    last = {str(case): attempt for case, attempt in final(report.attempts).items()}
    before, now = _remembered(job), _sums(job.root, {attempt.case.file for attempt in last.values()})
    changed = {file for file, found in now.items() if file in before and before[file] != found}
    write_json(_path(job), {**before, **now})
    if not known:
        return None, ""
    ran = [name for name, attempt in last.items() if not attempt.reused and attempt.status is Status.PASSED]
    new = {name: last[name].seconds for name in fresh(ran, known, changed)}
    chosen = repetitions(new, len(last), float(rule["budget"]), most=int(rule["most"]))
    if not chosen.extra:
        return None, chosen.reason
    out = f"{job.out}-repeat"
    counts = os.path.join(out, "repeat.json")
    # The engine makes one attempt of what is selected in any case.
    write_json(counts, {name: times - 1 for name, times in chosen.extra.items()})
    suite = {**job.suite, "retries": 0, "coverage": None, "timeout": STARTING + 3 * float(rule["budget"])}
    more = job._replace(
        suite=suite, out=out, selection=tuple(chosen.extra), durations=None, impact=False, coverage=None, repeat=counts
    )
    attempts = f"{len(chosen.extra)} new or changed cases are repeated, {sum(chosen.extra.values())} attempts"
    return more, "; ".join([attempts, *([chosen.reason] if chosen.reason else [])])


def _remembered(job: Job) -> dict[str, int]:
    found = read_json(_path(job))
    return found if isinstance(found, dict) else {}


def _sums(root: str, files: Iterable[str]) -> dict[str, int]:
    found = {}
    for name in files:
        try:
            with open(os.path.join(root, name), "rb") as file:
                found[name] = zlib.crc32(file.read())
        except OSError:
            continue
    return found


def _path(job: Job) -> str:
    return os.path.join(home(), "history", project_key(job.root), f"{job.suite['name']}.files.json")
