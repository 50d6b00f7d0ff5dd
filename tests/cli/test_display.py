"""What a person sees while a run goes and when it is over, on narrow and wide terminals."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from cli.display import Picture, Plain, summary
from domain.policy import Decision
from domain.progress import Phase, Progress
from domain.report import Report, Stage
from domain.verdict import Outcome, Verdict

LONG = "p95 812 ms > 500 ms over 14 min; " * 20
EVENTS = [
    Progress(stage="source", phase=Phase.FINISHED, text="21 files"),
    Progress(stage="scan.detect_secrets", phase=Phase.FINISHED, outcome=Outcome.FAIL, text=LONG + "\nmore", seconds=4),
    Progress(stage="deploy", phase=Phase.WORKING, text="shift 20 %", done=3, total=8),
]


def report() -> Report:
    verdict = Verdict(gate="verify", outcome=Outcome.FAIL, reasons=(LONG, "größer\nals"))
    stages = (Stage(name="scan.detect_secrets", verdict=verdict, seconds=4), Stage(name="verify", verdict=verdict))
    return Report(
        run="1", kind="release", project="shop", outcome=Outcome.FAIL, decision=Decision(outcome=Outcome.FAIL),
        stages=stages, skipped=("deploy",),
    )  # fmt: skip


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_live_picture_has_a_line_a_stage_that_fits(width: int) -> None:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=None)
    picture = Picture(console)
    for event in EVENTS:
        picture(event)
    console.print(picture.table())
    lines = out.getvalue().rstrip("\n").split("\n")
    assert len(lines) == len(EVENTS) and all(len(line) <= width for line in lines)


@pytest.mark.parametrize("width", [80, 120])
def test_the_summary_fits_and_breaks_no_name(width: int) -> None:
    out = io.StringIO()
    summary(report(), Console(file=out, width=width))
    lines = out.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    assert any(line.startswith("scan.detect_secrets  FAIL") for line in lines)


def test_plain_lines_say_what_a_step_without_a_verdict_came_to() -> None:
    out = io.StringIO()
    plain = Plain(out)
    for event in EVENTS:
        plain(event)
    assert "source: 21 files" in out.getvalue() and "None" not in out.getvalue()
