"""The engine's process: pytest's own run, with workers where its loop over the items would be."""

from __future__ import annotations

import fcntl
import importlib
import importlib.util
import os
import shutil
import signal
import sys
import time
import traceback
from typing import Any, List

from .journal import NO_JOURNAL, Journal, read_from
from .leaving import leave
from .options import parse

NO_PYTEST = 69
"""Exit code where the interpreter has no pytest (EX_UNAVAILABLE of sysexits.h)."""
BUSY = 75
"""Exit code where another engine is at work in the same folder (EX_TEMPFAIL)."""
INTERRUPTED = 2


def main(argv: List[str]) -> int:
    """Runs pytest with the engine's plugins. Ends the process where that is safe, else returns: pytest's exit code, or
    NO_PYTEST, NO_JOURNAL or BUSY."""
    options = parse(argv)
    options.environment = dict(os.environ)
    try:
        import pytest
    except ImportError as error:
        print(f"{error} (in {sys.executable})", file=sys.stderr)
        return NO_PYTEST
    _as_pytest(pytest, options.arguments)
    tracer = _coverage(options)
    if options.worker:
        from .spawned import run

        return run(options)
    from .controller import Controller
    from .surface import BLOCK, Surface

    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if not _alone(options.out):
            print(f"another engine is at work in {options.out}", file=sys.stderr)
            return BUSY
        _start_afresh_unless_cut_off(options.out, options.arguments)
        journal = Journal(os.path.join(options.out, "journal"), _free(options.out))
    except OSError as error:
        return _no_journal(error)
    controller = Controller(options, journal)
    code = 3
    try:
        code = int(pytest.main([*BLOCK, *options.arguments], plugins=[Surface(), controller, *recorders(options)]))
    except SystemExit as error:  # a plugin, or a module that was imported on the way
        journal.write({"e": "problem", "text": f"something called sys.exit({error.code!r}) outside of any case"})
    except Exception as error:  # a plugin, when all is over
        from .plugins import whose

        traceback.print_exc()
        journal.write({"e": "problem", "text": f"pytest broke down: {whose(error)}"})
    finally:
        if tracer is not None:
            tracer.stop()
            tracer.save()
        try:
            journal.write({"e": "end", "exit": code, **controller.totals(), "t": time.time()})
        except OSError as error:
            code = _no_journal(error)
    leave(code, options.out)
    return code


def _no_journal(error: OSError) -> int:
    print(f"the journal cannot be written: {error}", file=sys.stderr)
    return NO_JOURNAL


def _alone(out: str) -> bool:
    """Whether no other engine is at work in the folder. The lock is this process's, not its workers', to its end."""
    os.makedirs(out, exist_ok=True)
    handle = os.open(os.path.join(out, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _free(out: str) -> str:
    """The name of the parent's journal: another one each time the same run is gone on with."""
    names = ["main", *(f"main-{number}" for number in range(2, 1000))]
    return next(name for name in names if not os.path.exists(os.path.join(out, "journal", f"{name}.jsonl")))


def _start_afresh_unless_cut_off(out: str, arguments: List[str]) -> None:
    """A journal that was broken off is gone on with; one of a run that is over, or of other cases, is not."""
    folder = os.path.join(out, "journal")
    if not os.path.isdir(folder):
        return
    kept = False
    for name in sorted(os.listdir(folder), key=lambda name: (len(name), name)):
        if name.startswith("main"):
            events, _ = read_from(os.path.join(folder, name))
            ends = [event for event in events if event["e"] == "end"]
            same = all(event["arguments"] == arguments for event in events if event["e"] == "session")
            kept = same and not (ends and ends[-1]["exit"] != INTERRUPTED)
    if not kept:
        shutil.rmtree(folder)
        shutil.rmtree(os.path.join(out, "impact"), ignore_errors=True)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _as_pytest(pytest: Any, arguments: List[str]) -> None:
    """Whoever asks what program this is, a test of a command line say, hears what `python -m pytest` would say."""
    this: Any = sys.modules["__main__"]
    this.__spec__ = importlib.util.find_spec("pytest.__main__")
    this.__package__ = "pytest"
    this.__file__ = os.path.join(os.path.dirname(pytest.__file__), "__main__.py")
    sys.argv[:] = [this.__file__, *arguments]


def recorders(options: Any) -> List[Any]:
    """The plugin of `--impact`, if it is asked for. It looks from now on, so that it sees what conftests execute."""
    if not options.impact:
        return []
    from .impact import Recorder

    return [Recorder(options.out, os.getcwd())]


def _coverage(options: Any) -> Any:
    if not options.coverage:
        return None
    coverage: Any = importlib.import_module("coverage")
    folder = os.path.join(options.out, "coverage")
    os.makedirs(folder, exist_ok=True)
    tracer = coverage.Coverage(
        data_file=os.path.join(folder, ".coverage"),
        data_suffix=True,
        config_file=options.coverage,
        messages=False,
    )
    # The parent runs no case, and a worker may find none of the project's code: that is no warning to anybody.
    tracer._no_warn_slugs = {"no-data-collected", "module-not-imported"}
    tracer.start()
    return tracer
