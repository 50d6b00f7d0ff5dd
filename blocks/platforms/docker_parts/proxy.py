"""HAProxy's words: the configuration that it starts from, the commands that change it while it runs, what it reports.

The configuration is the environment's truth. Its second line holds the charter, the rest follows from that; the file
is replaced as a whole; after a restart the proxy serves what was decided last. Pure: nothing is executed here.
Sources: HAProxy 2.6 configuration and management manuals, https://docs.haproxy.org/2.6/.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from domain.charter import Charter, Placed

FOLDER = "/var/lib/tes"
CONFIG, HEALTH = f"{FOLDER}/haproxy.cfg", f"{FOLDER}/health.map"
PUBLIC, RUNTIME = 8080, 9999  # ports inside the container
SEATS = 200
"""Copies that an environment can have, and how many others come before a copy gets the address of one that is gone."""
FIRST_SEAT = 20  # the addresses before are the gateway's, the proxy's and the jobs'
MOST = 256
"""HAProxy's largest weight."""
PORT = 8000
"""Where a release listens that names no port; every copy is told in PORT."""

_MARK = "#tes "


class Server(NamedTuple):
    """A copy as the proxy sees it. `told` is the last check in words; `sessions` are those it has now; one
    that is `gone` gets no request at all and may be deleted."""

    seat: int
    up: bool
    checked: bool
    told: str
    weight: int
    sessions: int
    gone: bool = False


def port_of(placed: Placed) -> int:
    return placed.release.port or PORT


def address(network: IPv4Network, seat: int) -> IPv4Address:
    """A seat's own address in the target's network."""
    return network[FIRST_SEAT + seat]


def weights(charter: Charter) -> dict[int, int]:
    """Of each seat, 0 to 256, so that a release's share of new requests is its weight, however many copies it has. A
    small share of many copies is that of a few of them."""
    largest = max((one.weight / len(one.seats) for one in charter.releases), default=0.0)
    found = {}
    for one in charter.releases:
        whole = max(1, round(one.weight / largest * MOST)) if one.weight else 0
        each, rest = divmod(whole, len(one.seats))
        found.update({seat: each + (at < rest) for at, seat in enumerate(one.seats)})
    return found


def configuration(charter: Charter, network: IPv4Network) -> str:
    """haproxy.cfg, with the charter in it."""
    share = weights(charter)
    servers = [
        f"    server s{seat} {address(network, seat)}:{port_of(one)} {_check(one)} weight {share[seat]}"
        for one in charter.releases
        for seat in one.seats
    ]
    return "\n".join(
        [
            "# Written by the Test Execution System and replaced as a whole. The next line is what was decided.",
            f"{_MARK}{charter.serial} {charter.model_dump_json()}",
            "global",
            "    log stdout format raw local0 info",
            f"    stats socket ipv4@127.0.0.1:{RUNTIME} level admin",
            "    user haproxy",
            "    group haproxy",
            "    spread-checks 10",
            "defaults",
            "    mode http",
            "    log global",
            '    log-format "tes %Ts.%ms %s %ST %Ta %ts"',
            "    option dontlognull",
            "    timeout connect 2s",
            "    timeout client 60s",
            "    timeout server 300s",
            "    timeout tunnel 1h",
            "    timeout http-request 30s",
            "    timeout check 2s",
            "    retries 3",
            "    option redispatch 1",
            "    retry-on conn-failure empty-response",
            "frontend public",
            f"    bind :{PUBLIC}",
            "    http-request disable-l7-retry unless METH_GET",
            "    default_backend app",
            "backend app",
            "    balance roundrobin",
            "    option httpchk",
            f"    http-check send meth GET uri-lf %[srv_name,map({HEALTH},/)] ver HTTP/1.1 hdr Host tes",
            "    http-check expect rstatus ^2",
            *servers,
            "",
        ]
    )


def health_map(charter: Charter) -> str:
    """Which path tells of each server's health."""
    lines = [f"s{seat} {one.release.health.path}" for one in charter.releases for seat in one.seats]
    return "\n".join(["# server path", *lines, ""])


