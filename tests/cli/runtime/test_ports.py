"""Ports: the wanted one, or the next that is free."""

from __future__ import annotations

import socket

import pytest

from cli.runtime import ports
from domain.errors import CapabilityError


def test_a_port_in_use_is_passed_over() -> None:
    with ports.listen(20_000) as first, ports.listen(ports.number(first)) as second:
        assert ports.number(second) > ports.number(first)


def test_a_port_is_ours_before_anything_serves_it() -> None:
    """Two runtimes that start at once can never end up on one port."""
    with ports.listen(20_000) as ours, socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError):
            stranger.bind(("127.0.0.1", ports.number(ours)))
            stranger.listen()


def test_a_port_whose_server_ended_is_free_at_once() -> None:
    with ports.listen(20_000) as first:
        wanted = ports.number(first)
        with socket.create_connection(("127.0.0.1", wanted)):
            first.accept()[0].close()
    with ports.listen(wanted) as again:
        assert ports.number(again) == wanted


def test_no_free_port_is_an_error_that_names_the_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "SPAN", 0)
    with socket.socket() as first:
        first.bind(("127.0.0.1", 0))
        first.listen()
        wanted = ports.number(first)
        with pytest.raises(CapabilityError, match=f"from {wanted} to {wanted}"):
            ports.listen(wanted)
