"""A worker: claims files, collects them, runs their cases, and helps with another's file when none is left.

It never holds more than one group of cases. pytest wants to know the next case before it tears down after this one, so
the worker names the one that it would get now; if somebody else takes that first, it tears down the rest before it
goes on.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from os import _exit, getppid  # a test may put others in their place
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from .batch import Batch, name_of
from .board import OWNED, SPENT, Board, Row
from .clock import clock
from .gather import file_of, inside, top_of
from .journal import Journal
from .plugins import tell_dropped
from .recorder import Recorder

PAUSE = 0.004
WORTH = 2.0
"""Helping must save at least this many times what joining costs."""


STOPPED = "stopped by another"


class Todo(NamedTuple):
    """What a worker is told to do before it looks around: a group of a batch (None: all of it) without the cases that
    are done, and the numbers of the attempts that it begins. With `proof` nothing of it counts as a result."""

    batch: int
    group: Optional[int]
    only: Optional[List[str]]
    numbers: Dict[str, int]
    proof: bool = False


class Plan(NamedTuple):
    """What parent and workers share before any case has run. `order` are the batches, longest expected first."""

    nodes: List[Any]
    items: Optional[List[List[Any]]]
    order: List[int]
    expected: List[float]
    seconds: List[Dict[str, float]]
    group_by: str
    dominating: Set[int]
    done: Set[str]
    select: Optional[Set[str]]
    leave: Set[str]
    repeat: Dict[str, int]
    alone: Set[int]
    doubts: bool
    """Whether a worker that sees only some files, or some of a file's cases, may fail where plain pytest would not."""


class Stop(Exception):
    """pytest has had enough: -x, --maxfail, or an interruption."""


