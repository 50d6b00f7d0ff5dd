"""The JSON report that Jest invented and Vitest writes as well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from domain.cases import Attempt, CaseId, Status
from domain.errors import ReportError
from toolchain.command import Ran
from toolchain.reports import trusted
from toolchain.runners import RunRequest
from toolchain.runners._javascript import BETWEEN, MAX_NAME, WHOLE_FILE, Read, focused, pattern, plain, relative

STATUS = {
    "passed": Status.PASSED,
    "failed": Status.FAILED,
    "skipped": Status.SKIPPED,
    "todo": Status.SKIPPED,
}
"""The words for a case that mean the same to both."""

_STOPPED = "Error: STACK_TRACE_ERROR"
_MOST_ATTEMPTS = 1000


def options(request: RunRequest) -> list[str]:
    """The options for the shard, the workers and the selected names, which both take alike."""
    words: list[str] = []
    if request.shard:
        # There may be fewer files than shards. That no case ran in any of them is for the judge to see.
        words += [f"--shard={request.shard[0]}/{request.shard[1]}", "--passWithNoTests"]
    if request.suite.workers:
        words.append(f"--maxWorkers={request.suite.workers}")
    if name := pattern(request.selection):
        words.append(f"--testNamePattern={name}")
    return words


class Result(trusted.Report):
    """One case. `duration` is in ms, `startAt` in ms since the epoch; only Jest tells `invocations` and `failing`."""

    title: str
    ancestorTitles: tuple[str, ...] = ()  # noqa: N815
    status: str
    duration: float | None = None
    startAt: float | None = None  # noqa: N815
    failing: bool = False
    failureMessages: tuple[str | None, ...] = ()  # noqa: N815
    invocations: int = 1
    retryReasons: tuple[str | None, ...] = ()  # noqa: N815


class File(trusted.Report):
    """One file. It can have failed although no case of it did: it could not be loaded, or a last hook broke."""

    name: str
    status: str
    message: str = ""
    assertionResults: tuple[Result, ...] = ()  # noqa: N815


class Results(trusted.Report):
    """The whole. `numTotalTestSuites` counts files in Jest and groups of cases in Vitest."""

    success: bool
    numTotalTests: int  # noqa: N815
    numTotalTestSuites: int  # noqa: N815
    wasInterrupted: bool = False  # noqa: N815
    testResults: tuple[File, ...]  # noqa: N815


def read(tool: str, statuses: Mapping[str, Status], ran: Ran, request: RunRequest) -> tuple[Read, Results | None]:
    """What the report holds, None beside it where it cannot be read. `statuses` are the tool's words for a case."""
    try:
        results = trusted.read(Results, ran, ran.report, tool)
    except ReportError as error:
        return Read(complete=False, problems=(error.message,)), None
    attempts: list[Attempt] = []
    hidden: Counter[str] = Counter()
    seen: Counter[CaseId] = Counter()
    for file in results.testResults:
        name = relative(file.name, request.root)
        found: list[Attempt] = []
        for result in file.assertionResults:
            found += _attempts(result, statuses, _identity(request.suite.name, name, result, seen))
        hidden[name] += sum(attempt.status is Status.SKIPPED for attempt in found)
        if file.status == "failed" and not any(attempt.status.bad for attempt in found):
            case = CaseId(suite=request.suite.name, file=name, name=WHOLE_FILE)
            message = plain(file.message) or "the file failed, and no case of it"
            found.append(Attempt(case=case, status=Status.ERROR, message=_headline(message), output=message))
        attempts += found
    notes = [f"{name}: an .only hides cases" for name in focused(request.root, (n for n, k in hidden.items() if k))]
    return Read(attempts=tuple(attempts), problems=tuple(_doubts(tool, results, attempts)), notes=tuple(notes)), results


def _identity(suite: str, file: str, result: Result, seen: Counter[CaseId]) -> CaseId:
    around = BETWEEN.join(result.ancestorTitles)[:MAX_NAME]
    case = CaseId(suite=suite, file=file, classname=around, name=result.title[:MAX_NAME] or "(empty)")
    seen[case] += 1
    return case if seen[case] == 1 else case.model_copy(update={"name": f"{case.name} (#{seen[case]})"})


def _attempts(result: Result, statuses: Mapping[str, Status], case: CaseId) -> Iterator[Attempt]:
    """The last attempt and, before it, those that failed: Jest counts them, Vitest leaves their messages."""
    status = statuses.get(result.status, Status.ERROR)
    unknown = "" if result.status in statuses else f"the status {plain(result.status, 50)!r} is not known"
    if status is Status.PASSED and result.failing:
        status = Status.XFAILED
    messages = [_timed(plain(message or ""), result) for message in result.failureMessages]
    earlier = [plain(message or "") for message in result.retryReasons]
    if status is Status.PASSED and not earlier:
        earlier = messages
    count = max(1, len(earlier) + 1, min(result.invocations, _MOST_ATTEMPTS))
    for number in range(1, count):
        text = earlier[number - 1] if number <= len(earlier) else "failed, and was tried again"
        yield Attempt(case=case, status=Status.FAILED, message=_headline(text), output=text, number=number)
    told = "\n".join(messages) if status.bad else ""
    if status is Status.CRASHED:
        told = told or "it began, or was about to, and did not end"
    yield Attempt(
        case=case,
        status=status,
        seconds=max(0.0, (result.duration or 0.0) / 1000),
        message=unknown or _headline(told),
        output=told,
        number=count,
        started=max(0.0, (result.startAt or 0.0) / 1000),
    )


def _timed(text: str, result: Result) -> str:
    """Vitest's report says of a case at its limit only where the case is; that it was stopped, it only prints."""
    if not text.startswith(_STOPPED):
        return text
    return f"Error: timed out after {result.duration or 0.0:.0f} ms{text.removeprefix(_STOPPED)}"


def _headline(text: str) -> str:
    """The line that says what is wrong: Jest puts a heading of its own above it."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("●")]
    return lines[0][:1000] if lines else text[:1000]


def _doubts(tool: str, results: Results, attempts: list[Attempt]) -> Iterator[str]:
    held = sum(len(file.assertionResults) for file in results.testResults)
    if results.numTotalTests != held:
        yield f"the report claims {results.numTotalTests} cases and holds {held}"
    if results.wasInterrupted:
        yield f"{tool} was interrupted"
    if not results.success and not any(attempt.status.bad for attempt in attempts):
        yield f"{tool} says that the run failed, and no case did"
