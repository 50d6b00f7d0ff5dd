"""The reports of a suite's shards as one. It is complete only when each shard spoke, once, about its own cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from domain.cases import CaseId, SuiteReport
from domain.plan import Plan, Shard

NAMED = 3


def merged(plan: Plan, reports: Mapping[int, SuiteReport], told: Sequence[str] = ()) -> SuiteReport:
    """One report of all shards; `reports` by shard number, `told` what is to be known of how they came.

    A shard that is missing, that ran another one's cases, or a case that ran in two shards, is a problem: what was read
    is kept, and cannot be PASS. The time is that of the longest shard. Linear in the number of cases.
    """
    total = len(plan.shards)
    there = [(shard, reports[shard.number]) for shard in plan.shards if shard.number in reports]
    missing = [shard.number for shard in plan.shards if shard.number not in reports]
    problems = [f"shard {number} of {total} gave no result" for number in missing]
    problems += _foreign(plan, there)
    problems += _doubled(there)
    for shard, report in there:
        where = f"shard {shard.number} of {total}: " if total > 1 else ""
        problems += [f"{where}{problem}" for problem in report.problems]
    return SuiteReport(
        suite=plan.suite,
        attempts=tuple(attempt for _, report in there for attempt in report.attempts),
        complete=not missing and all(report.complete for _, report in there),
        problems=tuple(problems),
        notes=(*dict.fromkeys(note for _, report in there for note in report.notes), *told),
        seconds=max((report.seconds for _, report in there), default=0.0),
        workers=sum(report.workers for _, report in there) or 1,
        deselected=sum(report.deselected for _, report in there),
        unlisted=dict(sum((Counter(report.unlisted) for _, report in there), Counter())),
    )


def _foreign(plan: Plan, there: Sequence[tuple[Shard, SuiteReport]]) -> Iterator[str]:
    """Cases that a shard was not told to run. Which ones the first shard finds is its own business, but for those that
    are another's."""
    for shard, report in there:
        named = shard.selection or shard.leave
        if not named:
            continue
        files = {name for name in named if "::" not in name}
        nodes = {name for name in named if "::" in name}
        divided = {name.partition("::")[0] for name in nodes}
        strange = []
        for case in {attempt.case: None for attempt in report.attempts if attempt.case.file}:
            mine = case.file in files or (case.file in divided and _named(case, nodes))
            if mine is not bool(shard.selection):
                strange.append(case)
        if strange:
            first = ", ".join(map(str, strange[:NAMED]))
            yield (
                f"shard {shard.number} of {len(plan.shards)} reports {len(strange)} cases "
                f"that are not its own, the first: {first}"
            )


def _named(case: CaseId, nodes: set[str]) -> bool:
    top = case.classname.partition("::")[0] or case.name.partition("[")[0]
    return f"{case.file}::{top}" in nodes or str(case) in nodes


def _doubled(there: Sequence[tuple[Shard, SuiteReport]]) -> Iterator[str]:
    """Cases that two shards report. Looked for only in files that two shards name."""
    files = Counter(file for _, report in there for file in {attempt.case.file for attempt in report.attempts})
    shared = {file for file, count in files.items() if count > 1}
    if not shared:
        return
    seen: Counter[CaseId] = Counter()
    for _, report in there:
        seen.update({attempt.case for attempt in report.attempts if attempt.case.file in shared})
    doubled = [case for case, count in seen.items() if count > 1]
    if doubled:
        yield f"{len(doubled)} cases ran in more than one shard, the first: {doubled[0]}"
