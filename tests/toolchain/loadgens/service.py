"""A service on loopback that answers as it is told: what load generators are tried on."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextlib.contextmanager
def answering(status: int = 200, after: float = 0.0) -> Iterator[str]:
    """Its base URL, while the block runs. /gone is 404, /away redirects, all else answers `status` and "hello"."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            time.sleep(after)
            code = {"/gone": 404, "/away": 302}.get(self.path, status)
            head = f"HTTP/1.1 {code} x\r\ncontent-type: application/json\r\ncontent-length: 5\r\n"
            head += "location: /gone\r\n" if code == 302 else ""
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(f"{head}\r\nhello".encode())

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
