"""What several tests of tasks stand on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import ClassVar

import pytest

from tests.tasks.shop import Shop


@pytest.fixture
def shop() -> Iterator[tuple[type[Shop], str]]:
    """A service of the test's own, and its address."""

    class Own(Shop):
        """What it says is this test's alone."""

        asked = threading.Event()
        clients: ClassVar[list[object]] = []

    class Server(ThreadingHTTPServer):
        daemon_threads, block_on_close = True, False

    server = Server(("127.0.0.1", 0), Own)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Own, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
