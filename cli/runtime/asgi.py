"""Serves an ASGI application on a socket that the supervisor listens on: `python -m cli.runtime.asgi FD MODULE:APP`.

`uvicorn --fd` takes every descriptor for a Unix socket, and then leaves out TCP_NODELAY: 40 ms for each small answer.
"""

from __future__ import annotations

import os
import socket
import sys

import uvicorn

GRACE_S = 3


def main() -> None:
    """Serve until SIGTERM; `MODULE:APP()` says that APP makes the application."""
    descriptor, application = int(sys.argv[1]), sys.argv[2]
    os.set_inheritable(descriptor, False)
    config = uvicorn.Config(
        application.removesuffix("()"),
        factory=application.endswith("()"),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main()
