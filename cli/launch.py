"""Hands a command to the runtime's launcher, which has everything imported. Without one, the command runs here."""

from __future__ import annotations

import array
import hashlib
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

from settings import settings

_ALONE = ("release", "build", "scan", "execution", "load", "deploy", "rollback", "drift")
FLOWS = (*_ALONE, "release_together", "deploy_together")
HELLO = b"+"
# Of sockaddr_un's 108 bytes, with the closing NUL.
LONGEST_PATH = 107
KILLED = 4


def socket_path(home: Path) -> str | None:
    """The launcher's socket; None where the system cannot have one there."""
    path = str(home / "launcher.sock")
    return path if sys.platform == "linux" and len(os.fsencode(path)) <= LONGEST_PATH else None


def stamp() -> str:
    """Changes when any of our modules does: a launcher with older code must not be used."""
    root = Path(__file__).resolve().parent.parent
    folders = ("blocks", "cli", "domain", "flows", "records", "service", "tasks", "toolchain")
    seen = hashlib.sha256(sys.version.encode())
    for folder in folders:
        for path, _, files in sorted(os.walk(root / folder)):
            for name in sorted(files):
                if name.endswith(".py"):
                    about = os.stat(os.path.join(path, name))
                    seen.update(f"{path}/{name} {about.st_mtime_ns} {about.st_size}\n".encode())
    return seen.hexdigest()


def launched(argv: Sequence[str]) -> int | None:
    """The exit code of the command, run by the launcher on this terminal; None when there is none to run it."""
    path = socket_path(settings().state)
    if path is None or settings().prefect_api_url is not None or not os.path.exists(path):
        return None
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.settimeout(2)
            connection.connect(path)
            _send(connection, argv)
            if connection.recv(1) != HELLO:
                return None
        except OSError:
            return None
        connection.settimeout(None)
        return _follow(connection)


def _send(connection: socket.socket, argv: Sequence[str]) -> None:
    umask = os.umask(0)
    os.umask(umask)
    request = {
        "argv": list(argv),
        "cwd": os.getcwd(),
        "environment": dict(os.environ),
        "umask": umask,
        "stamp": stamp(),
    }
    text = json.dumps(request).encode()
    descriptors = array.array("i", [0, 1, 2])
    connection.sendmsg([struct.pack("!I", len(text))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
    connection.sendall(text)


def _follow(connection: socket.socket) -> int:
    """Waits for the exit code; what the terminal tells us is passed on, and the command decides what it means."""
    for number, word in ((signal.SIGINT, b"I"), (signal.SIGTERM, b"T"), (signal.SIGHUP, b"T")):
        signal.signal(number, lambda *_, word=word: connection.sendall(word))
    code = connection.recv(1)
    if not code:
        print("tes: the command's process was killed; run it again to go on from there", file=sys.stderr)
        return KILLED
    return code[0]
