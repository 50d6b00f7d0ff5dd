"""The sender of a proof: its requests leave when they are due, and each answer is understood as HTTP has it."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from domain.proof_count import Answer
from tasks.proof_sender import Sender
from tests.tasks.shop import Shop


@contextmanager
def sending(url: str, heard: list[Answer], **options: Any) -> Iterator[Sender]:
    sender = Sender(url, options.pop("rate", 50.0), options.pop("timeout", 5.0), "X-Release", heard.append, **options)
    sender.start()
    yield sender
    assert sender.stop(10)
    assert sender.broken is None


def test_a_busy_rollout_does_not_slow_the_requests_down(shop: tuple[type[Shop], str]) -> None:
    """The rollout's thread does nothing else for a second; requests are due at equal distances all the same."""
    heard: list[Answer] = []
    with sending(shop[1], heard):
        time.sleep(1.0)
    dues = sorted(answer.due for answer in heard)
    assert len(dues) > 30
    assert all(abs(later - earlier - 0.02) < 1e-3 for earlier, later in zip(dues, dues[1:], strict=False))


def test_slow_answers_slow_nothing_down_and_what_cannot_leave_is_counted(shop: tuple[type[Shop], str]) -> None:
    """Open model: at 50 a second and a second an answer, fifty would be under way; five may."""
    shop[0].pause = 1.0
    heard: list[Answer] = []
    with sending(shop[1], heard, most=5):
        time.sleep(1.5)
    unsent = [answer for answer in heard if answer.unsent]
    assert 5 <= len(heard) - len(unsent) <= 15 and len(unsent) > 30


def test_a_tenth_of_the_requests_come_from_new_clients(shop: tuple[type[Shop], str]) -> None:
    """Where connections are shared out, and not requests, one that is kept would meet a single copy."""
    heard: list[Answer] = []
    with sending(shop[1], heard, rate=25.0):
        while len(heard) < 55:
            time.sleep(0.05)
    assert all(not answer.wrong for answer in heard)
    assert 5 <= len(shop[0].clients) <= len(heard) / 2


def test_time_counts_from_when_a_request_was_due(shop: tuple[type[Shop], str]) -> None:
    heard: list[Answer] = []
    shop[0].pause = 0.3
    with sending(shop[1], heard, rate=10.0):
        time.sleep(0.5)
    assert all(answer.seconds >= 0.3 for answer in heard)


HEAD = b"HTTP/1.1 200 OK\r\nx-release: v1\r\n"


@pytest.mark.parametrize(
    ("answer", "ends", "version", "wrong"),
    [
        (HEAD + b"Content-Length: 2\r\n\r\nok", False, "v1", ""),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", False, "v1", ""),
        (HEAD + b"\r\nuntil the end", True, "v1", ""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 0\r\n\r\n", False, "v1", ""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False, "", ""),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", False, "", "status 503"),
        (HEAD + b"Content-Length: 9\r\n\r\nhalf", True, "", "closed before the answer"),
        (b"", True, "", "closed before the answer"),
        (b"what is this\r\n\r\n", True, "", "HttpParser"),
    ],
)
def test_answers_are_understood_as_http_has_them(answer: bytes, ends: bool, version: str, wrong: str) -> None:
    """On a connection that is used again where that can be."""
    opened: list[object] = []

    class Raw(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            opened.append(self)
            while self.rfile.readline():
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(answer)
                if ends:
                    return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close = True, False

    heard: list[Answer] = []
    with Server(("127.0.0.1", 0), Raw) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with sending(f"http://127.0.0.1:{server.server_address[1]}/", heard, rate=10.0):
            time.sleep(0.6)
        server.shutdown()
    assert len(heard) >= 2
    for told in heard:
        assert (told.version, bool(told.wrong)) == (version, bool(wrong)) and wrong in told.wrong, told
    assert (len(opened) == len(heard)) is ends
