"""Brings runs of `tes test` from the spool into the records: `python -m tasks.absorb`, and by itself after each run.

Harmless to repeat: a run keeps its id, an attempt its key, and an entry is forgotten only when all of it is recorded.
One process at a time does it; what it could not do, the next one does. TES_RECORD=0 turns the recording off.
"""

from __future__ import annotations

import fcntl
import gc
import os
import sys
import traceback
from contextlib import suppress

from tasks import spool
from tasks.spool import Entry
from tasks.state_folder import home

NICE = 15


def wanted() -> bool:
    """Whether runs are to be recorded."""
    return os.environ.get("TES_RECORD", "1").lower() not in ("0", "false", "no", "off")


def in_background() -> None:
    """Records what waits in a process that nobody waits for. Returns at once.

    A fork and not a new interpreter: everything that reads reports is imported already. Must not be called with
    threads running.
    """
    if not wanted():
        return
    with suppress(OSError):  # nobody reads it any more
        sys.stdout.flush()
        sys.stderr.flush()
    if (child := os.fork()) != 0:
        os.waitpid(child, 0)
        return
    code = 1
    try:
        os.setsid()
        if os.fork() == 0:  # nobody's child any more, so that it leaves no zombie
            log = os.open(
                os.path.join(home(), "absorb.log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
            )
            nothing = os.open(os.devnull, os.O_RDONLY)
            for descriptor, number in ((nothing, 0), (log, 1), (log, 2)):
                os.dup2(descriptor, number)
            gc.freeze()
            os.nice(NICE)
            absorb()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def absorb(*, patient: bool = False) -> int:
    """Records every entry whose run is over, and returns how many were. `patient`: waits for another process that does
    the same; otherwise leaves it to that one."""
    if not wanted() or not any(spool.waiting()):
        return 0
    with open(os.path.join(home(), "spool", "lock"), "wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if patient else fcntl.LOCK_NB))
        except BlockingIOError:
            return 0
        count, roots = 0, set()
        for entry in spool.waiting():
            if entry.state == spool.RUNNING and _alive(entry.pid):
                continue
            try:
                record(entry)
            except Exception:
                # It stays for the next time, unless there will never be anything to record.
                traceback.print_exc()
                if os.path.isdir(entry.folder):
                    continue
            entry.forget()
            roots.add(entry.root)
            count += 1
        for root in roots:
            spool.prune(root)
        return count


def caught_up() -> None:
    """Records what waits, before the records are looked at. Trouble with it is told and stops nobody from looking."""
    try:
        absorb(patient=True)
    except OSError as error:
        print(f"tes: runs of `tes test` are waiting to be recorded: {error}", file=sys.stderr)


def record(entry: Entry) -> None:
    """One run with its suites and attempts. Raises whatever the records raise; then the entry stays."""
    from domain.verdict import Outcome, Verdict
    from records.write.attempt import record_attempts
    from records.write.run import close_run, mark_interrupted, open_run
    from records.write.stage import record_stage
    from tasks.actor import actor
    from tasks.suite_result import reported

    open_run(entry.run, entry.project, "test", actor=actor())
    for name, rounds in entry.suites.items():
        report = reported(rounds, entry)
        if report is not None:
            record_attempts(entry.run, f"tests.{name}", report.attempts)
    for name, verdict in entry.verdicts.items():
        said = Verdict.model_validate(verdict)
        record_stage(entry.run, f"tests.{name}", said, started=entry.began, ended=entry.ended)
    if entry.state == spool.DONE:
        close_run(entry.run, Outcome(entry.outcome), entry.reasons)
    else:
        mark_interrupted(entry.run, "stopped by a person" if entry.ended else "its process was killed")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


if __name__ == "__main__":
    print(f"{absorb(patient=True)} recorded")
