"""Workers as the parent holds them: forked, or started as processes of their own."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import subprocess
import sys
import traceback
from os import _exit  # a test may put another in its place
from typing import Any, List, Optional

from .afterfork import DUMP, apart, capture_apart, forget_exits, introduce, last_words, silence, temporary
from .clock import clock
from .company import Did
from .cover import worker_coverage
from .doubt import ENCORE, ORDER, PROVER, TRIAL, WORKER
from .journal import NO_JOURNAL, Event, Journal, Unwritable
from .plugins import whose
from .prover import Prover
from .worker import Stop, Todo, Worker

ENDING = 30.0
"""Seconds that a worker may take to end, before that counts as hanging."""


class Hand:
    """One worker: what it is at, by its own journal, and whether it lives."""

    def __init__(self, number: int, incarnation: int, todo: List[Todo], role: str, orders: str) -> None:
        self.role, self.orders = role, orders
        self.number, self.incarnation, self.name, self.todo = number, incarnation, f"gw{number}-{incarnation}", todo
        self.pid = 0
        self.process: Optional[subprocess.Popen[bytes]] = None
        self.case: Optional[Event] = None
        self.collecting: Optional[Event] = None
        self.since = clock.monotonic()
        self.through = self.said = False
        self.did: List[Did] = []  # as they came
        self.timed_out = 0.0
        self.broke = ""

    def heard(self, event: Event) -> None:
        kind, self.said = event["e"], True
        if kind == "start":
            self.case, self.since = event, clock.monotonic()
        elif kind in ("result", "doubted", "proof") and self.case is not None and event["id"] == self.case["id"]:
            if self.role == WORKER:
                self.did.append(Did(event["b"], event["id"], sum(event.get("d", ()))))
            self.case = None
        elif kind == "collecting":
            self.collecting, self.since = event, clock.monotonic()
        elif kind in ("file", "ready"):
            self.collecting = None
        elif kind == "broke":
            self.broke = event["text"]
        elif kind == "bye":
            self.through, self.since = True, clock.monotonic()

    def busy_for(self) -> float:
        """Seconds that it has been in one case, in collecting one file, or in ending for longer than it may."""
        seconds = clock.monotonic() - self.since
        return seconds if self.case or self.collecting else seconds - ENDING if self.through else 0.0

    def ended(self) -> Optional[int]:
        """Its exit code, negative for a signal; None while it lives."""
        if self.process is not None:
            return self.process.poll()
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return None if pid == 0 else _code(status)

    def wait(self) -> None:
        if self.process is not None:
            self.process.wait()
        else:
            os.waitpid(self.pid, 0)

    def signal(self, number: int) -> None:
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return

    def stop_hanging(self, limit: float) -> None:
        """Asks for its stacks, gives it a moment to write them, and kills it."""
        if not self.timed_out:
            self.timed_out = limit
            self.signal(DUMP)
            clock.sleep(0.2)
            self.signal(signal.SIGKILL)


def _code(status: int) -> int:
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def fork(foreman: Any, hand: Hand) -> Hand:
    """A worker that has everything its parent has, in a few milliseconds."""
    base = _base(foreman.session.config)
    sys.stdout.flush()
    sys.stderr.flush()
    gc.freeze()
    hand.pid = os.fork()
    if hand.pid:
        return hand
    code = 70
    try:
        code = _forked(foreman, hand, base)
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
            atexit._run_exitfuncs()
        finally:
            _exit(code)


def _base(config: Any) -> Optional[str]:
    factory = getattr(config, "_tmp_path_factory", None)
    return None if factory is None else str(factory.getbasetemp())


def _forked(foreman: Any, hand: Hand, base: Optional[str]) -> int:
    config, options = foreman.session.config, foreman.options
    forget_exits()
    config.pluginmanager.unregister(foreman.controller)
    apart(config, options)
    introduce(config, hand.number, foreman.count, foreman.run)
    silence(config)
    folder = os.path.join(options.out, "workers")
    os.makedirs(folder, exist_ok=True)
    stem = os.path.join(folder, hand.name)
    capture_apart(config, stem)
    last_words(f"{stem}.stacks")
    temporary(config, base, hand.number)
    journal = Journal(os.path.join(options.out, "journal"), hand.name)
    with worker_coverage(config):
        code = work(foreman.session, foreman.plan, foreman.board, journal, hand)
    if options.modules:
        from .preload import tell

        tell(options.out, options.environment)
    return code


def work(session: Any, plan: Any, board: Any, journal: Journal, hand: Hand) -> int:
    """The worker's life, and its exit code. What ends the whole run is said in the journal."""
    import pytest

    signal.signal(signal.SIGTERM, _interrupted)
    try:
        worker = (Prover if hand.role in (PROVER, ORDER) else Worker)(session, plan, board, journal, hand.number)
        worker.orders, worker.trial, worker.once = (
            hand.orders,
            hand.role in (TRIAL, ENCORE),
            hand.role in (ORDER, ENCORE),
        )
        worker.run(hand.todo)
        return 0
    except KeyboardInterrupt:
        return 2
    except Unwritable:
        return NO_JOURNAL
    except (pytest.exit.Exception, Stop) as reason:
        board.stop()
        text = f"a test stopped the run: {reason}"
        journal.write(
            {"e": "problem", "text": text}, {"e": "stopped", "text": text}, {"e": "bye", "w": f"gw{hand.number}"}
        )
        return 0
    except BaseException as error:
        journal.write({"e": "broke", "text": whose(error)})
        raise


def _interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def spawn(foreman: Any, hand: Hand) -> Hand:
    """A worker that starts as pytest does: slower, and safe where threads run."""
    from .spawned import write_orders

    out = foreman.options.out
    os.makedirs(os.path.join(out, "workers"), exist_ok=True)
    orders = os.path.join(out, "workers", f"{hand.name}.json")
    write_orders(orders, foreman, hand, _base(foreman.session.config))
    boot = os.path.join(os.path.dirname(os.path.abspath(__file__)), "boot.py")
    with open(os.path.join(out, "workers", f"{hand.name}.log"), "wb") as log:
        hand.process = subprocess.Popen(
            [sys.executable, boot, "--worker", orders, *foreman.options.words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=foreman.session.config.invocation_params.dir,
        )
    hand.pid = hand.process.pid
    return hand
