"""A worker that died: of what, in which case, and whether that case gets another attempt."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from .journal import Event
from .recorder import named
from .replay import words

FROM_OUTSIDE = ("SIGKILL", "SIGTERM")


class Crash:
    """`code` is a signal's number, negative, or an exit code."""

    def __init__(self, out: str, hand: Any, code: int) -> None:
        self.hand, self.code = hand, code
        self.timed_out: float = hand.timed_out
        self.signal = ""
        if self.timed_out:
            self.cause = f"was stopped at its time-out of {self.timed_out:g} s"
        elif code < 0:
            try:
                self.signal = signal.Signals(-code).name
            except ValueError:
                self.signal = f"signal {-code}"
            self.cause = f"was killed by {self.signal}"
        elif hand.broke:
            self.cause = f"broke down: {hand.broke}"
        else:
            self.cause = f"ended with exit code {code} in the middle"
        stem = os.path.join(out, "workers", hand.name)
        said = [
            ("output", words(f"{stem}.out")),
            ("error output", words(f"{stem}.err")),
            ("words", words(f"{stem}.log")),
        ]
        self.stacks = words(f"{stem}.stacks")
        self.words = "\n".join(f"--- last {title} ---\n{text}" for title, text in said if text)

    def result(self) -> Event:
        """The attempt that was lost with it."""
        start = self.hand.case
        return {**named(start["id"]), **self._told(), "n": start["n"], "t": start["t"], "b": start.get("b", -1)}

    def collection(self) -> Event:
        """The file that it did not come out of."""
        file = self.hand.collecting["f"]
        told = {**self._told(), "n": 1, "t": time.time(), "b": -1}
        return {"id": file, "f": file, "c": "", "name": "(collection)", **told}

    def _told(self) -> Event:
        seconds = round(self.hand.busy_for(), 3)
        output = "\n".join(filter(None, (self.stacks, self.words)))
        event = {"e": "result", "o": "crashed", "d": [0.0, seconds, 0.0], "w": f"gw{self.hand.number}", "ln": 0}
        return {**event, "msg": f"the worker {self.cause}", "out": output}


def allowed(crash: Crash, retries: int) -> int:
    """How many attempts of a case may crash and be repeated. A hang costs all its time again: only when asked for.
    What was killed from outside, for memory perhaps, is hardly the case's own doing."""
    if crash.timed_out:
        return retries
    return max(retries, 4 if crash.signal in FROM_OUTSIDE else 1)
