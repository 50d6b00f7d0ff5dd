"""One failure that is looked at again, and the steps of that."""

from __future__ import annotations

from typing import Any, List

from .journal import Event

WORKER, PROVER, TRIAL, ORDER, ENCORE = "worker", "prover", "trial", "order", "encore"
"""What a worker is there for: the cases; then those of `doubts.py`."""

# How far one is: with all files, and alone; in its order; in the company in which it failed, and in pytest's.
ASKED, PASSED, TRIED = "asked", "passed", "tried"
APART, ORDERED = "apart", "ordered"
MINDS, REPEATED, SPOILT, PLAIN = "minds", "repeated", "spoilt", "plain"

LIFTED: Event = {"e": "lifted"}


class Doubt:
    """One case, or one file, that failed. `state` is empty until the prover has been asked."""

    def __init__(self, event: Event, hand: Any) -> None:
        self.hand = hand
        self.case, self.batch = event["id"], event["b"]
        self.collecting = "collect" in event
        self.ahead = "ahead" in event
        self.events: List[Event] = [event]
        self.state = ""
        self.proof: Event = {}
        self.passes = self.fails = 0  # with all files, and alone again
        self.in_order = 0
        self.said = False
