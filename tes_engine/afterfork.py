"""What a forked worker must put right before it runs anything: what it shares with its siblings and must not."""

from __future__ import annotations

import atexit
import faulthandler
import os
import signal
import socket
import sys
import weakref
from typing import Any, Optional

DUMP = getattr(signal, "SIGRTMIN", signal.SIGUSR2) + (7 if hasattr(signal, "SIGRTMIN") else 0)
"""Sent to a worker that hangs: it writes the stacks of its threads, whatever it is doing. No test uses it."""

_REPORTERS = ("_pytest.junitxml", "_pytest.terminalprogress", "_pytest.pastebin")


def introduce(config: Any, number: int, count: int, run: str) -> None:
    """What a worker of pytest-xdist would know of itself: plugins and fixtures ask for it."""
    name = f"gw{number}"
    config.workerinput = {"workerid": name, "workercount": count, "testrunuid": run, "mainargv": sys.argv}
    # pytest-cov asks these of a worker that is a process of its own: it is on its parent's machine, in its folder.
    ours = {"cov_master_host": socket.gethostname(), "cov_master_topdir": os.getcwd(), "cov_master_rsync_roots": []}
    config.workerinput.update(ours)
    config.workeroutput = {}
    os.environ["PYTEST_XDIST_WORKER"] = name
    os.environ["PYTEST_XDIST_WORKER_COUNT"] = str(count)
    os.environ["PYTEST_XDIST_TESTRUNUID"] = run


def apart(config: Any, options: Any) -> None:
    """What only the parent can know: whether a failure is one, when it can be repeated."""
    if options.retries:
        config.option.maxfail = 0


class _Mute:
    """A terminal that nobody sees."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("pytest_"):
            raise AttributeError(name)
        return lambda *words, **more: None


def silence(config: Any) -> None:
    """Nobody but the parent reports."""
    manager = config.pluginmanager
    reporter = manager.get_plugin("terminalreporter")
    if reporter is not None:
        manager.unregister(reporter)
    if getattr(config.option, "hypothesis_show_statistics", False):
        # Its plugin keeps what it has to tell only where there is a terminal to tell it to: the parent's, in our case.
        manager.register(_Mute(), "terminalreporter")
    for plugin in list(manager.get_plugins()):
        if type(plugin).__module__ in _REPORTERS:
            manager.unregister(plugin)
    # It would show fixtures on the terminal's writer, which is gone.
    config.option.setupshow = False
    logging = manager.get_plugin("logging-plugin")
    handler = getattr(logging, "log_cli_handler", None)
    if handler is not None and hasattr(handler, "set_when"):
        from _pytest.logging import _LiveLoggingNullHandler

        logging.log_cli_handler = _LiveLoggingNullHandler()


def forget_exits() -> None:
    """What the parent registered for its end stays with it; what tests register from here on runs at the worker's."""
    atexit._clear()
    finalize: Any = weakref.finalize
    for info in getattr(finalize, "_registry", {}).values():
        info.atexit = False
    finalize._registered_with_atexit = False


def capture_apart(config: Any, path: str) -> None:
    """Gives the worker capture files of its own behind the same Python objects: whoever holds on to `sys.stdout` goes
    on writing to the right place. The files have names, so that the last words of a killed worker can be read."""
    manager = config.pluginmanager.getplugin("capturemanager")
    capturing = getattr(manager, "_global_capturing", None)
    for word, one in (("out", getattr(capturing, "out", None)), ("err", getattr(capturing, "err", None))):
        if one is None or not hasattr(one, "targetfd_save"):
            continue
        fresh = os.open(f"{path}.{word}", os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.dup2(fresh, one.tmpfile.fileno(), inheritable=False)
        if getattr(one, "_state", "") == "started":
            os.dup2(fresh, one.targetfd)
        os.close(fresh)


def temporary(config: Any, base: Optional[str], number: int) -> None:
    """A base of its own for tmp_path, below the run's."""
    factory = getattr(config, "_tmp_path_factory", None)
    if factory is None or base is None:
        return
    from pathlib import Path

    own = Path(base) / f"popen-gw{number}"
    own.mkdir(mode=0o700, exist_ok=True)
    factory._basetemp = own


def last_words(path: str) -> None:
    """Stacks, when it crashes or is asked for them, go to a file that the parent reads."""
    file = open(path, "wb", buffering=0)  # noqa: SIM115 - open as long as the worker lives
    faulthandler.enable(file)
    faulthandler.register(DUMP, file, all_threads=True)
    globals()["_kept"] = file
