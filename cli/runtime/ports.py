"""Free ports on loopback."""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection

from domain.errors import CapabilityError

SPAN = 200


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        # As servers do: without it, connections of a server that just ended would hold its port for a minute.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            # Two sockets with SO_REUSEADDR may both bind; only one may listen.
            probe.listen(1)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def next_free(wanted: int, taken: Collection[int] = ()) -> int:
    """`wanted`, or the first port above it that is free and not in `taken`."""
    last = min(wanted + SPAN, 65535)
    for port in range(wanted, last + 1):
        if port not in taken and is_free(port):
            return port
    raise CapabilityError(
        f"no free port on 127.0.0.1 from {wanted} to {last}", fix="stop what listens there, or set TES_SERVICE_PORT"
    )
