"""Shows a run while it runs: a live table on a terminal, a line an event everywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from domain.progress import Phase, Progress
from domain.report import GroupReport, Report

REASONS = 200
STYLE = {"PASS": "green", "FAIL": "bold red", "INCONCLUSIVE": "yellow"}


class Plain:
    """A line for each beginning and each end; what happens in between only when it is new."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.last: dict[str, str] = {}

    def __call__(self, event: Progress | Report | GroupReport) -> None:
        if not isinstance(event, Progress):
            return
        if event.phase is Phase.STARTED:
            line = f"{event.name}: started"
        elif event.phase is Phase.FINISHED:
            how = "reused" if event.reused else f"{event.seconds:.1f} s"
            verdict = f"{event.outcome} ({how}) " if event.outcome else ""
            line = f"{event.name}: {verdict}{short([event.text])}"
        else:
            what = event.text.rstrip("0123456789")
            if event.stage == "verify" or self.last.get(event.name) == what:
                return
            self.last[event.name] = what
            line = f"{event.name}: {event.text}"
        print(f"{time.strftime('%H:%M:%S')} {line}", file=self.out, flush=True)

    def note(self, text: str) -> None:
        """Something about the system itself, not about a stage."""
        print(f"{time.strftime('%H:%M:%S')} {text}", file=self.out, flush=True)

    def remark(self, text: str) -> None:
        """As `note`; on a terminal it would stay."""
        self.note(text)


class Picture:
    """The live table: what runs now, for how long, and what each stage said."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.rows: dict[str, Progress] = {}
        self.began: dict[str, float] = {}
        self.spinner = Spinner("dots")
        self.text = ""
        self.live = Live(console=console, get_renderable=self.table, refresh_per_second=8, transient=True)

    def __call__(self, event: Progress | Report | GroupReport) -> None:
        if not isinstance(event, Progress):
            return
        self.began.setdefault(event.name, time.monotonic())
        self.rows[event.name] = event
        self.text = ""

    def note(self, text: str) -> None:
        self.text = text

    def remark(self, text: str) -> None:
        """Something that stays on the screen."""
        self.console.print(Text(text, "dim"))

    def table(self) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        for name, event in self.rows.items():
            if event.phase is Phase.FINISHED:
                outcome = str(event.outcome or "")
                took = "reused" if event.reused else f"{event.seconds:.1f} s" if outcome else ""
                table.add_row(" ", name, Text(outcome, STYLE.get(outcome, "")), took, _line(event.text))
            else:
                told = f"{event.text} ({event.done}/{event.total})" if event.total else event.text
                took = f"{time.monotonic() - self.began[name]:.0f} s"
                table.add_row(self.spinner, name, "", took, _line(told, "dim"))
        if not self.text:
            return table
        # Beside the table and not in it: a sentence would make the column of names as wide as itself.
        said = Table.grid(padding=(0, 2))
        said.add_row(self.spinner, Text(self.text, "dim"))
        return Group(table, said) if self.rows else said


@contextmanager
def watching(*, quiet: bool) -> Iterator[Plain | Picture]:
    """A listener for the run: a picture on a terminal, plain lines otherwise; both on standard error when `quiet`
    (standard output then holds nothing but the result)."""
    stream = sys.stderr if quiet else sys.stdout
    if not stream.isatty():
        yield Plain(stream)
        return
    picture = Picture(Console(file=stream))
    with picture.live:
        yield picture


def _line(text: str, style: str = "") -> Text:
    """One line, cut where the terminal ends."""
    return Text(" ".join(text.split()), style, no_wrap=True, overflow="ellipsis")


def short(reasons: Sequence[str]) -> str:
    """The reasons in one readable cell; all of them are in the records, in `--json` and in the evidence."""
    text = " ".join("; ".join(reasons).split())
    return text if len(text) <= REASONS else f"{text[: REASONS - 1]}…"


def summary(report: Report, out: Console) -> None:
    """The table of a run, its decision, and where things stand."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("stage", "verdict", "time", "reasons"):
        table.add_column(column, header_style="dim", overflow="fold")
    for stage in report.stages:
        outcome = str(stage.verdict.outcome)
        weight = "" if stage.mode == "blocking" or stage.verdict.passed else f" ({stage.mode.replace('_', ' ')})"
        took = "reused" if stage.verdict.reused else f"{stage.seconds:.1f} s"
        table.add_row(stage.name, Text(outcome, STYLE[outcome]), took, Text(short(stage.verdict.reasons) + weight))
    for name in report.skipped:
        table.add_row(Text(name, "dim"), Text("not reached", "dim"), "", "")
    out.print(table)
    what = " ".join(filter(None, (report.project, report.version, report.environment and f"in {report.environment}")))
    line = Text.assemble(
        (str(report.outcome), STYLE[report.outcome]), f" {report.kind} {what} in {report.seconds:.1f} s"
    )
    out.print(line)
    if report.state:
        out.print(Text(report.state), soft_wrap=True)
