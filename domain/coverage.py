"""Whether enough of a project is executed by its tests: of all of it, and of what was changed. Numbers in, verdict out.

The share is coverage.py's: executed lines and branches by all lines and branches. Of a change only its lines count, as
they are what a reviewer sees. A share is cut, never rounded: 84.96 % is not 85 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pydantic import Field

from domain.spec import Coverage
from domain.verdict import Outcome, Value, Verdict

NAMED = 3


class FileCoverage(Value):
    """One file: the lines that can be executed, which of them were, and its branches."""

    path: str
    executed: frozenset[int] = frozenset()
    missing: frozenset[int] = frozenset()
    branches: int = 0
    branches_taken: int = 0


class Measured(Value):
    """Everything that was measured. `problems` are reasons not to believe that this is all."""

    files: tuple[FileCoverage, ...] = ()
    problems: tuple[str, ...] = ()


class Change(Value):
    """Changed lines by file, against `base`. `problem` says why they are not known."""

    base: str = ""
    lines: dict[str, frozenset[int]] = Field(default_factory=dict)
    problem: str = ""


def judge(suite: str, wanted: Coverage, measured: Measured, change: Change | None = None) -> Verdict:
    """FAIL when a share is below its limit, INCONCLUSIVE when it could not be measured, else PASS."""
    gate = f"coverage.{suite}"
    executed = sum(len(file.executed) for file in measured.files)
    lines = executed + sum(len(file.missing) for file in measured.files)
    branches = sum(file.branches for file in measured.files)
    taken = sum(file.branches_taken for file in measured.files)
    problems = list(measured.problems)
    if not lines and not problems:
        problems.append("no line of the project was measured")
    if problems:
        return Verdict(gate=gate, outcome=Outcome.INCONCLUSIVE, reasons=tuple(problems))
    share = (executed + taken) / (lines + branches)
    metrics = {"coverage": share, "lines": float(lines), "lines_executed": float(executed)}
    metrics |= {"branches": float(branches), "branches_taken": float(taken), "files": float(len(measured.files))}
    told = f"{executed:,} of {lines:,} lines" + (f", {taken:,} of {branches:,} branches" if branches else "")
    outcome, reason = _held("coverage", share, wanted.fail_under, f"{told}; {len(measured.files)} files")
    reasons = [reason]
    if wanted.changed_fail_under is not None:
        changed, more, numbers = _of_change(
            wanted.changed_fail_under, measured, change or Change(problem="not looked at")
        )
        outcome = max(outcome, changed, key=(Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.FAIL).index)
        reasons += more
        metrics |= numbers
    return Verdict(gate=gate, outcome=outcome, reasons=tuple(reasons), metrics=metrics)


def _held(what: str, share: float, limit: float | None, told: str) -> tuple[Outcome, str]:
    if limit is not None and share * 100 < limit:
        return Outcome.FAIL, f"{what} {_percent(share)} < {limit:g} % ({told})"
    return Outcome.PASS, f"{what} {_percent(share)}" + (f" >= {limit:g} %" if limit is not None else "") + f" ({told})"


def _percent(share: float) -> str:
    return f"{math.floor(share * 1000 + 1e-9) / 10:.1f} %"


def _of_change(limit: float, measured: Measured, change: Change) -> tuple[Outcome, list[str], dict[str, float]]:
    if change.problem:
        return Outcome.INCONCLUSIVE, [f"coverage of the change is not known: {change.problem}"], {}
    shares: list[tuple[float, int, int, str]] = []
    for file in measured.files:
        touched = change.lines.get(file.path, frozenset())
        hit, all_ = len(file.executed & touched), len((file.executed | file.missing) & touched)
        if all_:
            shares.append((hit / all_, hit, all_, file.path))
    hit, total = sum(one[1] for one in shares), sum(one[2] for one in shares)
    numbers = {"changed_lines": float(total), "changed_lines_executed": float(hit)}
    if not total:
        return Outcome.PASS, [f"no line that can be executed was changed since {change.base}"], numbers
    share = hit / total
    told = f"{hit:,} of {total:,} changed lines since {change.base}; {len(shares)} files"
    outcome, reason = _held("coverage of the change", share, limit, told)
    return outcome, [reason, *_least(shares)], {**numbers, "changed_coverage": share}


def _least(shares: Sequence[tuple[float, int, int, str]]) -> list[str]:
    """The changed files of which least is executed, the one with most lines missing first."""
    short = sorted((one for one in shares if one[1] < one[2]), key=lambda one: (one[1] - one[2], one[3]))[:NAMED]
    return [f"least covered: {', '.join(f'{path} {hit} of {all_}' for _, hit, all_, path in short)}"] if short else []


def missing_lines(measured: Measured, change: Mapping[str, frozenset[int]]) -> dict[str, list[int]]:
    """Changed lines that no test executes, by file: what a reviewer wants to see."""
    found = {file.path: sorted(file.missing & change.get(file.path, frozenset())) for file in measured.files}
    return {path: lines for path, lines in found.items() if lines}
