"""What the agent and its callers know of its guardian: how it is started, and the channel to it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from blocks.platforms.local_agent import guardian

_LOCK = "guardian.lock"


def vacant(folder: Path) -> int | None:
    """The descriptor of a lock that is handed to a new guardian; None while a guardian lives."""
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def lives(folder: Path) -> bool:
    """A guardian runs there."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def start(
    folder: Path, lock: int, command: Sequence[str], environment: Mapping[str, str], pid: int = 0, channel: int = -1
) -> subprocess.Popen[bytes]:
    """A guardian that starts `command`, or takes over the agent `pid` at the other end of `channel`.

    It owns the lock from now on: there is no moment in which two could be started.
    """
    argv = [sys.executable, "-I", "-S", guardian.__file__, str(lock), str(pid), str(channel), *command]
    try:
        with open(folder / "agent.log", "ab") as log:
            return subprocess.Popen(
                argv,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[number for number in (lock, channel) if number >= 0],
            )
    finally:
        os.close(lock)


class Guarded:
    """The agent's end of the channel. `passed`: its descriptor and those of the public sockets a former agent had."""

    def __init__(self, folder: Path, passed: Sequence[int]) -> None:
        self._folder = folder
        self._channel = socket.socket(fileno=passed[0]) if passed else None
        self._left: dict[int, socket.socket] = {}
        self._held: dict[int, socket.socket] = {}
        self._guardian: subprocess.Popen[bytes] | None = None
        for descriptor in passed:
            os.set_inheritable(descriptor, False)  # no copy keeps a public port open
        for descriptor in passed[1:]:
            listening = socket.socket(fileno=descriptor)
            self._left[listening.getsockname()[1]] = listening

    def take(self, port: int | None) -> socket.socket | None:
        """The socket that a former agent listened on."""
        return self._left.pop(port or 0, None)

    def hold(self, port: int, listening: socket.socket) -> None:
        """The guardian keeps this socket open, too."""
        self._held[port] = listening
        self._say(f"hold {port}", listening)

    def drop(self, port: int) -> None:
        """Nobody listens on the port any more, from now on: `shutdown` holds for the guardian's descriptor as well."""
        self._say(f"drop {port}")
        with contextlib.suppress(OSError):  # macOS has no shutdown of a listening socket
            self._held.pop(port).shutdown(socket.SHUT_RDWR)

    def drop_what_is_left(self) -> None:
        """What a former agent listened on and nobody took."""
        while self._left:
            port, listening = self._left.popitem()
            self._held[port] = listening
            self.drop(port)
            listening.close()

    def up(self) -> None:
        """From now on a death is an accident: the agent could be started."""
        self._say("up")

    def bye(self) -> None:
        """The end that follows is meant."""
        self._say("bye")

    def renew(self) -> None:
        """Starts another guardian for this agent when its own is gone."""
        if self._channel is None or not self._lost(self._channel) or (lock := vacant(self._folder)) is None:
            return
        if self._guardian is not None:
            self._guardian.wait()
        self._channel.close()
        self._channel, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, *_without_passed(sys.orig_argv[1:])]
            self._guardian = start(self._folder, lock, command, os.environ, os.getpid(), theirs.fileno())
        for port, listening in self._held.items():
            self.hold(port, listening)

    @staticmethod
    def _lost(channel: socket.socket) -> bool:
        try:
            return channel.recv(1, socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    def _say(self, words: str, listening: socket.socket | None = None) -> None:
        if self._channel is None:
            return
        descriptors = [listening.fileno()] if listening is not None else []
        with contextlib.suppress(ConnectionError):  # `renew` says all of it to the next guardian
            socket.send_fds(self._channel, [words.ljust(guardian.SIZE).encode()], descriptors)


def _without_passed(argv: Sequence[str]) -> list[str]:
    kept = list(argv)
    if "--passed" in kept:
        where = kept.index("--passed")
        del kept[where : where + 2]
    return kept
