"""Listening sockets on loopback, which the supervisor keeps while the servers behind them come and go.

So a port is nobody else's between two lives of a server, and whoever connects meanwhile waits for the next one instead
of being refused: a release in flight does not notice that the Prefect server was killed.
"""

from __future__ import annotations

import errno
import socket

from domain.errors import CapabilityError

SPAN = 200
BACKLOG = 512


def listen(wanted: int) -> socket.socket:
    """A socket that listens at `wanted`, or at the first port above it that can be had."""
    last = min(wanted + SPAN, 65535)
    for port in range(wanted, last + 1):
        listening = socket.socket()
        # As servers do: without it, connections of a server that just ended would hold its port for a minute.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
            listening.listen(BACKLOG)
            return listening
        except OSError as error:
            listening.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
    raise CapabilityError(
        f"no free port on 127.0.0.1 from {wanted} to {last}", fix="stop what listens there, or set TES_SERVICE_PORT"
    )


def number(listening: socket.socket) -> int:
    """Its port."""
    return int(listening.getsockname()[1])
