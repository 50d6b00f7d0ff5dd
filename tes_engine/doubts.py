"""Failures that may be the engine's own doing, and how they are put to the proof.

Plain pytest imports every test file before it runs the first case. A worker imports those that it runs, so a case that
counts on another file having been imported fails there, and would have passed. Nobody is told of a failure, then,
before a *prover* has run the case again: a worker that has collected all files, in pytest's order. What fails there,
too, is a failure. What passes there gets a *trial* in a fresh worker that knows nothing but its file: if it passes now,
it is a case of two minds, and the failure stands; if it fails again, what it lacked were the other files, and the
prover's word counts. Both run it twice and must agree with themselves. The same goes for a file that could not be
collected by itself.

A helper begins in the middle of a file, so that what comes before a case may have run elsewhere, and it may count on
that. Where the prover confirms such a failure, the whole file is run *in order*, by a fresh worker that has collected
all files; a case that passes there, twice, fails only out of its order, and that is what plain pytest would have seen.

A case of two minds may have failed for what its worker had run before. So that is run again: where the case passes
now, it fails by chance, and the failure stands. Where it fails again, all that plain pytest would have run before it is
run as plain pytest would, and how it goes then is what counts.
"""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Optional, Set, Tuple

from .board import SPENT
from .company import company
from .crash import Crash
from .doubt import (
    APART,
    ASKED,
    ENCORE,
    LIFTED,
    MINDS,
    ORDER,
    ORDERED,
    PASSED,
    PLAIN,
    PROVER,
    REPEATED,
    SPOILT,
    TRIAL,
    TRIED,
    WORKER,
    Doubt,
)
from .journal import Event
from .lessons import learned
from .worker import Todo

BAD = ("failed", "error")
ENOUGH = 5
"""So many failures of a file that were confirmed, and none that was not, speak for the rest of it."""
DEATHS = 3
"""So often may a prover die before every failure is believed as it stands."""
TWICE = 2
"""Each must come out the same twice before a failure is lifted: a case that passes now and then hardly does that."""


