"""A worker that has collected every file before it runs a case, as plain pytest would have: see `doubts.py`."""

from __future__ import annotations

import json
from os import getppid
from typing import Any, Iterator, List

from .batch import Batch, name_of
from .clock import clock
from .gather import file_of
from .worker import PAUSE, Todo, Worker


class Prover(Worker):
    """Runs what its orders say, a line each, until one says null; or what it is told at once."""

    def _work(self, todo: List[Todo]) -> None:
        self._collect_all()
        for one in todo or self._ordered():
            self._do(one, None)
            self.journal.write({"e": "did", "b": one.batch, "ids": one.only, "proof": one.proof, "w": self.name})

    def _collect_all(self) -> None:
        self.recorder.proof = True
        for number, node in enumerate(self.plan.nodes):
            self.journal.write({"e": "collecting", "f": file_of(node), "w": self.name, "b": number})
            self.batches[number] = Batch(self._items(number), self.plan.group_by, {}, False)
        self.journal.write({"e": "ready", "w": self.name})

    def _do(self, one: Todo, following: Any) -> None:
        if not one.proof:
            found = {"f": file_of(self._node(one.batch)), "n": len(self.batches[one.batch].items)}
            # Its number of cases may differ from what another worker found: this one has the last word.
            self.journal.write({"e": "file", "s": 0.0, "w": self.name, "b": one.batch, "whole": True, **found})
        # Whatever it took for done when it began: what it is told by name is to be run.
        self.plan.done.difference_update(one.only or ())
        cases = [name_of(item) for item in self.batches[one.batch].items] if one.only is None else one.only
        super()._do(one._replace(only=cases), following)

    def _ordered(self) -> Iterator[Todo]:
        at = 0
        while not self.board.stopped and getppid() == self.parent:
            lines = _lines(self.orders)
            for line in lines[at:]:
                order = json.loads(line)
                if order is None:
                    return
                yield Todo(*order)
            if len(lines) == at:
                clock.sleep(PAUSE)
            at = len(lines)


def _lines(path: str) -> List[bytes]:
    """Its whole lines."""
    try:
        with open(path, "rb") as file:
            return file.read().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
