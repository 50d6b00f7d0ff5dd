"""A client inside the cluster, as a pod's command: its services need not be reached from where the tests run.

GET /?host=10.0.0.1&port=80&at=/&number=400 makes that many requests, a connection each, and answers with how often
each status and text came. With &kept=5 it is one connection that is kept as long as the server keeps it, for five
seconds, and the answer says for how many seconds each text was the last to come. It stands alone: any Python 3 runs it.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


def asked(host: str, port: int, path: str) -> str:
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return "%d %s" % (answer.status, answer.read().decode())
    except (OSError, http.client.HTTPException) as error:
        return "0 %s: %s" % (type(error).__name__, error)
    finally:
        connection.close()


def kept(host: str, port: int, path: str, seconds: float) -> dict[str, float]:
    """When, in seconds since the beginning, each text came for the last time."""
    connection, began = http.client.HTTPConnection(host, port, timeout=10), time.monotonic()
    last: dict[str, float] = {}
    while time.monotonic() < began + seconds:
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            text = "%d %s" % (answer.status, answer.read().decode())
        except (OSError, http.client.HTTPException):
            connection.close()  # and is opened again by the next request
            text = "closed"
        last[text] = round(time.monotonic() - began, 1)
        time.sleep(0.05)
    connection.close()
    return last


class Reach(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        told: Mapping[str, float] = {}
        if query:
            words = query["host"], int(query["port"]), query["at"]
            if "kept" in query:
                told = kept(*words, float(query["kept"]))
            else:
                told = Counter(asked(*words) for _ in range(int(query["number"])))
        text = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Nothing: nobody reads it."""


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Reach).serve_forever()