class Doubts:
    """Those of one run. `pending` are the ones that nothing has been decided of."""

    def __init__(self, foreman: Any) -> None:
        self.foreman = foreman
        self.pending: Dict[str, Doubt] = {}
        self.settled: Dict[str, Event] = {}
        self.heard_of: Set[Tuple[str, int]] = set()
        self.confirmed: Dict[int, int] = {}
        self.lifted: List[str] = []
        self.out_of_order: List[str] = []
        self.spoilt: List[str] = []
        self.apart: Set[int] = set()  # batches that not every worker can collect
        self.mixed: Set[int] = set()  # batches with a failure that was lifted
        self.running: Set[int] = set()
        self.broken: Set[int] = set()
        self.prover: Optional[Any] = None
        self.trial: Optional[Any] = None
        self.ready = False
        self.deaths = 0
        self.orders = ""

    def busy(self) -> bool:
        """Whether something is still to be decided, or is run by the prover because nobody else can."""
        return bool(self.pending or self.running or self.trial)

    def raised(self, event: Event, hand: Any) -> None:
        """A worker's case or file has failed."""
        case, batch = event["id"], event["b"]
        if (case, event["n"]) in self.heard_of:
            return  # its worker died, and another ran the attempt again
        self.heard_of.add((case, event["n"]))
        if "collect" in event:
            self.apart.add(batch)
        in_its_place = len(self.foreman.nodes) == 1 and "ahead" not in event  # as plain pytest would have run it
        if case in self.settled:
            if self.settled[case] is not LIFTED:
                self._believe_one({**event, **self.settled[case]})
        elif case in self.pending:  # a plugin has repeated it
            self.pending[case].events.append(event)
        elif self.deaths >= DEATHS or self._enough(batch) or in_its_place:
            self._believe_one(event)
        else:
            self.pending[case] = Doubt(event, hand)
            self.foreman.plan.done.add(case)  # nobody runs it again but the prover

    def _enough(self, batch: int) -> bool:
        return self.confirmed.get(batch, 0) >= ENOUGH and batch not in self.mixed

    def proved(self, hand: Any, event: Event) -> None:
        """The prover's word on a case, or that of a trial."""
        doubt = self.pending.get(event["id"])
        bad = event["o"] in BAD
        if hand.role == PROVER and "collect" in event and bad:
            self.broken.add(event["b"])
        if doubt is None or doubt.collecting != ("collect" in event):
            return
        if hand.role in (ORDER, ENCORE):
            self._in_order(doubt, event, bad)
        elif hand.role == PROVER and doubt.in_order:
            # It passes in order: out of it, it must fail to the last, or it is a case of two minds.
            (self.lift if bad else self.believe)(doubt)
        elif hand.role == PROVER and bad and doubt.ahead and not doubt.collecting:
            doubt.state = APART
        elif hand.role == PROVER and bad:
            self._confirm(doubt)
        elif hand.role == PROVER and doubt.state == ASKED:
            doubt.passes, doubt.proof = doubt.passes + 1, event
            doubt.state = PASSED if doubt.passes >= TWICE else ASKED
        elif hand.role == TRIAL and not bad and self._may_be_spoilt(doubt):
            doubt.state = MINDS
        elif hand.role == TRIAL and not bad:
            self.believe(doubt)
        elif hand.role == TRIAL:
            self._failed_alone(doubt)

    def _confirm(self, doubt: Doubt) -> None:
        self.confirmed[doubt.batch] = self.confirmed.get(doubt.batch, 0) + 1
        self.believe(doubt)

    def _in_order(self, doubt: Doubt, event: Event, bad: bool) -> None:
        """How it went after all that comes before it, or came."""
        if doubt.state == REPEATED and bad:
            doubt.state = SPOILT
        elif doubt.state == PLAIN and not bad:
            doubt.proof = event
            self.lift(doubt)
        elif doubt.state in (REPEATED, PLAIN):
            self.believe(doubt)
        if doubt.state != ORDERED:
            return
        if bad:
            self._confirm(doubt)
            return
        doubt.said, doubt.proof = True, event
        doubt.in_order += 1
        if doubt.in_order >= TWICE:
            doubt.state = ""

    def _failed_alone(self, doubt: Doubt) -> None:
        doubt.fails += 1
        if doubt.fails >= TWICE:
            self.lift(doubt)
        elif doubt.collecting:
            doubt.state = PASSED  # that takes another trial

    def believe(self, doubt: Doubt) -> None:
        """The failure stands."""
        self._decided(doubt)
        self.settled[doubt.case] = {}
        for event in doubt.events:
            self._believe_one(event)

    def _decided(self, doubt: Doubt) -> None:
        del self.pending[doubt.case]
        self.foreman.plan.done.discard(doubt.case)  # it may have another attempt

    def _believe_one(self, event: Event) -> None:
        event = {**event, "e": "result"}
        self.foreman.journal.write(event)
        self.foreman.heard_result(event)

    def lift(self, doubt: Doubt) -> None:
        """It failed for want of other files. What counts is how it went where they were."""
        self._decided(doubt)
        self.mixed.add(doubt.batch)
        kind = self.spoilt if doubt.state == PLAIN else self.out_of_order if doubt.in_order else self.lifted
        kind.append(doubt.case)
        if doubt.collecting:
            self.settled[doubt.case] = LIFTED
            if not self.foreman.cases.get(doubt.batch):
                self.ask(Todo(doubt.batch, None, None, {}))
            return
        kept = ("o", "t", "d", "w", "msg", "out", "reports")
        word = {key: doubt.proof[key] for key in kept if key in doubt.proof}
        self.settled[doubt.case] = word
        for event in doubt.events:
            bare = {key: value for key, value in event.items() if key not in ("msg", "out", "reports")}
            self._believe_one({**bare, **word})

    def step(self) -> None:
        """Whatever can be done now."""
        if not self.pending or self.foreman.stopping():
            return
        if self.deaths >= DEATHS:
            for doubt in list(self.pending.values()):
                self.believe(doubt)
            return
        if self.prover is None:
            self._begin_prover()
        self._ask()
        if self.trial is None:
            self._try()

    def _begin_prover(self) -> None:
        self.ready, self.broken = False, set()
        self.orders = os.path.join(self.foreman.options.out, "workers", f"orders-{self.foreman.incarnations + 1}.jsonl")
        os.makedirs(os.path.dirname(self.orders), exist_ok=True)
        with open(self.orders, "w", encoding="utf-8"):
            pass  # an earlier run in the same folder may have left one
        for doubt in self.pending.values():
            if doubt.state == ASKED:
                doubt.state, doubt.passes = "", 0
        self.prover = self.foreman.begin(self.foreman.count, [], PROVER)
        for batch in self.running:
            self._order(self.foreman.todo(batch, None))

    def _ask(self) -> None:
        fresh: Dict[int, List[str]] = {}
        for doubt in list(self.pending.values()):
            if doubt.state:
                continue
            if not doubt.collecting:
                fresh.setdefault(doubt.batch, []).append(doubt.case)
                doubt.state = ASKED
            elif self.ready and doubt.batch in self.broken:
                self.believe(doubt)
            elif self.ready:
                doubt.state = PASSED
        for batch, cases in fresh.items():
            self._order(Todo(batch, None, cases, {}, True))

    def ask(self, todo: Todo) -> None:
        """Cases that are run where all files have been collected, for good."""
        self.running.add(todo.batch)
        if self.prover is None:
            self._begin_prover()
        else:
            self._order(todo)

    def _order(self, todo: Optional[Todo]) -> None:
        with open(self.orders, "a", encoding="utf-8") as file:
            file.write(json.dumps(todo) + "\n")

    def _try(self) -> None:
        """One file at a time, so that it has no other beside it; once the prover is through with it."""
        waiting = {doubt.batch for doubt in self.pending.values() if doubt.state in ("", ASKED)}
        for doubt in self.pending.values():
            if doubt.state == PASSED and doubt.batch not in waiting:
                mine = [one for one in self.pending.values() if one.batch == doubt.batch and one.state == PASSED]
                for one in mine:
                    one.state = TRIED
                cases = [one.case for one in mine if not one.collecting]
                todo = Todo(doubt.batch, None, cases, {}, True)
                self.trial = self.foreman.begin(self.foreman.count + 1, [todo], TRIAL)
                return
        for doubt in [one for one in self.pending.values() if one.state == APART]:
            if self._enough(doubt.batch):
                self.believe(doubt)
            elif doubt.batch not in waiting and self._over(doubt.batch):
                mine = [one for one in self.pending.values() if one.batch == doubt.batch and one.state == APART]
                for one in mine:
                    one.state, one.said = ORDERED, False
                todo = Todo(doubt.batch, None, self._some_of_file(doubt.batch, mine), {}, True)
                self.trial = self.foreman.begin(self.foreman.count + 1, [todo], ORDER)
                return
        self._try_company()

    def _some_of_file(self, batch: int, doubts: List[Doubt]) -> Optional[List[str]]:
        """Its cases, at first those for which there is time; None for all of them, which is what decides."""
        did = [one for hand in self.foreman.by_journal.values() for one in hand.did if one.batch == batch]
        some = [one.case for one in company(did, {doubt.case for doubt in doubts})]
        return some if len(some) < len(did) and not any(doubt.in_order for doubt in doubts) else None

    def _try_company(self) -> None:
        """What a worker did until a case of two minds failed, once more; then what plain pytest would have done."""
        if any(hand.role == WORKER for hand in self.foreman.hands):
            return
        todo: List[Todo] = []
        role = ENCORE  # it collects as it goes, as that worker did: what was spoilt may be an import
        for doubt in self.pending.values():
            if doubt.state == MINDS:
                mine = {one.case: one for one in self.pending.values() if one.state == MINDS and one.hand is doubt.hand}
                last = max(at for at, did in enumerate(doubt.hand.did) if did.case in mine)  # they are all there
                again = company(doubt.hand.did[: last + 1], set(mine))
                todo = [Todo(did.batch, None, [did.case], {}, True) for did in again]
                for one in mine.values():
                    one.state = REPEATED
                break
        if not todo:
            role = ORDER
            spoilt = [one for one in self.pending.values() if one.state == SPOILT]
            batches = range(max((one.batch for one in spoilt), default=-1) + 1)
            todo = [Todo(batch, None, None, {}, True) for batch in batches]
            for one in spoilt:
                one.state = PLAIN
        if todo:
            self.trial = self.foreman.begin(self.foreman.count + 1, todo, role)

    def _may_be_spoilt(self, doubt: Doubt) -> bool:
        """Whether it can be found out what spoilt it: not where it was the first."""
        return not doubt.collecting and doubt.case in [did.case for did in doubt.hand.did[1:]]

    def _over(self, batch: int) -> bool:
        """Whether all of its cases have run: its file is run in order for those that failed at once."""
        at_work = [hand for hand in self.foreman.hands if hand.role == WORKER]
        in_hand = any(hand.case is not None and hand.case["b"] == batch for hand in at_work)
        return not at_work or (self.foreman.board.row(batch).state == SPENT and not in_hand)

    def heard(self, hand: Any, event: Event) -> None:
        """What only a prover says."""
        if hand is self.prover and event["e"] == "ready":
            self.ready = True
        elif hand is self.prover and event["e"] == "did" and not event["proof"]:
            self.running.discard(event["b"])
        elif hand is self.prover and event["e"] == "did":
            for doubt in [self.pending[case] for case in event["ids"] if case in self.pending]:
                if doubt.state == ASKED:  # asked, and nothing was said
                    self.believe(doubt)
        elif event["e"] == "lacking":
            self._lacking(hand, event)

    def _lacking(self, hand: Any, event: Event) -> None:
        """A worker could not collect what was there before."""
        doubts = [self.pending[case] for case in event["ids"] or () if case in self.pending]
        if hand.role not in (WORKER, PROVER):
            for doubt in doubts:
                (self.lift if hand.role == TRIAL else self.believe)(doubt)
        elif hand is self.prover and doubts:
            for doubt in doubts:
                self.believe(doubt)
        elif hand is not self.prover and self.foreman.plan.doubts and self.deaths < DEATHS:
            self.apart.add(event["b"])
            self.ask(Todo(event["b"], None, event["ids"], event["numbers"]))
        else:
            what = event["ids"][0] if event["ids"] else f"something in {event['f']}"
            text = f"{what} was there before and is not collected now"
            self.foreman.journal.write({"e": "problem", "text": text})

    def ended(self, hand: Any, code: int) -> None:
        """A prover or a trial is over. One that died settles nothing in favour of what it was at."""
        if hand is self.trial:
            self.trial = None
            for doubt in [one for one in self.pending.values() if one.state in (TRIED, ORDERED, REPEATED, PLAIN)]:
                if doubt.state == ORDERED and doubt.said:
                    doubt.state = APART
                else:  # what it was run for was not seen
                    self.believe(doubt)
        elif hand.role == PROVER:
            self.prover = None
            if not hand.through and not self.foreman.stopping():
                self._lost(Crash(self.foreman.options.out, hand, code))

    def _lost(self, crash: Crash) -> None:
        hand, self.deaths = crash.hand, self.deaths + 1
        if hand.case is not None and hand.case["id"] in self.pending:
            self.believe(self.pending[hand.case["id"]])
        elif hand.case is not None:
            self.foreman.lost(crash)
        else:
            self.deaths = DEATHS  # it cannot even collect
        if self.running and self.deaths >= DEATHS:
            text = "a file that is collected only beside others could not be run: its worker died"
            self.foreman.journal.write({"e": "problem", "text": text})
            self.running = set()
        elif self.running:
            self._begin_prover()

    def taken(self, todo: List[Todo]) -> List[Todo]:
        """What no other than the prover can run goes to it; the rest is given back."""
        if self.deaths >= DEATHS:
            return todo
        for one in todo:
            if one.batch in self.apart:
                self.ask(one)
        return [one for one in todo if one.batch not in self.apart]

    def dismiss(self) -> None:
        """There will be no more: the prover may tear down, and a person is told what was found."""
        if self.prover is not None:
            self._order(None)
        for text in learned(self.foreman.session.config, self.lifted, self.out_of_order, self.spoilt):
            self.foreman.journal.write({"e": "note", "text": text})

    def show(self) -> None:
        """The run is broken off: what is undecided is shown as it stands, and run again when it is gone on with."""
        for doubt in self.pending.values():
            for event in doubt.events:
                self.foreman.replay({**event, "e": "result"}, False)
        self.pending = {}
