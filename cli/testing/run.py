"""One go of `tes test`: the suites one after another, shown while they run, and what they came to.

The first lines are what a person waits for: nothing slow is imported before the engine has started.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from cli.testing.kept import Kept
from cli.testing.wish import Wish, wanted
from domain.errors import MissingTool
from domain.outcome import Outcome, worst
from tasks import case_times, spool
from tasks.project_python import Chosen, surroundings
from tasks.resolved import Resolved
from tasks.suite_run import Ended, Job, run
from tes_engine.journal import Event

if TYPE_CHECKING:
    from cli.testing.progress import Progress
    from cli.testing.screen import Display
    from domain.cases import SetAside, SuiteReport
    from tasks.ahead import Ahead
    from tasks.resident import Warm
    from tasks.impact import Selection


class Tested(NamedTuple):
    """A suite that was run, or quoted. `report` is None when all of it was quoted; `numbers` are the counts.

    `progress` is what was seen of it while it ran; `planned` is what was to run, where a change was asked about.
    `aside` is what the quarantine means for it.
    """

    suite: Mapping[str, Any]
    outcome: Outcome
    reasons: list[str]
    numbers: Mapping[str, int]
    verdict: Mapping[str, Any]
    report: SuiteReport | None = None
    progress: Progress | None = None
    planned: Selection | None = None
    out: str = ""
    aside: SetAside | None = None


class Result(NamedTuple):
    """All of it. `stopped` is the signal that ended it early. `seconds` is what the person waited."""

    entry: spool.Entry
    python: Chosen
    suites: list[Tested]
    outcome: Outcome
    reasons: list[str]
    seconds: float
    stopped: int | None = None


class Session:
    """Runs suites of one project and shows them on a display."""

    kept: Kept

    def __init__(
        self,
        found: Resolved,
        python: Chosen,
        wish: Wish,
        open_display: Callable[[], Display],
        warm: Warm | None = None,
    ) -> None:
        self.warm = warm
        self.found, self.python, self.wish = found, python, wish
        self.open_display = open_display
        self.display: Display | None = None
        self.entry = spool.new(found.name, found.project, python.path)
        self.began = time.monotonic()
        self.ahead: Ahead | None = None

    def go(self) -> Result:
        """All suites that are wanted, to their end or until a person stops them."""
        done: list[Tested] = []
        stopped = None
        try:
            suites = wanted(self.found, self.wish)
            around = surroundings(self.python)
            self.kept = Kept(self.entry, self.wish, suites, around, warm=self.warm is not None)
            for suite in suites:
                tested, stopped = self._suite(suite)
                done.append(tested)
                if stopped:
                    break
            if not stopped:
                self.kept.over()
        except BaseException:
            self.entry.forget()
            raise
        finally:
            self._dismiss()
            if self.display is not None:
                self.display.end()
        return self._result(done, stopped)

    def _suite(self, suite: Mapping[str, Any]) -> tuple[Tested, int | None]:
        name = suite["name"]
        from cli.testing import coverage

        planned = self._planned(suite)
        if planned is not None and planned.run == ():
            from cli.testing.unchanged import quoted

            self._dismiss()
            self.shown()
            return quoted(suite, planned), None
        history = case_times.path(self.found.project, name)
        job = Job(
            suite,
            self.found.project,
            os.path.join(self.entry.folder, name),
            self.python.path,
            self._environment(suite),
            () if planned is None else planned.run or (),
            history if os.path.exists(history) else None,
            planned is not None,
        )
        watch = _Watch(self, suite, planned)
        measures = suite["coverage"] is not None and suite["framework"] == "pytest"
        if measures and watch.whole:
            job = job._replace(coverage=coverage.prepare(suite, job.root, job.out))
        report, stopped = self._ran(job, watch)
        from tasks.suite_result import compared, counts, judged, with_reused

        known = set(watch.known)
        watch.learn(report)
        if not stopped:
            report = self._repeated(job, report, known)
        if planned is not None and planned.run is not None:
            report = with_reused(report, planned.attempts(name))
        verdict, aside = judged(report, self.found.name, self.found.quarantine)
        verdict = compared(verdict, planned, report)
        outcome, reasons = verdict.outcome, list(verdict.reasons)
        if not report.attempts and not (stopped or self.wish.selection):
            from cli.testing.nothing import found_none, looked

            if found_none(suite, report):
                reasons.append(looked(self.found, suite, self.wish))
        if job.coverage is not None and not stopped:
            said = coverage.verdict(suite, job.root, job.out, whole=report.complete)
            outcome, reasons = worst([outcome, said.outcome]), [*reasons, *said.reasons]
        elif measures:
            report = report.model_copy(update={"notes": (*report.notes, coverage.UNKNOWN)})
        tested = Tested(
            suite,
            outcome,
            reasons,
            counts([report]),
            verdict.model_dump(mode="json"),
            report,
            watch.progress,
            planned,
            job.out,
            aside,
        )
        return tested, stopped

    def _ran(self, job: Job, watch: _Watch) -> tuple[SuiteReport, int | None]:
        """All rounds of a suite, and the signal that stopped it; those of the run that was broken off, if it ended
        there."""
        suite, name = job.suite, job.suite["name"]
        if before := self.kept.rounds(name):
            watch.prepare()
            from tasks.suite_result import reported

            self.entry.suites[name] = before
            self.kept.ended(name, before)
            report = reported(before, self.entry)
            assert report is not None
            return report, None
        self.entry.suites[name] = []
        self.entry.say()
        self.kept.take_over(job)
        ended = self._round(job, watch)
        from cli.testing import coverage
        from tasks.suite_result import again, bad, heard, with_round

        report = heard(ended, self.entry)
        runner = runner_of(suite)
        if suite["framework"] == "pytest" and not report.attempts and ended.code == runner.NO_PYTEST:
            raise self._missing("pytest")
        if job.coverage is not None and not report.attempts and coverage.missing(job.out):
            raise self._missing("coverage")
        # Our own engine repeats by itself, while the other cases run.
        rounds = 0 if getattr(runner, "RETRIES", False) else int(suite["retries"])
        for number in range(2, rounds + 2):
            if ended.stopped or not report.complete or not bad(report):
                break
            ended = self._round(again(job, report, number), watch)
            report = with_round(report, heard(ended, self.entry))
        if not ended.stopped:
            self.kept.ended(name, self.entry.suites[name])
        return report, ended.stopped

    def _repeated(self, job: Job, report: SuiteReport, known: set[str]) -> SuiteReport:
        """With the repetitions of new and changed cases, where tes.yaml asks for them; not while somebody watches."""
        rule = self.found.repeat
        repeats = getattr(runner_of(job.suite), "REPEATS", False) and self.warm is None
        if not (rule.get("most") and repeats and report.complete):
            return report
        from tasks.repeat_here import repetition
        from tasks.suite_result import heard, with_repeats

        more, note = repetition(job, rule, report, known)
        if more is not None:
            self.shown().say(f"repeats   {note}", "dim")
            ended = self._round(more, None)
            report = with_repeats(report, heard(ended, self.entry))
            note += ", and stopped there" if ended.stopped else ""
        return report.model_copy(update={"notes": (*report.notes, *([note] if note else []))})

    def _planned(self, suite: Mapping[str, Any]) -> Selection | None:
        """What a change can affect; None where that was not asked for, or only pytest's own cases could tell."""
        if suite["framework"] != "pytest" or not (self.wish.changed or self._remembers_all()):
            return None
        if self.warm is None and suite["coverage"] is None:
            from tasks.ahead import Ahead

            out = os.path.join(self.entry.folder, suite["name"])
            self.ahead = Ahead(self.python.path, self.found.project, self._environment(suite), out)
        from pathlib import Path

        from tasks.impact import conditions, looks_at, plan, store_path, whole

        root = Path(self.found.project)
        store = store_path(root, suite["name"], [*suite["args"], *suite["paths"]])
        own = suite["environment"]
        under = conditions(Path(self.python.path), own, self._environment(suite))
        planned = plan(root, store, under, base=self.wish.base, paths=looks_at(suite["args"], suite["paths"]))
        return whole(planned) if self.wish.everything else planned

    def _remembers_all(self) -> bool:
        """`--all` of whole suites is a look at what a selection would have missed, too."""
        return self.wish.everything and not (self.wish.selection or self.wish.words or self.warm)

    def _environment(self, suite: Mapping[str, Any]) -> dict[str, str]:
        return {**surroundings(self.python), **suite["environment"]}

    def _round(self, job: Job, watch: _Watch | None) -> Ended:
        if watch is None:
            ended = run(job, lambda _: None)
        else:
            ended = run(job, watch.tell, watch.prepare, warm=self.warm, ahead=self.ahead)
            self._dismiss()
        self.entry.suites[job.suite["name"]].append(ended)
        return ended

    def _dismiss(self) -> None:
        """The engine that was started in advance is not needed, unless it is at work already."""
        ahead, self.ahead = self.ahead, None
        if ahead is not None:
            ahead.dismiss()

    def shown(self) -> Display:
        """The display, made when it is first needed: after the engine has started."""
        if self.display is None:
            self.display = self.open_display()
            if self.kept.line:
                self.display.say(self.kept.line, "dim")
            for remark in self.found.remarks:
                self.display.say(remark, "dim")
            self.display.say(f"python    {self.python.path}, {self.python.why}", "dim")
        return self.display

    def _missing(self, what: str) -> MissingTool:
        return MissingTool(
            f"{what} is not installed in {self.python.path} ({self.python.why})",
            fix=f"{self.python.path} -m pip install {what}; or activate another environment, or set tests.python",
        )

    def _result(self, done: list[Tested], stopped: int | None) -> Result:
        several = len(done) > 1
        reasons = [f"{one.suite['name']}: {reason}" if several else reason for one in done for reason in one.reasons]
        outcome = worst(one.outcome for one in done)
        if not done:
            reasons = [_nothing(self.found)]
        if stopped:
            outcome, reasons = worst([outcome, Outcome.INCONCLUSIVE]), ["it was stopped", *reasons]
        entry = self.entry._replace(
            ended=time.time(),
            state=spool.INTERRUPTED if stopped else spool.DONE,
            outcome=str(outcome),
            reasons=reasons,
            verdicts={one.suite["name"]: one.verdict for one in done} if not stopped else {},
        )
        return Result(entry, self.python, done, outcome, reasons, time.monotonic() - self.began, stopped)


