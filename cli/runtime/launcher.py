"""A process that has everything imported and forks for each command: `python -m cli.runtime.launcher`.

Importing Prefect and the flows takes one to three seconds, which would be most of what a person waits for when nothing
changed. The fork happens before any thread, event loop or connection exists, so it starts as a fresh process would.
The command gets the caller's terminal, folder and environment; it ends when the caller does.
"""

from __future__ import annotations

import array
import gc
import importlib
import json
import os
import random
import signal
import socket
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

from cli.launch import FLOWS, HELLO, stamp, socket_path
from settings import settings
from toolchain.registry import known

REQUEST_LIMIT = 4 << 20
PATIENCE_S = 30.0
# What flows, Prefect and the tools' modules import only when they come to it: a fifth of a second in every command.
LATER = (
    "anyio._backends._asyncio",
    "blocks.platforms.local",
    "cli.main",
    "cli.rollback",
    "cli.run_flow",
    "fastapi.encoders",
    "prefect.engine",
    "prefect.flow_engine",
    "prefect.task_engine",
    "prefect.utilities.visualization",
    "tasks.image",
)
TOOLS = ("toolchain.builders", "toolchain.loadgens", "toolchain.runners", "toolchain.scanners")


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The request and the three descriptors that come with it."""
    descriptors = array.array("i")
    data, ancillary, _, _ = connection.recvmsg(4, socket.CMSG_SPACE(3 * descriptors.itemsize))
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    (length,) = struct.unpack("!I", data)
    if length > REQUEST_LIMIT:
        raise ValueError(f"a request of {length} bytes")
    text = b""
    while len(text) < length and (more := connection.recv(length - len(text))):
        text += more
    request: dict[str, Any] = json.loads(text)
    return request, list(descriptors)


def _same_user(connection: socket.socket) -> bool:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return bool(struct.unpack("3i", credentials)[1] == os.getuid())


def _obey(connection: socket.socket) -> None:
    """Passes on what the caller was told by its terminal; a caller that is gone means: stop."""
    while word := connection.recv(1):
        os.kill(os.getpid(), signal.SIGINT if word == b"I" else signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)


def _become(connection: socket.socket, request: dict[str, Any], descriptors: list[int]) -> None:
    """Runs the command in the forked process, in the caller's place; never returns."""
    code = 4
    try:
        os.setsid()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
            setattr(sys, name, open(number, mode, buffering=1, encoding="utf-8", errors="replace", closefd=False))
        os.umask(request["umask"])
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["environment"])
        random.seed()  # the parent's state would give every command the same names and jitter
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Thread(target=_obey, args=(connection,), daemon=True).start()
        main = importlib.import_module("cli.main").main
        code = main(request["argv"], launched=True)
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 4
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(bytes([code & 0xFF]))
        os._exit(code & 0xFF)


def _serve(listener: socket.socket, mine: str) -> None:
    while True:
        connection, _ = listener.accept()
        try:
            connection.settimeout(5)
            if not _same_user(connection):
                continue
            request, descriptors = _receive(connection)
            if request["stamp"] != mine:
                return  # the code has changed: the supervisor starts us again with the new one
            connection.sendall(HELLO)
            connection.settimeout(None)
            if os.fork() == 0:
                listener.close()
                _become(connection, request, descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
        except (OSError, ValueError, KeyError, struct.error) as error:
            print(f"a request was not understood: {error}", file=sys.stderr, flush=True)
        finally:
            connection.close()


def _let_others_go_first() -> None:
    """While the runtime starts, a first command and the worker need the processors; nobody needs us yet."""
    deadline = time.monotonic() + PATIENCE_S
    while not (settings().state / "worker.ready").exists() and time.monotonic() < deadline:
        time.sleep(0.2)


def main() -> None:
    """Imports what commands need, then serves until told to stop."""
    path = socket_path(settings().state)
    if path is None:
        # Too long a path for a socket: commands import for themselves. Ending would only be started again.
        signal.pause()
    assert path is not None
    _let_others_go_first()
    mine = stamp()
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
    for kind in FLOWS:
        importlib.import_module(f"flows.{kind}")
    for name in LATER:
        importlib.import_module(name)
    for package in TOOLS:
        for tool in known(package):
            importlib.import_module(f"{package}.{tool}")
    gc.collect()
    gc.freeze()
    Path(path).unlink(missing_ok=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen(16)
        _serve(listener, mine)


if __name__ == "__main__":
    main()
