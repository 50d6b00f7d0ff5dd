"""A service for proofs: it says what its class is told to say."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import ClassVar


class Shop(BaseHTTPRequestHandler):
    """Says what its class says: its version, its status, and after how long."""

    protocol_version = "HTTP/1.1"
    version, status, pause = "v1", 200, 0.0
    asked = threading.Event()
    clients: ClassVar[list[object]] = []

    def setup(self) -> None:
        type(self).clients.append(self.client_address)
        super().setup()

    def do_GET(self) -> None:
        type(self).asked.set()
        time.sleep(type(self).pause)
        self.send_response(type(self).status)
        if type(self).version:
            self.send_header("X-Release", type(self).version)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""
