"""Two displays of a run: a picture at the bottom of a terminal, or sparse lines anywhere else.

Written by hand and not with rich: it has to share two processors with the tests, and loading rich takes as long as
some suites do.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Protocol, TextIO

from cli.testing.progress import Failure, Progress, told

# Seconds between two lines when nobody watches.
EVERY_S = 10.0
_BAR = 24
_ROWS = 8
_COLOURS = {"red": "31", "green": "32", "yellow": "33", "dim": "2", "bold": "1"}


class Display(Protocol):
    """Shows a run; `end` leaves only what stays."""

    def say(self, text: str = "", colour: str = "") -> None: ...
    def failed(self, failure: Failure) -> None: ...
    def show(self, progress: Progress, label: str) -> None: ...
    def end(self) -> None: ...


def display(stream: TextIO) -> Display:
    """A picture where there is a terminal that can, lines elsewhere."""
    if stream.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return Picture(stream, colours="NO_COLOR" not in os.environ)
    return Lines(stream)


class Lines:
    """A line now and then; failures at once."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.began = self.last = time.monotonic()

    def say(self, text: str = "", colour: str = "") -> None:
        print(text, file=self.stream, flush=True)

    def failed(self, failure: Failure) -> None:
        self.say(_title(failure))
        for line in failure.lines:
            self.say(f"    {line}")

    def show(self, progress: Progress, label: str) -> None:
        if time.monotonic() - self.last < EVERY_S:
            return
        self.last = time.monotonic()
        of = f"/{progress.total}" if progress.total > progress.done else ""
        seconds = self.last - self.began
        counts = told(progress.counts, progress.flaky, len(progress.doubted))
        self.say(f"{label}: {progress.done}{of} done after {seconds:.0f} s, {counts}")

    def end(self) -> None:
        """Nothing to take away."""


class Picture:
    """The last lines of a terminal, painted over and over; what stays is written above them."""

    def __init__(self, stream: TextIO, *, colours: bool) -> None:
        self.stream, self.colours = stream, colours
        self.painted = 0
        self.began = time.monotonic()

    def say(self, text: str = "", colour: str = "") -> None:
        self._write([self._colour(text, colour)], [])

    def failed(self, failure: Failure) -> None:
        lines = [f"    {self._colour(line, 'red' if line.startswith('E') else '')}" for line in failure.lines]
        self._write([self._colour(_title(failure), "red"), *lines], [])

    def show(self, progress: Progress, label: str) -> None:
        self._write([], self.rows(progress, label, time.time()))

    def end(self) -> None:
        self._write([], [])

    def rows(self, progress: Progress, label: str, now: float) -> list[str]:
        """The picture: a line of numbers, then a line for each worker with what it runs, and for how long."""
        total, done = progress.total, progress.done
        seconds = time.monotonic() - self.began
        bar = ""
        if total:
            full = round(_BAR * min(1.0, done / total))
            bar = f"[{'#' * full}{'.' * (_BAR - full)}] {done}/{total}  "
        left = progress.seconds_left
        rest = f", about {left:.0f} s left" if left is not None and left >= 1 and done < total else ""
        counts = told(progress.counts, progress.flaky, len(progress.doubted))
        colour = "red" if any(progress.counts[name] for name in ("failed", "error", "crashed")) else "green"
        rows = [f"{label}  {bar}{self._colour(counts, colour)}  {seconds:.0f} s{rest}"]
        for worker, (node, since) in sorted(progress.running.items())[:_ROWS]:
            took = max(0.0, now - since)
            rows.append(self._colour(f"  {worker:<5} {took:5.1f} s  {node}", "yellow" if took > 10 else "dim"))
        return rows

    def _write(self, stay: Sequence[str], picture: Sequence[str]) -> None:
        # Automatic wrapping is off while painting, so that one line stays one row, whatever its width.
        up = f"\x1b[{self.painted}F" if self.painted else ""
        text = "".join(f"{line}\n" for line in stay)
        rows = "".join(f"{line}\x1b[K\n" for line in picture)
        painted = f"\x1b[?7l{rows}\x1b[?7h" if picture else ""
        self.stream.write(f"{up}\x1b[J{text}{painted}")
        self.stream.flush()
        self.painted = len(picture)

    def _colour(self, text: str, colour: str) -> str:
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if colour and self.colours and text else text


def _title(failure: Failure) -> str:
    told = f" (attempt {failure.number})" if failure.number > 1 else ""
    message = f"  {failure.message.splitlines()[0]}" if failure.message and not failure.lines else ""
    return f"{failure.status.upper()} {failure.id}{told}{message}"