class Worker:
    """Runs until nothing is left to claim. `number` is its slot on the board."""

    trial = False
    once = False
    orders = ""

    def __init__(self, session: Any, plan: Plan, board: Board, journal: Journal, number: int) -> None:
        self.session, self.plan, self.board, self.journal = session, plan, board, journal
        self.config = session.config
        self.number, self.name = number, f"gw{number}"
        self.recorder = Recorder(self.config, journal, self.name)
        self.config.pluginmanager.register(self.recorder, "tes-recorder")
        self.recorder.hears = True
        self.batches: Dict[int, Batch] = {}
        self.helped: Set[int] = set()
        self.gapped: Set[int] = set()  # batches of which some cases had been run before this worker began
        self.unspent = list(plan.order)
        self.parent = getppid()

    def run(self, todo: List[Todo]) -> None:
        """Everything. Returns when there is nothing left for it."""
        try:
            self._work(todo)
        except Stop as reason:
            self.board.stop()
            if str(reason) != STOPPED:
                self.journal.write({"e": "stopped", "text": str(reason)})
        finally:
            self._tear_down(None)
            self.config.pluginmanager.unregister(self.recorder)
        impact = self.config.pluginmanager.get_plugin("tes-impact")
        if impact is not None:
            impact.end()
        self.journal.write({"e": "bye", "w": self.name})

    def _work(self, todo: List[Todo]) -> None:
        self.recorder.doubts = self.plan.doubts
        for position, one in enumerate(todo):
            following = self._node(todo[position + 1].batch) if position + 1 < len(todo) else self._upcoming()
            self._do(one, following)
        while not self.trial and (batch := self._next()) is not None:
            self._work_on(batch)

    def _next(self) -> Optional[int]:
        """The next batch to work on: an open one, else one to help with; None when all is spoken for."""
        while not self.board.stopped and getppid() == self.parent:
            batch = self.board.own(self.number, self.plan.order)
            if batch is not None:
                return batch
            batch, wait = self._worth_helping()
            if batch is not None or not wait:
                return batch
            clock.sleep(PAUSE)
        return None

    def _worth_helping(self) -> Tuple[Optional[int], bool]:
        """(the batch to help with or None, whether it is worth waiting for one)."""
        best: Optional[int] = None
        most, wait = 0.0, False
        if self.plan.group_by == "file":
            return best, wait
        rows = [(batch, self.board.row(batch)) for batch in self.unspent]
        self.unspent = [batch for batch, row in rows if row.state != SPENT]
        for batch, row in rows:
            if (
                row.state != OWNED
                or row.owner == self.number
                or batch in self.helped
                or batch in self.plan.alone
                or (row.collected and not (left := self.board.left(batch)))
            ):
                continue
            wait = True
            if not row.collected:
                # Its owner is collecting. Doing the same at the same time costs an idle processor and saves waiting.
                seconds, cost = self.plan.expected[batch], 0.1
            else:
                seconds = max(self.plan.expected[batch] * left / row.groups, self._each(batch, row) * left)
                cost = row.setup + (0.0 if batch in self.batches else row.collecting)
            if seconds > WORTH * cost and seconds > most:
                best, most = batch, seconds
        return best, wait

    def _each(self, batch: int, row: Row) -> float:
        """Seconds that a group of the batch takes, from what was seen of it so far."""
        held = self.board.slot(row.owner)
        running = clock.time() - held.since if held.batch == batch and held.since else 0.0
        return max(row.spent / row.ran if row.ran else 0.0, running)

    def _work_on(self, number: int) -> None:
        batch = self._batch(number)
        if batch is None:
            self.helped.add(number)
            return
        ran: Optional[Tuple[float, float]] = None
        ran_so_far = 0
        while not self.board.stopped and getppid() == self.parent:
            group = self.board.claim(self.number, number, ran)
            if group is None:
                break
            self.recorder.ahead = group != ran_so_far or number in self.gapped or not batch.in_order
            ran_so_far += 1
            ran = self._run_group(number, batch, batch.groups[group], {})
            self.board.put_down(self.number)
        if self.board.left(number) == 0:
            self.batches.pop(number, None)

    def _do(self, one: Todo, following: Any) -> None:
        self.recorder.proof, self.recorder.ahead = one.proof, True
        self.gapped.add(one.batch)
        batch = self._batch(one.batch, again=True)
        if batch is None:
            return
        known = self.board.row(one.batch)
        if one.only is None and known.collected and known.digest != batch.digest:
            self._lacks(one, None)
            return
        items = batch.items if one.group is None else batch.groups[one.group]
        if not one.proof:  # one whose first attempt passed may be asked about its second
            items = [item for item in items if name_of(item) not in self.plan.done]
        if one.only is not None:
            wanted = set(one.only)
            items = [item for item in items if name_of(item) in wanted]
            missing = wanted - {name_of(item) for item in batch.items}
            if missing:
                self._lacks(one, sorted(missing))
        self._run_items(one.batch, items, one.numbers, lambda: following)

    def _lacks(self, one: Todo, cases: Optional[List[str]]) -> None:
        """What was there before is not collected now: perhaps where all files have been."""
        file = file_of(self._node(one.batch))
        event = {"e": "lacking", "b": one.batch, "f": file, "ids": cases, "numbers": one.numbers, "w": self.name}
        self.journal.write(event)

    def _batch(self, number: int, again: bool = False) -> Optional[Batch]:
        """A batch's cases, collected now unless they are at hand; None when this worker must not run them."""
        if number in self.batches:
            return self.batches[number]
        began = clock.perf_counter()
        node = self._node(number)
        file = str(node.nodeid).partition("::")[0]
        if self.plan.items is None:
            self.journal.write({"e": "collecting", "f": file, "w": self.name, "b": number})
        errors = self.session.testsfailed
        items = self._items(number)
        self.session.items = items
        batch = Batch(items, self.plan.group_by, self.plan.seconds[number], number in self.plan.dominating)
        seconds = clock.perf_counter() - began
        if not self.board.collected(self.number, number, len(batch.groups), batch.digest, seconds) and not again:
            text = f"{file} gave other cases when it was collected again: one worker runs all of it"
            self.journal.write({"e": "note", "text": text})
            return None
        event = {"e": "file", "f": file, "n": len(items), "s": round(seconds, 6), "w": self.name, "b": number}
        if self.session.testsfailed > errors:
            event["errors"] = self.session.testsfailed - errors
        self.journal.write(event)
        self.batches[number] = batch
        if self.session.shouldfail:
            raise Stop(self.session.shouldfail)
        return batch

    def _items(self, number: int) -> List[Any]:
        if self.plan.items is not None:
            return self.plan.items[number]
        node = self.plan.nodes[number]
        self.recorder.batch = number
        with collecting(self.config):
            try:
                items = inside(self.session, node)
            except self.session.Failed as reason:
                raise Stop(str(reason)) from None
        # Not through pytest's hook: to the project what is not chosen was never asked for.
        items = chosen(items, self.plan.select, self.plan.leave)
        before, self.recorder.deselected = list(items), []
        self.config.hook.pytest_collection_modifyitems(session=self.session, config=self.config, items=items)
        tell_dropped(self.config, self.journal, before, items, self.recorder.deselected)
        return items

    def _run_group(self, number: int, batch: Batch, group: List[Any], numbers: Dict[str, int]) -> Tuple[float, float]:
        """The seconds that it took, and those of its longest set-up."""
        items = [item for item in group if name_of(item) not in self.plan.done]
        if len(items) < len(group):
            self.gapped.add(number)
            self.recorder.ahead = True
        began = clock.perf_counter()

        def following() -> Any:
            ahead = self.board.peek(self.number, number)
            return batch.groups[ahead][0] if ahead is not None else self._upcoming()

        setup = self._run_items(number, items, numbers, following)
        return clock.perf_counter() - began, setup

    def _upcoming(self) -> Any:
        """The node that this worker would go on with now, for the sake of fixtures that live longer than a file."""
        if self.board.stopped:
            return None
        batch = self.board.first_open(self.plan.order)
        if batch is None:
            batch, _ = self._worth_helping()
        return None if batch is None else self._node(batch)

    def _node(self, number: int) -> Any:
        return self.plan.nodes[number]

    def _run_items(self, number: int, items: List[Any], numbers: Dict[str, int], following: Any) -> float:
        longest = 0.0
        for position, item in enumerate(items):
            last = position + 1 == len(items)
            self._one(number, item, following() if last else items[position + 1], numbers.get(name_of(item), 1))
            longest = max(longest, self.recorder.setup)
            if self.session.shouldfail or self.session.shouldstop:
                raise Stop(self.session.shouldfail or self.session.shouldstop)
            if self.board.stopped and not last:
                raise Stop(STOPPED)
        return longest

    def _one(self, batch: int, item: Any, following: Any, number: int) -> None:
        repeats = (0 if self.once else 1) if self.recorder.proof else self.plan.repeat.get(item.nodeid, 0)
        for attempt in range(number, number + repeats + 1):
            start = self.recorder.take(item, attempt, batch)
            self._tear_down(item)
            self.board.begin(self.number)
            self.journal.write(start)
            # Its own parent comes next when it is repeated: what lives as long as one case ends with each attempt.
            nextitem = item.parent if attempt < number + repeats else following
            try:
                self.config.hook.pytest_runtest_protocol(item=item, nextitem=nextitem)
            finally:
                if not self.journal.mine():
                    _exit(0)  # a child that the test forked and let go on: it is not to touch the board
            events = self.recorder.done(item)
            self.journal.write(*events)
            # A proof that has gone against what it would have to show needs no second run.
            if self.recorder.proof and (events[-1].get("o") in ("failed", "error")) is not self.trial:
                break

    def _tear_down(self, item: Any) -> None:
        """Ends what the last case left for a next one that is not this one."""
        state = getattr(self.session, "_setupstate", None)
        if state is None or not state.stack:
            return
        chain = set() if item is None else set(item.listchain())
        if all(node in chain for node in state.stack):
            return
        try:
            if item is None:
                state.teardown_exact(None)
            else:
                state.teardown_exact(item)
        except Exception as error:
            self.journal.write({"e": "problem", "text": f"tear-down after {self.recorder.case}: {error!r}"[:2000]})


def chosen(items: List[Any], select: Optional[Set[str]], leave: Set[str]) -> List[Any]:
    """The items that are named, or whose function, class or whole file is; less those that are to be left."""
    if select is not None:
        items = [one for one in items if one.nodeid in select or file_of(one) in select or top_of(one) in select]
    return [one for one in items if top_of(one) not in leave and file_of(one) not in leave] if leave else items


@contextmanager
def collecting(config: Any) -> Iterator[None]:
    """What pytest has around its own collection: warnings are caught, and no garbage is looked for meanwhile."""
    from _pytest.warnings import catch_warnings_for_item

    enabled = gc.isenabled()
    gc.disable()
    try:
        with catch_warnings_for_item(config=config, ihook=config.hook, when="collect", item=None):
            yield
    finally:
        if enabled:
            gc.enable()
        gc.freeze()
