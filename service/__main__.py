"""`python -m service [--port N]`: the API service on loopback, in the foreground.

The port is `--port`, else PORT (what platforms set), else TES_SERVICE_PORT, else 8000.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import logging
import os
import socket
import sys

from domain.errors import EXIT_PASS, CapabilityError, TesError
from service.binding import checked, loopback, port

_log = logging.getLogger("service")


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 3 when it was told to listen where it may or can not. SIGTERM lets requests finish, then ends the
    process as that signal does."""
    parser = argparse.ArgumentParser(prog="python -m service", description=__doc__)
    parser.add_argument("--port", help="0 for any free one")
    parser.add_argument("--host", default=os.environ.get("TES_SERVICE_HOST", "127.0.0.1"))
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        listening = _listen(checked(chosen.host), _port(chosen.port))
    except TesError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if not loopback(chosen.host):
        _log.warning("listening on %s without access control: publish this port to people you trust only", chosen.host)
    _serve(listening)
    return EXIT_PASS


def _port(option: str | None) -> int:
    for name, text in (("--port", option), ("PORT", os.environ.get("PORT"))):
        if text:
            return port(text, name)
    return port(os.environ.get("TES_SERVICE_PORT") or "8000", "TES_SERVICE_PORT")


def _listen(host: str, number: int) -> socket.socket:
    """Bound before anything is imported that takes long: a port in use is told at once, and in one line."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, number))
    except OSError as error:
        listening.close()
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
        raise CapabilityError(
            f"port {number} on {host} {why}", fix="choose another with --port or TES_SERVICE_PORT; 0 takes a free one"
        ) from None
    return listening


def _serve(listening: socket.socket) -> None:
    import uvicorn

    host, number = listening.getsockname()[:2]
    _log.info("http://%s:%d", f"[{host}]" if ":" in host else host, number)
    config = uvicorn.Config(
        "service.app:app",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=10,
    )
    # It stopped in good order before it raises the interrupt again.
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    sys.exit(main())
