"""Writers in processes of their own: forked from one that has imported the records, which takes longer than writing."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import records
from records.write import attempt as write
from tests.records.values import attempt, verdict

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])

Tell = Callable[[object], None]
Work = Callable[[int, Tell], None]


class Writer:
    """A process that does its work on the records at a URL, with its number."""

    def __init__(self, work: Work, url: str, number: int = 0) -> None:
        self._ear, mouth = _FORKS.Pipe(duplex=False)
        self._process = _FORKS.Process(target=_go, args=(work, url, number, mouth))
        self._process.start()
        mouth.close()

    def hear(self) -> Any:
        """The next that it tells. EOFError when it is over."""
        return self._ear.recv()

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> tuple[int | None, list[Any]]:
        """Waits for its end. Its exit code, and what it told that nobody has heard."""
        told = []
        while True:
            try:
                told.append(self.hear())
            except EOFError:
                break
        self._process.join(120)
        return self._process.exitcode, told


def _go(work: Work, url: str, number: int, mouth: Connection) -> None:
    os.environ["TES_DATABASE_URL"] = url
    try:
        work(number, mouth.send)
    except BaseException:
        mouth.send(traceback.format_exc())
        raise


def own_and_shared(me: int, tell: Tell) -> None:
    """Five batches of 20 cases that each writer has, and of 20 that only this one has."""
    for batch in range(5):
        shared = [attempt(f"shared_{n}") for n in range(batch * 20, batch * 20 + 20)]
        own = [attempt(f"own_{me}_{n}") for n in range(batch * 20, batch * 20 + 20)]
        records.open_run("r1", "checkout", "release")
        # Each writer in another order: that is what deadlocks are made of.
        records.record_attempts("r1", "tests.unit", own + shared if me % 2 else (shared + own)[::-1])
        records.record_stage("r1", f"stage.{batch}", verdict(), started=1.0, ended=2.0)
        records.audit(str(me), "record", f"batch {batch}", {"rows": 40})


def batch_after_batch(_: int, tell: Tell) -> None:
    """Batches of 50, each told when it is kept, until it is killed."""
    for batch in range(10_000):
        records.record_attempts("r1", "tests.unit", [attempt(f"{batch}_{n}") for n in range(50)])
        tell(batch)


def overlapping(me: int, tell: Tell) -> None:
    """A window over the same 300 cases, elsewhere for each writer, each time the other way round, with repeats."""
    write.PORTION = 40  # several portions a transaction
    for batch in [*range(6), *range(6)]:
        window = [attempt(f"case_{(me * 37 + batch * 50 + n) % 300:03}") for n in range(120)]
        given = window + window[:10]
        records.record_attempts("r1", "tests.unit", iter(given if (me + batch) % 2 else given[::-1]))
        tell(batch)


def only_a_run(me: int, tell: Tell) -> None:
    records.open_run(f"run-{me}", "p", "release")