def charter_of(configuration_text: str) -> Charter:
    """What was decided, from the configuration. ValueError when it is not one of ours."""
    for line in configuration_text.splitlines()[:3]:
        if line.startswith(_MARK):
            return Charter.model_validate_json(line.removeprefix(_MARK).partition(" ")[2])
    raise ValueError("the proxy's configuration has no charter")


def _check(placed: Placed) -> str:
    health = placed.release.health
    inter = max(1, round(health.interval * 1000))
    return f"check inter {inter} rise {health.successes} fall {health.failures}"


def commands(charter: Charter, network: IPv4Network, seen: Sequence[Server]) -> list[str]:
    """What makes the running proxy agree with the charter; nothing where it does. New servers first, then shares, the
    growing ones first, so that at no moment nobody has the traffic. What is no longer wanted gets no new request;
    `forgotten` removes it."""
    share, there = weights(charter), {server.seat: server for server in seen if not server.gone}
    left = [server.seat for server in seen if server.gone and server.seat in share]  # its seat is given anew
    new = [(one, seat) for one in charter.releases for seat in one.seats if seat not in there]
    return [
        *forgotten(left),
        *(line for one, seat in new for line in _added(one, seat, network)),
        *_shares({**dict.fromkeys(there, 0), **share}, there),
    ]


def _added(placed: Placed, seat: int, network: IPv4Network) -> Iterator[str]:
    """Its checks decide from the first: it counts as down until they have succeeded."""
    name = f"app/s{seat}"
    yield f"add map {HEALTH} s{seat} {placed.release.health.path}"
    yield f"add server {name} {address(network, seat)}:{port_of(placed)} {_check(placed)} weight 0"
    yield f"set server {name} health down"
    yield f"enable health {name}"
    yield f"enable server {name}"


def _shares(wanted: Mapping[int, int], there: Mapping[int, Server]) -> list[str]:
    before = {seat: there[seat].weight if seat in there else 0 for seat in wanted}
    changed = [seat for seat in wanted if wanted[seat] != before[seat]]
    changed.sort(key=lambda seat: before[seat] - wanted[seat])
    return [f"set server app/s{seat} weight {wanted[seat]}" for seat in changed]


def forgotten(seats: Sequence[int]) -> list[str]:
    """What ends servers whose copies are gone."""
    lines = []
    for seat in seats:
        name = f"app/s{seat}"
        lines += [
            f"set server {name} state maint",
            f"shutdown sessions server {name}",
            f"del server {name}",
            f"del map {HEALTH} s{seat}",
        ]
    return lines


def servers(stat: str) -> list[Server]:
    """From the answer to `show stat`. ValueError when it is none, or not whole: a server that is left out would be
    taken for one that is not there."""
    text = stat.lstrip().removeprefix("# ")
    rows = csv.DictReader(io.StringIO(text))
    if not rows.fieldnames or "svname" not in rows.fieldnames:
        raise ValueError(f"not an answer to `show stat`: {stat[:80]!r}")
    found, whole = [], False
    for row in rows:
        name = row["svname"] or ""
        whole = whole or (row["pxname"], name) == ("app", "BACKEND")  # it comes last
        if row["pxname"] != "app" or not name[1:].isdigit():
            continue
        code = f" {row['check_code']}" if row.get("check_code") else ""
        # A star: the next check is on its way.
        told = f"{row.get('check_status', '')}{code} {row.get('last_chk') or ''}".removeprefix("* ").strip()
        found.append(
            Server(
                seat=int(name[1:]),
                up=(row["status"] or "").startswith(("UP", "DRAIN")),
                checked=(row.get("check_status") or "").endswith("OK"),
                told=told,
                weight=int(row["uweight"] or row["weight"] or 0),
                sessions=int(row["scur"] or 0),
                gone=(row["status"] or "").startswith("MAINT"),
            )
        )
    if not whole:
        raise ValueError(f"the answer to `show stat` breaks off: {stat[-80:]!r}")
    return found
