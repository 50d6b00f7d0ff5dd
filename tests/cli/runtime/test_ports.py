"""Ports: the wanted one, or the next that is free."""

from __future__ import annotations

import socket

import pytest

from cli.runtime import ports
from domain.errors import CapabilityError


@pytest.fixture
def listening() -> "socket.socket":
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    return server


def test_a_port_in_use_is_passed_over(listening: socket.socket) -> None:
    with listening:
        wanted = listening.getsockname()[1]
        assert not ports.is_free(wanted)
        assert ports.next_free(wanted) > wanted
    assert ports.next_free(wanted) == wanted


def test_a_port_promised_to_another_is_passed_over(listening: socket.socket) -> None:
    with listening:
        wanted = listening.getsockname()[1]
    assert ports.next_free(wanted, taken={wanted}) > wanted


def test_no_free_port_is_an_error_that_names_the_range(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "SPAN", 0)
    with listening:
        wanted = listening.getsockname()[1]
        with pytest.raises(CapabilityError, match=f"from {wanted} to {wanted}"):
            ports.next_free(wanted)
