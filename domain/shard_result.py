"""A shard that runs elsewhere: what it is told, what it commits, and which of several commits counts.

A shard's run can be lost, or seem so and answer late, or be executed twice by the scheduler (Prefect issue 12509). So
each time it is handed out it gets a fencing token, one higher than the last, and what it leaves is named by it. Of the
results for one shard the highest token that was committed counts, once; others are told and ignored. The method: M.
Kleppmann, Designing Data-Intensive Applications, 2017, chapter 8, "Fencing tokens".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

from pydantic import Field

from domain.plan import Shard
from domain.spec import Build, Suite
from domain.verdict import Value


class Order(Value):
    """All that a shard's run needs to know, and nothing secret. `source` is the snapshot's digest."""

    run: str
    project: str
    source: str
    suite: Suite
    shard: Shard
    of: int
    plan: str
    token: int
    build: Build
    needs: tuple[str, ...] = ()
    durations: dict[str, float] = Field(default_factory=dict, description="expected seconds by node id")

    @property
    def folder(self) -> str:
        return folder(self.run, self.suite.name, self.shard.number, self.token)


class Commit(Value):
    """The last thing that a shard's run writes: what it answers, and what its archive must be, byte for byte."""

    run: str
    suite: str
    shard: int
    plan: str
    token: int
    sha256: str
    size: int

    @staticmethod
    def of(order: Order, sha256: str, size: int) -> Commit:
        return Commit(
            run=order.run,
            suite=order.suite.name,
            shard=order.shard.number,
            plan=order.plan,
            token=order.token,
            sha256=sha256,
            size=size,
        )


def folder(run: str, suite: str, shard: int, token: int) -> str:
    """Where a shard's run finds its order and leaves its result: `<run>/<suite>/<shard>/<token>`."""
    return str(PurePosixPath(run, suite, str(shard), str(token)))


def accepted(order: Order, issued: Collection[int], commits: Iterable[Commit]) -> tuple[Commit | None, list[str]]:
    """The commit that counts for the order's shard, and what is to be told of the others.

    `issued` are the tokens that were handed out for it: a result under another one, of another run or another plan, was
    not asked for by us.
    """
    told: list[str] = []
    sound: list[Commit] = []
    for commit in commits:
        where = f"shard {order.shard.number} of {order.of}"
        if (commit.run, commit.suite, commit.shard) != (order.run, order.suite.name, order.shard.number):
            told.append(f"{where}: the result of shard {commit.shard} of {commit.suite} in run {commit.run} is ignored")
        elif commit.plan != order.plan:
            told.append(f"{where}: a result of another plan ({commit.plan[:12]}) is ignored")
        elif commit.token not in issued:
            told.append(f"{where}: a result under token {commit.token}, which nobody handed out, is ignored")
        else:
            sound.append(commit)
    best = max(sound, key=lambda commit: commit.token, default=None)
    stale = sorted({commit.token for commit in sound if commit is not best})
    if best is not None and stale:
        tokens = ", ".join(map(str, stale))
        told.append(
            f"shard {order.shard.number} of {order.of} answered more than once: token {best.token} counts, "
            f"token {tokens} is ignored"
        )
    return best, told
