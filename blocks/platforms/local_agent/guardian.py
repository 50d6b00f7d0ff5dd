"""`python -I -S guardian.py LOCK AGENT CHANNEL COMMAND...`: starts the agent again when it was killed or broke.

It holds the listening sockets of the public ports as well, so that connections made meanwhile wait in their backlog
instead of being refused. It imports next to nothing: what is small and does nothing is not what the kernel kills.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time

SIZE = 10  # bytes of a message: "hold 8080" with the socket, "drop 8080", "up" (it serves), "bye" (it means to end)
_PAUSE_FIRST, _PAUSE_MOST, _CALM = 0.05, 1.0, 1.0  # seconds


class Guardian:
    """`pid` and `channel` are those of an agent that runs already, whose own guardian was killed."""

    def __init__(self, command: list[str], pid: int, channel: socket.socket | None) -> None:
        self.command, self.pid, self.channel = command, pid, channel
        self.listening: dict[str, int] = {}
        self.proven = channel is not None
        self.ending = self.said_bye = False

    def guard(self) -> int:
        """Returns once the agent has ended by itself, with its exit code."""
        signal.signal(signal.SIGTERM, self._end)
        pause = _PAUSE_FIRST
        while True:
            began = time.monotonic()
            code = self._life()
            broke_at_start = code > 0 and not self.proven
            if self.said_bye or self.ending or broke_at_start:
                return max(code, 0)
            if time.monotonic() - began > _CALM:
                pause = _PAUSE_FIRST
            _tell(f"was ended by signal {-code}" if code < 0 else f"broke with exit {code}")
            time.sleep(pause)
            pause = min(_PAUSE_MOST, 2 * pause)
            if self.ending:
                return 0

    def _life(self) -> int:
        """One agent from its start to its end: its exit code, or minus its signal."""
        try:
            channel = self.channel or self._start()
        except OSError as error:  # out of memory or processes: that may pass
            return error.errno or 1
        self._listen(channel)
        channel.close()
        self.channel = None
        return self._reap()

    def _start(self) -> socket.socket:
        channel, theirs = socket.socketpair()
        passed = [theirs.fileno(), *self.listening.values()]
        for descriptor in passed:
            os.set_inheritable(descriptor, True)
        argv = [*self.command, "--passed", ",".join(map(str, passed))]
        self.pid = os.posix_spawn(argv[0], argv, os.environ)
        theirs.close()
        if self.ending:  # told between the last look and now
            self._end()
        return channel

    def _listen(self, channel: socket.socket) -> None:
        """Until the agent is gone: its end of the channel is closed by the kernel, however it ended."""
        while True:
            try:
                message, descriptors, _, _ = socket.recv_fds(channel, SIZE, 1)
            except ConnectionResetError:
                return
            if not message:
                return
            verb, _, port = message.decode().partition(" ")
            if verb in ("hold", "drop") and port in self.listening:
                os.close(self.listening.pop(port))
            for descriptor in descriptors:
                self.listening[port] = descriptor
            if verb == "bye":
                self.said_bye = True
                while self.listening:
                    os.close(self.listening.popitem()[1])
            self.proven = self.proven or verb == "up"

    def _reap(self) -> int:
        try:
            return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        except ChildProcessError:
            return 0 if self.said_bye else -signal.SIGKILL  # it was another one's child
        finally:
            self.pid = 0

    def _end(self, *_: object) -> None:
        self.ending = True
        try:
            if self.pid:
                os.kill(self.pid, signal.SIGTERM)
        except ProcessLookupError:
            return  # it was quicker


def _tell(how: str) -> None:
    try:
        os.write(2, f"{time.strftime('%F %T')} the agent {how}; it is started again\n".encode())
    except OSError:
        return  # the disk is full, which is no reason to leave the agent dead


def main() -> int:
    lock, pid, channel = (int(argument) for argument in sys.argv[1:4])
    os.set_inheritable(lock, False)  # held, by being open, for as long as this process lives
    return Guardian(sys.argv[4:], pid, socket.socket(fileno=channel) if channel >= 0 else None).guard()


if __name__ == "__main__":
    sys.exit(main())
