"""What is said to HAProxy and understood of it, and how the engine's answers are read: exact, without an engine."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.platforms.docker_parts import access_log, names, proxy
from blocks.platforms.docker_parts.engine import translated
from domain.charter import Charter, Placed
from domain.errors import Rejected, Unavailable
from domain.place import Release, Target
from domain.spec import Health
from domain.supply import Artifact

TARGET = Target(service="shop", environment="staging")
NETWORK = IPv4Network("172.20.0.0/16")
HEALTH = Health(path="/ready", interval=0.25, successes=2, failures=4)


def placed(version: str, weight: int, *seats: int) -> Placed:
    artifact = Artifact(kind="image", digest=f"sha256:{version}", location=version)
    release = Release(service="shop", version=version, artifact=artifact, replicas=len(seats), health=HEALTH, port=8080)
    return Placed(release=release, weight=weight, seats=seats)


def charter(*releases: Placed) -> Charter:
    return Charter(target=TARGET, serial=7, stable="v1", releases=releases)


def server(seat: int, weight: int = 0) -> proxy.Server:
    return proxy.Server(seat, True, True, "L7OK 200", weight, 0)


def test_the_configuration_holds_the_charter_and_every_copy() -> None:
    here = charter(placed("v1", 90, 0), placed("v2", 10, 1, 2))
    text = proxy.configuration(here, NETWORK)
    assert proxy.charter_of(text) == here
    assert text.splitlines()[1].startswith("#tes 7 {")
    assert [line.strip() for line in text.splitlines() if line.startswith("    server")] == [
        "server s0 172.20.0.20:8080 check inter 250 rise 2 fall 4 weight 256",
        "server s1 172.20.0.21:8080 check inter 250 rise 2 fall 4 weight 14",
        "server s2 172.20.0.22:8080 check inter 250 rise 2 fall 4 weight 14",
    ]
    assert proxy.health_map(here) == "# server path\ns0 /ready\ns1 /ready\ns2 /ready\n"


def test_a_page_of_the_notebook_cannot_break_out_of_its_line() -> None:
    here = charter().noted("rollout", "one\nglobal\n    chroot /\r\n☃")
    text = proxy.configuration(here, NETWORK)
    assert proxy.charter_of(text).pages["rollout"] == "one\nglobal\n    chroot /\r\n☃"
    assert text.splitlines()[2] == "global" and "chroot" in text.splitlines()[1]


def test_a_configuration_of_somebody_else_is_not_understood() -> None:
    with pytest.raises(ValueError, match="no charter"):
        proxy.charter_of("global\n    daemon\n")


def test_new_copies_are_added_before_the_shares_change_and_the_growing_share_comes_first() -> None:
    here = charter(placed("v1", 0, 0), placed("v2", 100, 1))
    assert proxy.commands(here, NETWORK, [server(0, 256), server(9, 5)]) == [
        "add map /var/lib/tes/health.map s1 /ready",
        "add server app/s1 172.20.0.21:8080 check inter 250 rise 2 fall 4 weight 0",
        "set server app/s1 health down",
        "enable health app/s1",
        "enable server app/s1",
        "set server app/s1 weight 256",
        "set server app/s9 weight 0",
        "set server app/s0 weight 0",
    ]


def test_nothing_is_said_to_a_proxy_that_agrees() -> None:
    here, gone = server(0, 256), server(8)._replace(gone=True)
    assert proxy.commands(charter(placed("v1", 100, 0)), NETWORK, [here, server(9), gone]) == []


def test_a_seat_that_is_given_anew_is_deleted_first() -> None:
    said = proxy.commands(charter(placed("v1", 100, 0)), NETWORK, [server(0, 256)._replace(gone=True)])
    assert said.index("del server app/s0") < said.index("enable server app/s0") < said.index(said[-1])
    assert said[-1] == "set server app/s0 weight 256"


@given(st.integers(1, 99), st.integers(1, 10), st.integers(1, 10))
def test_a_releases_share_is_its_weight_within_one_percent_however_many_copies(w: int, ours: int, theirs: int) -> None:
    """Down to one in a hundred, of up to ten copies."""
    here = charter(placed("v1", 100 - w, *range(ours)), placed("v2", w, *range(ours, ours + theirs)))
    found = proxy.weights(here)
    share = sum(found[seat] for seat in range(ours, ours + theirs)) / sum(found.values())
    assert abs(share - w / 100) <= 0.01
    assert all(0 <= weight <= 256 for weight in found.values()) and found[0] > 0 and found[ours] > 0


STAT = """# pxname,svname,scur,status,weight,uweight,check_status,check_code,last_chk
public,FRONTEND,3,OPEN,,,,,
app,s0,2,UP,256,256,L7OK,200,OK
app,s1,0,DOWN,0,0,L7STS,500,Internal Server Error
app,s2,0,DOWN 1/2,0,0,* L4CON,,Connection refused
app,s3,0,UP,0,0,INI,,
app,s4,1,DRAIN,0,0,L7OK,200,OK
app,s5,0,MAINT,0,0,L7OK,200,OK
app,BACKEND,2,UP,256,256,,,
"""


def test_servers_are_read_from_the_proxys_own_report() -> None:
    assert proxy.servers(STAT) == [
        proxy.Server(0, True, True, "L7OK 200 OK", 256, 2),
        proxy.Server(1, False, False, "L7STS 500 Internal Server Error", 0, 0),
        proxy.Server(2, False, False, "L4CON Connection refused", 0, 0),
        proxy.Server(3, True, False, "INI", 0, 0),
        proxy.Server(4, True, True, "L7OK 200 OK", 0, 1),
        proxy.Server(5, False, True, "L7OK 200 OK", 0, 0, gone=True),
    ]


@pytest.mark.parametrize("lines", range(1, STAT.count("\n")))
def test_a_report_that_breaks_off_is_not_understood(lines: int) -> None:
    """A stable server that is left out would be added again, and count as down until it was checked."""
    with pytest.raises(ValueError, match="breaks off"):
        proxy.servers("\n".join(STAT.splitlines()[:lines]))


@pytest.mark.parametrize("text", ["", "Unknown command", "<html>"])
def test_what_is_no_report_is_not_taken_for_an_empty_one(text: str) -> None:
    with pytest.raises(ValueError, match="not an answer"):
        proxy.servers(text)


def test_traffic_is_counted_by_seat_and_time() -> None:
    lines = [
        "tes 100.000 s1 200 4 --",
        "tes 101.000 s1 200 0 --",
        "tes 101.000 s2 200 9 --",  # another release's
        "tes 102.000 s1 503 20 SC",
        "tes 102.500 s1 -1 20 CD",  # its client went away
        "[NOTICE] something else",
        "tes 103.000 <NOSRV> 503 0 SC",
    ]
    found = access_log.traffic("v2", (1,), lines, 100.5, 110.0)
    assert (found.requests, found.errors, found.seconds) == (2, 1, 9.5)
    assert (found.p50, found.p99) == (0.02, 0.02)
    assert access_log.traffic("v2", (7,), lines, 0, 1).requests == 0


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (500, "driver failed programming external connectivity: port is already allocated", Rejected),
        (500, "context deadline exceeded", Unavailable),
        (503, "swarm is locked", Unavailable),
        (429, "too many requests", Unavailable),
        (403, "authorization denied by plugin", Rejected),
        (404, "No such image", Rejected),
        (409, "conflict", Rejected),
    ],
)
def test_the_engines_refusals_are_typed(status: int, said: str, kind: type[Exception]) -> None:
    error = translated(status, said)
    assert type(error) is kind and said in error.message


def test_names_are_short_safe_and_apart() -> None:
    plain = names.Names(TARGET)
    assert (plain.network, plain.front) == ("tes-staging-shop", "tes-staging-shop-front")
    odd = {names.Names(Target(service=service, environment="e")).network for service in ("a/b", "a b", "x" * 80, "a-b")}
    assert len(odd) == 4 and all(len(name) <= 50 for name in odd)