class _Watch:
    """What is told while one suite runs."""

    progress: Progress

    def __init__(self, session: Session, suite: Mapping[str, Any], planned: Selection | None) -> None:
        self.session, self.suite, self.planned = session, suite, planned
        self.whole = not (session.wish.selection or session.wish.words) and (planned is None or planned.run is None)
        self.known: dict[str, float] = {}

    def prepare(self) -> None:
        """The engine is starting, and a processor is idle: time for what is slow."""
        if hasattr(self, "progress"):
            return
        from cli.testing.progress import Progress

        display = self.session.shown()
        self.session.kept.begun()
        if self.planned is not None:
            for line in _selection(self.planned):
                display.say(line, "dim")
        self.known = case_times.read(self.session.found.project, self.suite["name"])
        self.progress = Progress(self.known, whole=self.whole)
        display.show(self.progress, self.suite["name"])
        _load(self.suite)

    def tell(self, events: list[Event]) -> None:
        display = self.session.shown()
        for failure in self.progress.feed(events):
            display.failed(failure)
        display.show(self.progress, self.suite["name"])

    def learn(self, report: SuiteReport) -> None:
        """Remembers the cases' times for the next run."""
        project, name = self.session.found.project, self.suite["name"]
        case_times.learn(project, name, self.known, self.progress.seconds, whole=report.complete and self.whole)


