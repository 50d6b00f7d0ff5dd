"""Watches the workers: hears what they journal, replaces those that die, and sees that every case has a result."""

from __future__ import annotations

import os
import signal
import time
import uuid
from typing import Any, Callable, Dict, List, Optional, Set

from . import replay
from .board import NOBODY, SPARE, Board
from .crash import Crash, allowed
from .doubt import WORKER
from .doubts import Doubts
from .hands import Hand, fork, spawn
from .journal import NO_JOURNAL, Event, Tail, Unwritable
from .listeners import Listeners
from .worker import Todo

LOOK = 0.01
"""Seconds between two looks at the journal. What came meanwhile is taken in at once, which costs the workers less of a
processor that they share with this process than a look at each line does. The first looks are closer together: a run
that is over in a moment is not waited for."""
SHORT = 0.05
"""Seconds that all cases are known to take, below which a second worker costs more than it saves. It starts all the
same when they are over and the first is not through."""
SWEEPS = 3
FRUITLESS = 20
"""Deaths in a row without a single result, after which the run is given up."""


class Foreman:
    """The workers of one run, `start`ed as `fork` or `process`."""

    def __init__(self, controller: Any, start: str) -> None:
        self.controller, self.start = controller, start
        self.session, self.options, self.journal = controller.session, controller.options, controller.journal
        self.plan, self.nodes, self.count = controller.plan, controller.nodes, controller.count
        self.run = uuid.uuid4().hex
        path = os.path.join(self.options.out, f"board-{os.getpid()}.bin")
        self.board = Board(path, len(self.nodes), self.count + SPARE)
        self.listeners = Listeners(self.session.config)
        self.tail = Tail(os.path.join(self.options.out, "journal"))
        self.hands: List[Hand] = []
        self.by_journal: Dict[str, Hand] = {}
        self.tellers: Dict[int, str] = {}
        self.incarnations = 0
        self.cases: Dict[int, int] = {}
        self.finished: Dict[int, Set[str]] = {}
        self.seen: Set[Any] = set()
        self.failed_again: Dict[int, Dict[str, int]] = {}
        self.numbers: Dict[int, Dict[str, int]] = {}
        self.crashes: Dict[Any, int] = {}
        self.fruitless = 0
        self.ended_early = ""
        self.replaying = False
        self.resumed: Set[str] = set()
        self.later: List[int] = []
        self.began = 0.0
        self.doubts = Doubts(self)

    def totals(self) -> Event:
        """What the last line of the journal says."""
        ran = sum(map(len, self.finished.values()))
        found = {"collected": sum(self.cases.values()), "ran": ran}
        return {**found, "stopped": self.ended_early} if self.ended_early else found

    def resume(self) -> None:
        """What an earlier run in the same folder finished is not run again."""
        mine = os.path.basename(self.journal.path)
        for name, events in self.tail.new():
            for event in events if name != mine else ():
                self.incarnations = max(self.incarnations, _incarnation(name))
                if event["e"] == "result" and "collect" not in event and event["o"] != "crashed":
                    self.heard(None, event)
        self.resumed = set(self.plan.done)
        kept = len(self.resumed)
        if kept:
            self.journal.write({"e": "note", "text": f"{kept} cases were finished before and are not run again"})

    def go(self) -> None:
        """Until every case has its result, or the run is stopped."""
        if self.nodes:
            self._go()
            self.doubts.dismiss()
            self._wait_while(lambda: bool(self.hands))

    def _go(self) -> None:
        wanted = list(range(min(self.count, max(1, self._work()))))
        short = all(self.plan.seconds) and sum(self.plan.expected) < SHORT
        self.later = wanted[1:] if short else []
        for number in wanted[:1] if short else wanted:
            self.begin(number, [])
        sweeps, self.began = 0, time.monotonic()
        while True:
            self._wait_while(self._at_work)
            if self.stopping():
                return
            todo = self.again()
            if todo and not (todo := self.doubts.taken(todo)):
                continue
            if not todo and sweeps < SWEEPS:
                todo, sweeps = self.missing(), sweeps + 1
                if todo and not (todo := self.doubts.taken(todo)):
                    continue
            if not todo and not self.board.any_open():
                if self.missing():
                    self._give_up("cases stay without a result")
                return
            if self.fruitless > FRUITLESS or sweeps >= SWEEPS and not todo:
                self._give_up("workers die without a result")
                return
            share = max(1, min(self.count, len(todo)))
            for number in range(share):
                self.begin(number, todo[number::share])

    def _give_up(self, why: str) -> None:
        self.ended_early = f"the run is given up: {why}"
        self.journal.write({"e": "problem", "text": self.ended_early})

    def _wait_while(self, at_work: Callable[[], bool]) -> None:
        while at_work():
            self.listen()
            self.reap()
            self.time_out()
            self.doubts.step()
            self.reinforce()
            if at_work():
                time.sleep(min(LOOK, max(0.001, (time.monotonic() - self.began) / 10)))

    def reinforce(self) -> None:
        """Starts the workers that did not seem to be worth it, where the work goes on."""
        if not self.later or time.monotonic() < self.began + SHORT:
            return
        later, self.later = self.later, []
        for number in later if not self.stopping() else ():
            self.begin(number, [])

    def _at_work(self) -> bool:
        """A prover that waits for orders is not."""
        busy = self.doubts.busy() and not self.stopping()
        return busy or any(hand is not self.doubts.prover for hand in self.hands)

    def _work(self) -> int:
        return len(self.nodes) if self.plan.group_by == "file" else self.count

    def begin(self, number: int, todo: List[Todo], role: str = WORKER) -> Hand:
        """Starts a worker, in place of a dead one perhaps."""
        self.incarnations += 1
        again = self.incarnations > self.count and role == WORKER
        if getattr(self.session.config.option, "verbose", 0) > 1 and again:
            print(f"worker gw{number} is started again")
        start = fork if self.start == "fork" else spawn
        hand = start(self, Hand(number, self.incarnations, todo, role, self.doubts.orders))
        self.hands.append(hand)
        self.by_journal[f"{hand.name}.jsonl"] = hand
        return hand

    def listen(self) -> None:
        """Takes in what the workers have journalled since the last look."""
        told = [(name, events) for name, events in self.tail.new() if not name.startswith("main")]
        if not told:
            return
        with self.listeners.gathered():
            for name, events in told:
                hand = self.by_journal.get(name)
                for event in events:
                    self.heard(hand, event)
        if self.session.shouldfail or self.session.shouldstop:
            self.board.stop()

    def heard(self, hand: Optional[Hand], event: Event) -> None:
        kind = event["e"]
        if hand is not None:
            hand.heard(event)
        if kind == "result":
            self.heard_result(event)
        elif kind == "doubted":
            self.doubts.raised(event, hand)
        elif kind == "proof" and hand is not None:
            self.doubts.proved(hand, event)
        elif kind == "file" and event.get("whole"):
            self.cases[event["b"]] = event["n"]
        elif kind == "file":
            self.cases[event["b"]] = self.cases.get(event["b"]) or event["n"]
            if event.get("errors") and hand is not None:
                self.fruitless = 0
        elif kind in ("ready", "did", "lacking"):
            self.doubts.heard(hand, event)
        elif kind == "stopped":
            self.ended_early = self.ended_early or event["text"]
        elif not self._first_to_tell(hand, event):
            return
        elif kind == "deselected":
            self.session.config.hook.pytest_deselected(items=[replay.Gone()] * event["k"])
        elif kind == "warning":
            replay.warning(self.session.config, event)

    def _first_to_tell(self, hand: Optional[Hand], event: Event) -> bool:
        """A file that a helper collects again is deselected from, and warns, again: once is enough."""
        if hand is None or event.get("when", "collect") != "collect":
            return True
        return self.tellers.setdefault(event.get("b", NOBODY), hand.name) == hand.name

    def heard_result(self, event: Event, retry: bool = False) -> None:
        """Keeps what an attempt came to, once, and reports it."""
        key = (event["id"], event["n"])
        if key in self.seen:
            return
        if event["o"] != "passed" or event["n"] > 1:
            self.seen.add(key)
        batch = event.get("b", NOBODY)
        if "collect" in event:
            self.replay(event, False)
            return
        self.fruitless = 0
        if event["o"] in ("failed", "error") and event["n"] <= self.options.retries:
            retry = True
            self.failed_again.setdefault(batch, {})[event["id"]] = event["n"] + 1
            self.numbers.setdefault(batch, {})[event["id"]] = event["n"] + 1
        if not retry:
            done = self.finished.setdefault(batch, set())
            if event["id"] in done and event["n"] == 1:
                return
            done.add(event["id"])
            self.plan.done.add(event["id"])
        self.replay(event, retry)

    def replay(self, event: Event, retry: bool) -> None:
        self.replaying = True
        try:
            replay.result(self.session.config, event, retry, self.listeners)
        finally:
            self.replaying = False

    def reap(self) -> None:
        """Workers that ended: those who said so are through, the others died."""
        for hand in list(self.hands):
            code = hand.ended()
            if code is None:
                continue
            self.hands.remove(hand)
            # Its last lines may have come after the last look.
            self.listen()
            if hand.role != WORKER:
                self.doubts.ended(hand, code)
            elif not hand.through:
                self.died(hand, code)
            elif hand.timed_out:
                self.journal.write({"e": "note", "text": f"worker {hand.name} did not come to its end and was killed"})

    def died(self, hand: Hand, code: int) -> None:
        """One attempt is lost, no more: its other cases go to the next worker in its place."""
        crash = Crash(self.options.out, hand, code)
        held, _ = self.board.abandon(hand.number)
        self.fruitless += 1
        if self.stopping():
            return
        if code == NO_JOURNAL:
            raise Unwritable(f"worker {hand.name} could not write to it")
        if hand.case is not None:
            self.lost(crash)
        elif hand.collecting is not None:
            self._not_collected(crash)
        elif not hand.said:
            # Another takes its place; if that goes on, the run is given up, and that is a problem.
            self.journal.write(
                {"e": "note", "text": f"worker {hand.name} {crash.cause} before it began: {crash.words}"}
            )
        todo = [self.todo(one.batch, one.group, one.only) for one in hand.todo if self._unfinished(one)]
        if held.batch != NOBODY:
            todo.insert(0, self.todo(held.batch, held.group))
        if self.fruitless <= FRUITLESS and (todo or self.board.any_open()):
            self.begin(hand.number, todo)

    def todo(self, batch: int, group: Optional[int], only: Optional[List[str]] = None) -> Todo:
        return Todo(batch, group, only, dict(self.numbers.get(batch, {})))

    def lost(self, crash: Crash) -> None:
        """The attempt that a worker died in: told as crashed, and repeated while its budget lasts."""
        event = crash.result()
        case = event["id"]
        self.crashes[case] = self.crashes.get(case, 0) + 1
        again = self.crashes[case] <= allowed(crash, self.options.retries)
        self.journal.write(event)
        self.heard_result(event, again)
        if again:
            self.numbers.setdefault(event["b"], {})[case] = event["n"] + 1

    def _not_collected(self, crash: Crash) -> None:
        """The file that a worker died in before it had cases."""
        batch = crash.hand.collecting["b"]
        self.crashes[batch] = self.crashes.get(batch, 0) + 1
        if self.crashes[batch] > allowed(crash, 0) and not self.board.row(batch).collected:
            event = crash.collection()
            self.journal.write(event)
            self.heard_result(event)
            self.board.spend(batch)

    def _unfinished(self, todo: Todo) -> bool:
        done = self.finished.get(todo.batch, set())
        if todo.only is not None:
            return not set(todo.only) <= done
        return len(done) < self.cases.get(todo.batch, 0)

    def time_out(self) -> None:
        """A worker that is in one case for too long writes its stacks and is killed."""
        limit = self.options.case_timeout
        for hand in self.hands if limit else ():
            if hand.busy_for() > limit:
                hand.stop_hanging(limit)

    def again(self) -> List[Todo]:
        """What failed and has attempts left, in fresh workers."""
        found = [self.todo(batch, None, list(numbers)) for batch, numbers in sorted(self.failed_again.items())]
        self.failed_again = {}
        return found

    def missing(self) -> List[Todo]:
        """Batches of which fewer results came in than they have cases: a worker was killed at just the wrong moment."""
        short = [b for b, cases in self.cases.items() if b >= 0 and len(self.finished.get(b, ())) < cases]
        return [self.todo(batch, None) for batch in short]

    def stopping(self) -> bool:
        return bool(self.session.shouldfail or self.session.shouldstop or self.board.stopped)

    def end_all(self) -> None:
        """No worker outlives the run. Each gets the time to tear down."""
        for hand in self.hands:
            hand.signal(signal.SIGTERM)
        deadline = time.monotonic() + 3
        while self.hands and time.monotonic() < deadline:
            self.hands = [hand for hand in self.hands if hand.ended() is None]
            time.sleep(LOOK)
        for hand in self.hands:
            hand.signal(signal.SIGKILL)
            hand.wait()
        self.hands = []
        self.listen()
        self.doubts.show()


def _incarnation(name: str) -> int:
    number = name.rpartition(".")[0].rpartition("-")[2]
    return int(number) if number.isdigit() and name.startswith("gw") else 0
