"""Who does what: a table in memory that the parent and all workers share, through a file that outlives each of them.

A row a batch (the cases of one file), a slot a worker. Every change is made under a file lock, which the system gives
back when its holder dies, so a killed worker blocks nobody. A claim and the note of who holds it are one change: at any
moment the table says which case each worker has in its hands.

The groups of a batch are divided into parts, one a worker at most, and each worker goes through its own from the front:
a case finds most of what ran before it in its file, as in plain pytest. Who has none left takes the back half of the
largest part, or all of what a dead worker has left.
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
_ROW = struct.Struct("<iiiqdddi")
_PART = struct.Struct("<ii")
_SLOT = struct.Struct("<iid")


class Row(NamedTuple):
    """A batch of so many `groups`; -1 until somebody has collected it."""

    state: int
    owner: int
    groups: int
    digest: int
    collecting: float  # seconds it took to collect
    setup: float  # seconds of the longest set-up seen: what it costs a helper to join
    spent: float  # seconds that its cases took so far
    ran: int

    @property
    def collected(self) -> bool:
        return self.groups != UNKNOWN


class Part(NamedTuple):
    """The groups of a batch that a worker is to claim next, `low` to `high` without the last."""

    low: int
    high: int

    @property
    def left(self) -> int:
        return self.high - self.low


class Slot(NamedTuple):
    """What a worker has in its hands: a group of a batch, since when (0 while it is between two)."""

    batch: int
    group: int
    since: float


FRESH = Row(OPEN, NOBODY, UNKNOWN, 0, 0.0, 0.0, 0.0, 0)
NOTHING = Part(0, 0)
IDLE = Slot(NOBODY, NOBODY, 0.0)


class Board:
    """The table. `expected` are seconds of each batch, for the choice of which to help with."""

    def __init__(self, path: str, batches: int, slots: int) -> None:
        self.path, self.batches, self.slots = path, batches, slots
        # Where the first open batch was last seen: those before it are not open, unless one was opened again.
        self._at, self._seen_again = 0, 0
        self._parts_at = _HEAD.size + batches * _ROW.size + slots * _SLOT.size
        self._all_parts = struct.Struct(f"<{2 * (slots + 1)}i")
        size = self._parts_at + batches * self._all_parts.size
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

    def parts(self, batch: int) -> List[Part]:
        """By worker; the last is one that a dead worker has left."""
        ends = self._all_parts.unpack_from(self.memory, self._parts_at + batch * self._all_parts.size)
        return [Part(*ends[at : at + 2]) for at in range(0, len(ends), 2)]

    def left(self, batch: int) -> int:
        """How many groups nobody has claimed."""
        ends: Tuple[int, ...] = self._all_parts.unpack_from(self.memory, self._parts_at + batch * self._all_parts.size)
        return sum(ends[1::2]) - sum(ends[::2])

    def _part(self, batch: int, worker: int, part: Part) -> None:
        at = self._parts_at + batch * self._all_parts.size + worker * _PART.size
        _PART.pack_into(self.memory, at, *part)

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
            self._put(batch, self.row(batch)._replace(state=SPENT, owner=NOBODY))
            for worker in range(self.slots + 1):
                self._part(batch, worker, NOTHING)

    def collected(self, worker: int, batch: int, groups: int, digest: int, seconds: float) -> bool:
        """What a worker found in a batch; the first has all of it for its part. False when another found something else
        there: then it must not help."""
        with self.locked():
            row = self.row(batch)
            if row.collected:
                return row.digest == digest
            state = OWNED if groups else SPENT
            self._part(batch, worker, Part(0, groups))
            self._put(batch, row._replace(state=state, groups=groups, digest=digest, collecting=seconds))
            return True

    def claim(self, worker: int, batch: int, ran: Optional[Tuple[float, float]] = None) -> Optional[int]:
        """The next group of a collected batch, in the worker's hands now; None when none is left. `ran`: the seconds
        that the last one took, all of it and the longest set-up, which tell others whether helping is worth its cost.
        """
        with self.locked():
            row = self.row(batch)
            if ran is not None:
                row = row._replace(spent=row.spent + ran[0], ran=row.ran + 1, setup=max(row.setup, ran[1]))
                self._put(batch, row)
            giver, part = self._next_part(worker, batch)
            if part.left <= 0:
                if row.state != SPENT and row.collected:
                    self._put(batch, row._replace(state=SPENT))
                return None
            # In this order: killed in between, the worker holds what a part still offers, and `abandon` sees that; or
            # a part has no holder, and it is missed at the end of the run.
            self._hold(worker, Slot(batch, part.low, 0.0))
            if giver is not None:
                self._part(batch, *giver)
            self._part(batch, worker, part._replace(low=part.low + 1))
            return part.low

    def peek(self, worker: int, batch: int) -> Optional[int]:
        """The group that `claim` would give now."""
        _, part = self._next_part(worker, batch)
        return part.low if part.left > 0 else None

    def _next_part(self, worker: int, batch: int) -> Tuple[Optional[Tuple[int, Part]], Part]:
        """Where the worker goes on: (whose part becomes which by that, its own)."""
        parts = self.parts(batch)
        if parts[worker].left > 0:
            return None, parts[worker]
        other = max(range(len(parts)), key=lambda at: (parts[at].left, at))
        low, high = parts[other]
        middle = low if other == self.slots else (low + high) // 2
        return (other, Part(low, middle)), Part(middle, high)

    def abandon(self, worker: int) -> Tuple[Slot, List[int]]:
        """A worker is dead: its batches are open again, their claimed groups stay claimed. Returns what it had in its
        hands and the batches it owned."""
        with self.locked():
            held = self.slot(worker)
            if held.batch != NOBODY:
                if any(part.low <= held.group < part.high for part in self.parts(held.batch)):
                    held = IDLE
            self._hold(worker, IDLE)
            owned = []
            for batch in range(self.batches):
                row = self.row(batch)
                parts = self.parts(batch)
                if parts[worker].left and not parts[self.slots].left:
                    self._part(batch, self.slots, parts[worker])
                    self._part(batch, worker, NOTHING)
                if row.state == OWNED and row.owner == worker:
                    owned.append(batch)
                    state = OPEN if self.left(batch) or not row.collected else SPENT
                    self._put(batch, row._replace(state=state, owner=NOBODY))
            _HEAD.pack_into(self.memory, 0, self.batches, self.slots, int(self.stopped), self._opened_again() + 1)
            return held, owned