def _load(suite: Mapping[str, Any]) -> None:
    """What judges a result. Nothing plugs into pydantic here, and looking for what could is a fifth of its start."""
    name = "PYDANTIC_DISABLE_PLUGINS"
    before = os.environ.get(name)
    os.environ[name] = before or "__all__"
    try:
        import tasks.suite_result  # noqa: F401

        runner_of(suite)
    finally:
        # The tests of the next round, and what they depend on, must not see it.
        if before is None:
            del os.environ[name]


def runner_of(suite: Mapping[str, Any]) -> Any:
    """The suite's runner module."""
    from toolchain.registry import module

    return module("toolchain.runners", suite["framework"])


def _selection(planned: Selection) -> list[str]:
    """What runs, and why."""
    if planned.run is None:
        return [f"changed   everything runs: {planned.everything}"]
    told = ", ".join(f"{count} {word}" for word, count in planned.reasons.items() if count)
    files = sum("::" not in name for name in planned.run)
    more = f"{', ' if told else ''}{files} whole files" if files else ""
    return [f"changed   runs {told}{more}; {len(planned.reused)} reused"]


def _nothing(found: Resolved) -> str:
    if found.suites is None:
        return "no test suite is named in tes.yaml and none was detected; add tests.suites, or test_*.py files"
    return "nothing was tested: tests.suites is []"
