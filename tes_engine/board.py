"""Who does what: a table in memory that the parent and all workers share, through a file that outlives each of them.

A row a batch (the cases of one file), a slot a worker. Every change is made under a file lock, which the system gives
back when its holder dies, so a killed worker blocks nobody. A claim and the note of who holds it are one change: at any
moment the table says which case each worker has in its hands.

Cases of a batch are claimed as an interval: its owner takes from the front, helpers take from the back.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from contextlib import contextmanager
from typing import Iterator, List, NamedTuple, Optional, Tuple

from .clock import clock

OPEN, OWNED, SPENT = 0, 1, 2
NOBODY = -1
UNKNOWN = -1
SPARE = 2
"""Slots beside those of the workers: for a prover and a trial."""

_HEAD = struct.Struct("<iiii")  # batches, slots, stop, how often a batch was opened again
_ROW = struct.Struct("<iiiiqdddi")
_SLOT = struct.Struct("<iid")


class Row(NamedTuple):
    """A batch: `low` to `high` are the groups that nobody has claimed; `high` is -1 until somebody has collected it."""

    state: int
    owner: int
    low: int
    high: int
    digest: int
    collecting: float  # seconds it took to collect
    setup: float  # seconds of the longest set-up seen: what it costs a helper to join
    spent: float  # seconds that its cases took so far
    ran: int

    @property
    def collected(self) -> bool:
        return self.high != UNKNOWN

    @property
    def left(self) -> int:
        return self.high - self.low if self.collected else 0


class Slot(NamedTuple):
    """What a worker has in its hands: a group of a batch, since when (0 while it is between two)."""

    batch: int
    group: int
    since: float


FRESH = Row(OPEN, NOBODY, 0, UNKNOWN, 0, 0.0, 0.0, 0.0, 0)
IDLE = Slot(NOBODY, NOBODY, 0.0)


class Board:
    """The table. `expected` are seconds of each batch, for the choice of which to help with."""

    def __init__(self, path: str, batches: int, slots: int) -> None:
        self.path, self.batches, self.slots = path, batches, slots
        # Where the first open batch was last seen: those before it are not open, unless one was opened again.
        self._at, self._seen_again = 0, 0
        size = _HEAD.size + batches * _ROW.size + slots * _SLOT.size
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fresh = os.fstat(self.fd).st_size == 0
        if fresh:
            os.ftruncate(self.fd, size)
            if hasattr(os, "posix_fallocate"):  # memory of which the disk has no page kills whoever writes to it
                os.posix_fallocate(self.fd, 0, size)
        elif os.fstat(self.fd).st_size != size:
            raise ValueError("the board belongs to another collection")
        self.memory = mmap.mmap(self.fd, size)
        if fresh:
            _HEAD.pack_into(self.memory, 0, batches, slots, 0, 0)
            for index in range(batches):
                self._put(index, FRESH)
            for number in range(slots):
                self._hold(number, IDLE)
        elif _HEAD.unpack_from(self.memory, 0)[:2] != (batches, slots):
            raise ValueError("the board belongs to another collection")

    @contextmanager
    def locked(self) -> Iterator[None]:
        fcntl.lockf(self.fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self.fd, fcntl.LOCK_UN)

    def row(self, batch: int) -> Row:
        return Row._make(_ROW.unpack_from(self.memory, _HEAD.size + batch * _ROW.size))

    def _put(self, batch: int, row: Row) -> None:
        _ROW.pack_into(self.memory, _HEAD.size + batch * _ROW.size, *row)

    def slot(self, worker: int) -> Slot:
        return Slot._make(_SLOT.unpack_from(self.memory, self._slot_at(worker)))

    def _hold(self, worker: int, slot: Slot) -> None:
        _SLOT.pack_into(self.memory, self._slot_at(worker), *slot)

    def _slot_at(self, worker: int) -> int:
        return _HEAD.size + self.batches * _ROW.size + worker * _SLOT.size

    @property
    def stopped(self) -> bool:
        return bool(_HEAD.unpack_from(self.memory, 0)[2])

    def stop(self) -> None:
        """No worker takes another case."""
        _HEAD.pack_into(self.memory, 0, self.batches, self.slots, 1, self._opened_again())

    def begin(self, worker: int) -> None:
        """The group in hand starts now."""
        self._hold(worker, self.slot(worker)._replace(since=clock.time()))

    def put_down(self, worker: int) -> None:
        """The worker has nothing in its hands: its result is in the journal."""
        self._hold(worker, IDLE)

    def own(self, worker: int, order: List[int]) -> Optional[int]:
        """The first open batch in that order, now the worker's; None when there is none."""
        with self.locked():
            batch = self.first_open(order)
            if batch is not None:
                self._put(batch, self.row(batch)._replace(state=OWNED, owner=worker))
            return batch

    def first_open(self, order: List[int]) -> Optional[int]:
        """A look without a claim: what `own` would give now. The order is the same at every call."""
        again = self._opened_again()
        if again != self._seen_again:
            self._at, self._seen_again = 0, again
        while self._at < len(order):
            if self.row(order[self._at]).state == OPEN:
                return order[self._at]
            self._at += 1
        return None

    def _opened_again(self) -> int:
        return int(_HEAD.unpack_from(self.memory, 0)[3])

    def any_open(self) -> bool:
        return any(self.row(batch).state == OPEN for batch in range(self.batches))

    def spend(self, batch: int) -> None:
        """Nobody is to try this batch again."""
        with self.locked():
            row = self.row(batch)
            self._put(batch, row._replace(state=SPENT, owner=NOBODY, low=max(row.low, row.high)))

    def collected(self, batch: int, groups: int, digest: int, seconds: float) -> bool:
        """What a worker found in a batch. False when another found something else there: then it must not help."""
        with self.locked():
            row = self.row(batch)
            if row.collected:
                return row.digest == digest
            state = OWNED if groups else SPENT
            self._put(batch, row._replace(state=state, high=groups, digest=digest, collecting=seconds))
            return True

    def claim(self, worker: int, batch: int, ran: Optional[Tuple[float, float]] = None) -> Optional[int]:
        """The next group of a collected batch, in the worker's hands now: from the front for its owner, else from the
        back; None when none is left. `ran`: the seconds that the last one took, all of it and the longest set-up, which
        tell others whether helping is worth its cost."""
        with self.locked():
            row = self.row(batch)
            if ran is not None:
                row = row._replace(spent=row.spent + ran[0], ran=row.ran + 1, setup=max(row.setup, ran[1]))
                self._put(batch, row)
            if row.left <= 0:
                if row.state != SPENT and row.collected:
                    self._put(batch, row._replace(state=SPENT))
                return None
            mine = row.owner == worker
            group = row.low if mine else row.high - 1
            rest = row._replace(low=row.low + 1) if mine else row._replace(high=row.high - 1)
            # In this order: killed in between, the worker holds what the row still offers, and `abandon` sees that.
            self._hold(worker, Slot(batch, group, 0.0))
            self._put(batch, rest)
            return group

    def peek(self, worker: int, batch: int) -> Optional[int]:
        """The group that `claim` would give now."""
        row = self.row(batch)
        if row.left <= 0:
            return None
        return row.low if row.owner == worker else row.high - 1

    def abandon(self, worker: int) -> Tuple[Slot, List[int]]:
        """A worker is dead: its batches are open again, their claimed groups stay claimed. Returns what it had in its
        hands and the batches it owned."""
        with self.locked():
            held = self.slot(worker)
            if held.batch != NOBODY:
                row = self.row(held.batch)
                if row.low <= held.group < row.high:
                    held = IDLE
            self._hold(worker, IDLE)
            owned = []
            for batch in range(self.batches):
                row = self.row(batch)
                if row.state == OWNED and row.owner == worker:
                    owned.append(batch)
                    self._put(batch, row._replace(state=OPEN if row.left or not row.collected else SPENT, owner=NOBODY))
            _HEAD.pack_into(self.memory, 0, self.batches, self.slots, int(self.stopped), self._opened_again() + 1)
            return held, owned
