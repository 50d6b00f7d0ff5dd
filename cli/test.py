"""`tes test`: runs a project's tests here and now, with the project's own interpreter, and no server.

A revision that is not checked out (`--ref`) goes through the flow `execution`, which takes a snapshot of it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from cli.testing.debugger import OPTIONS, asked, debug
from cli.testing.place import chosen, located
from cli.testing.run import Result, Session
from cli.testing.wish import Wish, wanted
from domain.errors import EXIT_INCONCLUSIVE, SpecError
from tasks import last_run
from tasks.project_python import Chosen, choose, has, surroundings
from tasks.resolved import Resolved, fitted, resolved
from tasks.suite_run import COUNTS

if TYPE_CHECKING:
    from cli.testing.screen import Display
    from tasks.impact import Selection
    from tasks.resident import Warm

EXIT_INTERRUPTED = 130


def test(given: argparse.Namespace) -> int:
    """Runs the tests and returns the exit code of their verdict. TesError for what cannot be used or broke."""
    if given.ref is not None:
        return _through_the_flow(given)
    place = located(given.project)
    words, named = chosen(given.runner, place.project)
    wish = Wish(
        given.suite,
        given.workers,
        given.retries,
        tuple(words),
        (*place.selection, *named),
        changed=given.changed or given.base is not None,
        base=given.base,
        everything=given.all,
    )
    if set(OPTIONS) & set(words):
        found, python = _found(place.project)
        suites = wanted(found, wish)
        if asked(suites):
            return debug(suites, python, place.project, terminal=sys.stdin.isatty() and not (given.json or given.watch))
    if given.watch:
        from cli.testing.watch import watch

        if given.json:
            raise SpecError("--watch and --json do not go together", fix="leave one of them out")
        from tasks.resident import Warm

        warm = Warm()
        try:
            last = watch(place.project, wish, lambda wish: _go(place.project, wish, given, warm))
        finally:
            warm.stop()
        return EXIT_INCONCLUSIVE if last is None else _code(last)
    return _code(_go(place.project, wish, given))


def _go(project: str, wish: Wish, given: argparse.Namespace, warm: Warm | None = None) -> Result:
    """One run, shown and remembered."""
    found, python = _found(project)
    stream = sys.stderr if given.json else sys.stdout
    result = Session(found, python, wish, lambda: _display(stream), warm).go()
    try:
        _tell(result, given)
    finally:  # also when nobody reads it any more: `tes test | head`
        _remember(result)
    _report(result, given)
    return result


def _found(project: str) -> tuple[Resolved, Chosen]:
    """What is to be tested, and by which interpreter."""
    found = resolved(project)
    python = choose(project, found.python)
    return fitted(found, lambda: has(python, "pytest", surroundings(python))), python


def _code(result: Result) -> int:
    return EXIT_INTERRUPTED if result.stopped else result.outcome.exit_code


test.__test__ = False  # type: ignore[attr-defined]  # pytest would collect it


def _display(stream: TextIO) -> Display:
    from cli.testing.screen import display

    return display(stream)


def _tell(result: Result, given: argparse.Namespace) -> None:
    from cli.testing.screen import display
    from cli.testing.summary import as_json, lines

    if result.stopped:
        done = sum(tested.numbers[name] for tested in result.suites for name in COUNTS[:7])
        print(f"tes: stopped; {done} finished results are kept in {result.entry.folder}", file=sys.stderr)
        return
    if given.json:
        json.dump(as_json(result, cases=given.cases), sys.stdout, indent=2)
        print(flush=True)
        return
    out = display(sys.stdout)
    for text, colour in lines(result):
        out.say(text, colour)


def _remember(result: Result) -> None:
    """After the person has seen it: for the next run, and for the records."""
    from cli.testing.progress import told
    from tasks.absorb import in_background, wanted

    bad: dict[str, list[str]] = {}
    recorded = []
    for tested in result.suites:
        if tested.report is not None:
            from tasks.suite_result import bad as found

            bad[tested.suite["name"]] = [str(attempt.case) for attempt in found(tested.report)]
            if tested.planned is not None:
                recorded.append((tested.out, tested.planned))
    numbers = {name: sum(tested.numbers[name] for tested in result.suites) for name in COUNTS}
    last_run.write(result.entry.root, result.entry.state, told(numbers), bad, result.entry.folder)
    if wanted():
        result.entry.say()
    else:
        result.entry.forget()
    _take_in(recorded)
    in_background()


def _take_in(recorded: Sequence[tuple[str, Selection]]) -> None:
    """What the cases were seen to do."""
    from pathlib import Path

    from tasks.impact import absorb

    for out, planned in recorded:
        absorb(Path(out), planned)


def _report(result: Result, given: argparse.Namespace) -> None:
    from cli.testing import reports

    if result.stopped or not reports.needed(given.html, given.junit):
        return
    for file in reports.write(result, given.html, given.junit):
        print(f"wrote     {file}", file=sys.stderr if given.json else sys.stdout)


def _through_the_flow(given: argparse.Namespace) -> int:
    for name in ("workers", "suite", "retries", "changed", "base", "watch", "runner"):
        if getattr(given, name):
            raise SpecError(
                f"--ref and {name} do not go together", fix="check the revision out, or leave one of them out"
            )
    from cli.run_flow import run

    parameters = {"project": given.project, "ref": given.ref, "start_at": "tests" if given.all else None}
    return run("execution", parameters, as_json=given.json)
