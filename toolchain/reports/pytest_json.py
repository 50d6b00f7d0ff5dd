"""Reads the report of pytest-json-report: one JSON object with an exit code, a summary and each test's three phases.

Its own numbers must agree: the summary with the tests, what was collected with what was reported, the exit code with
the outcomes. https://github.com/numirias/pytest-json-report#format
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domain.cases import Attempt, CaseId, Status
from toolchain.reports.report import MAX_NAME, Kept, Names, Report, Summary, Text

MAX_BYTES = 64 << 20
"""Bytes. It has to be held in memory whole, several times over."""
_PHASES = ("setup", "call", "teardown")
_TEXTS = ("longrepr", "stdout", "stderr")


def read(path: Path, suite: str, *, max_bytes: int = MAX_BYTES, names: Names | None = None) -> Report:
    """The report at a path. What is wrong with it is told in `problems`, never raised."""
    kept, names, name = Kept(), names or Names(), path.name
    try:
        if path.stat().st_size > max_bytes:
            return _broken(f"the report {name} is larger than {max_bytes} bytes")
        content = path.read_bytes()
        if not content.strip():
            return _broken(f"the report {name} is empty")
        told = json.loads(content.decode("utf-8", "replace"))
    except FileNotFoundError:
        return _broken(f"there is no report {name}")
    except OSError as error:
        return _broken(f"the report {name} cannot be read: {error.strerror}")
    except (ValueError, RecursionError) as error:
        return _broken(f"the report {name} is cut off or damaged ({str(error)[:100]})")
    if not isinstance(told, dict) or not isinstance(told.get("summary"), dict) or "exitcode" not in told:
        return _broken(f"the report {name} is not that of pytest-json-report")
    attempts = [*_collectors(told, suite), *_tests(told, suite)]
    for attempt in attempts:
        kept.add(attempt.model_copy(update={"case": names.apart(attempt.case)}))
    problems = tuple(f"the report {name}: {problem}" for problem in _disagreements(told, attempts))
    bad = sum(attempt.status.bad for attempt in attempts)
    summary = Summary(fewest=len(attempts), most=len(attempts), bad=bad, problems=problems)
    return kept.report(summary)


def _broken(problem: str) -> Report:
    return Report(complete=False, problems=(problem,))


def _tests(told: dict[str, Any], suite: str) -> Iterator[Attempt]:
    for test in _list(told, "tests"):
        phases = [phase for name in _PHASES if isinstance(phase := test.get(name), dict)]
        text = Text()
        messages = []
        for phase in phases:
            for kind in _TEXTS:
                if isinstance(found := phase.get(kind), str) and found:
                    text.add(found.rstrip("\n") + "\n")
            crash = phase.get("crash")
            if isinstance(crash, dict) and phase.get("outcome") != "passed":
                messages.append(str(crash.get("message", "")))
        status = _status(str(test.get("outcome")))
        message = "\n".join(messages) or ("" if status is not Status.ERROR else f"outcome {test.get('outcome')}"[:80])
        yield Attempt(
            case=_case(str(test.get("nodeid", "")), suite),
            status=status,
            seconds=sum(_seconds(phase.get("duration")) for phase in phases),
            message=message[:MAX_NAME],
            output=str(text).strip("\n"),
        )


def _collectors(told: dict[str, Any], suite: str) -> Iterator[Attempt]:
    """A file that could not be collected is a case in error; one that was skipped, a skipped case."""
    for collector in _list(told, "collectors"):
        outcome = collector.get("outcome")
        if outcome in ("failed", "skipped", "error"):
            status = Status.SKIPPED if outcome == "skipped" else Status.ERROR
            text = str(collector.get("longrepr", ""))
            case = CaseId(suite=suite, file=str(collector.get("nodeid", "")), name="(collection)")
            yield Attempt(
                case=case, status=status, message=text.strip().rpartition("\n")[2][:300], output=text[-16_000:]
            )


def _list(told: dict[str, Any], key: str) -> Iterator[dict[str, Any]]:
    found = told.get(key)
    yield from (one for one in found if isinstance(one, dict)) if isinstance(found, list) else ()


def _status(word: str) -> Status:
    """An outcome that nobody knows is an error: it proves nothing good."""
    try:
        return Status(word)
    except ValueError:
        return Status.ERROR


def _case(node: str, suite: str) -> CaseId:
    plain, bracket, parameters = node.partition("[")
    file, *middle = plain.split("::")
    name = (middle.pop() if middle else "") + bracket + parameters
    return CaseId(suite=suite, file=file, classname="::".join(middle), name=name or file)


def _seconds(value: Any) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9
    return float(value) if good else 0.0


def _disagreements(told: dict[str, Any], attempts: list[Attempt]) -> Iterator[str]:
    summary, exit_code = told["summary"], told["exitcode"]
    tests = list(_list(told, "tests"))
    counted = Counter(str(test.get("outcome")) for test in tests)
    if summary.get("total", 0) != len(tests):
        yield f"it claims {summary.get('total')} tests and holds {len(tests)}"
    for word in (status.value for status in Status):
        if summary.get(word, 0) != counted[word]:
            yield f"it claims {summary.get(word)} {word} and holds {counted[word]}"
    collected, deselected = summary.get("collected"), summary.get("deselected", 0)
    if isinstance(collected, int) and isinstance(deselected, int) and collected - deselected != len(tests):
        yield f"{collected - deselected} cases were collected and {len(tests)} reported"
    bad = any(attempt.status.bad for attempt in attempts)
    if exit_code not in (0, 1) and not (bad and exit_code == 2):
        yield f"pytest ended with exit code {exit_code}"
    elif (exit_code == 0) == bad:
        yield f"pytest's exit code {exit_code} does not fit {'a' if bad else 'no'} failure in it"
