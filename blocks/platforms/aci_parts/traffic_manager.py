"""The front `traffic manager`: names are resolved to copies by weight.

It is DNS: a weight is a share of the *resolutions*, and a client that has an answer keeps it for the time to live. What
was taken out is still asked for that long; whoever does not heed the time to live asks longer.
https://learn.microsoft.com/azure/traffic-manager/traffic-manager-routing-methods#weighted-traffic-routing-method
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import reduce
from hashlib import blake2b
from typing import Any

from blocks.platforms.aci_parts.arm import Arm
from blocks.platforms.aci_parts.facing import Facing, Share
from blocks.platforms.aci_parts.group import port_of
from blocks.platforms.aci_parts.names import Names
from domain.charter import Charter
from domain.errors import Rejected
from domain.place import Release

API = "2022-04-01"
SEATS = 100  # endpoints of one profile: at most 200, and a region's quota of groups is 100 until more is asked for
_TYPE = "Microsoft.Network/trafficManagerProfiles/externalEndpoints"
_HEAVIEST = 1000


class TrafficManager:
    """One profile a target, made here."""

    seats = SEATS

    def __init__(self, arm: Arm, group: str, names: Names, ttl: int) -> None:
        self.arm, self.names, self.linger = arm, names, float(ttl)
        self.url = f"{group}/providers/Microsoft.Network/trafficManagerProfiles/{names.profile}?api-version={API}"
        mark = blake2b(f"{group} {names.profile}".encode(), digest_size=5).hexdigest()
        self.label = f"{names.stem}-{mark}"  # unique in the world, as the name in DNS has to be

    async def prepare(self, charter: Charter, release: Release) -> None:
        """The profile is there. Rejected for another port than the one that the public knows."""
        stable = charter.of(charter.stable)
        if release.public_port not in (None, port_of(release)):
            raise Rejected(
                f"{release.version} listens on {port_of(release)} and is to be public on {release.public_port}: names "
                "lead to copies, and nothing between them changes a port",
                fix="set release.port to environments.<name>.port",
            )
        if stable is not None and port_of(stable.release) != port_of(release):
            raise Rejected(
                f"{release.version} listens on {port_of(release)}, and the public asks {charter.target} on "
                f"{port_of(stable.release)}",
                fix="keep release.port",
            )
        if await self.arm.find(self.url) is None:
            await self.arm.put(self.url, profile(self.names.tags("front"), self.label, int(self.linger), release, []))

    async def read(self) -> Facing:
        """What is told to the public now."""
        found = await self.arm.find(self.url)
        if found is None:
            return Facing({})
        properties = found["properties"]
        weights = {
            str(one["properties"]["target"]): int(one["properties"].get("weight") or 1)
            for one in properties.get("endpoints") or []
            if one["properties"].get("endpointStatus") != "Disabled"
        }
        port = (properties.get("monitorConfig") or {}).get("port") or 80
        host = (properties.get("dnsConfig") or {}).get("fqdn") or ""
        return Facing(weights, f"http://{host}" + ("" if port == 80 else f":{port}"))

    def wanted(self, shares: Sequence[Share]) -> dict[str, int]:
        """The weight of each host: of one release alike, of two in the proportion of their shares."""
        return weights(shares)

    async def write(self, charter: Charter, shares: Sequence[Share], seen: Facing) -> None:
        """One request with all endpoints: no client sees half of it."""
        told = [one.release for one in charter.releases if one.weight]
        stable = charter.of(charter.stable)
        first = stable.release if stable is not None else told[0] if told else None
        body = profile(self.names.tags("front"), self.label, int(self.linger), first, endpoints(shares), told)
        await self.arm.put(self.url, body)

    async def end(self) -> None:
        await self.arm.delete(self.url, 60.0)


def weights(shares: Sequence[Share]) -> dict[str, int]:
    """Whole numbers, 1 to 1000, in the proportion of share / copies: exact while they fit, else to the nearest."""
    counts = [sum(other.version == one.version for other in shares) for one in shares]
    common = reduce(math.lcm, counts, 1)
    exact = [one.weight * common // count for one, count in zip(shares, counts, strict=True)]
    divisor = reduce(math.gcd, exact, 0) or 1
    small = [number // divisor for number in exact]
    scale = min(1.0, _HEAVIEST / max(small, default=1))
    return {one.host: max(1, round(number * scale)) for one, number in zip(shares, small, strict=True)}


def endpoints(shares: Sequence[Share]) -> list[dict[str, Any]]:
    """One a copy, by its seat."""
    given = weights(shares)
    return [
        {
            "name": f"seat-{one.seat}",
            "type": _TYPE,
            "properties": {"target": one.host, "weight": given[one.host], "endpointStatus": "Enabled"},
        }
        for one in shares
    ]


def profile(
    tags: Mapping[str, str],
    label: str,
    ttl: int,
    release: Release | None,
    ends: Sequence[Mapping[str, Any]],
    together: Sequence[Release] = (),
) -> dict[str, Any]:
    """The whole profile. Two releases whose health is asked at different paths are only asked for a connection: a
    profile has one path."""
    monitor: dict[str, Any] = {"protocol": "TCP", "port": 80}
    if release is not None:
        health = release.health
        monitor = {"protocol": "TCP", "port": port_of(release)}
        if {one.health.path for one in together} <= {health.path}:
            monitor |= {"protocol": "HTTP", "path": health.path}
            monitor["expectedStatusCodeRanges"] = [{"min": 200, "max": 299}]
        # Ten seconds is the quickest that there is, and then an answer has five to nine.
        monitor["timeoutInSeconds"] = min(9, max(5, math.ceil(health.timeout)))
        monitor["toleratedNumberOfFailures"] = min(9, health.failures - 1)
        monitor["intervalInSeconds"] = 10
    return {
        "location": "global",
        "tags": dict(tags),
        "properties": {
            "profileStatus": "Enabled",
            "trafficRoutingMethod": "Weighted",
            "dnsConfig": {"relativeName": label, "ttl": ttl},
            "monitorConfig": monitor,
            "endpoints": list(ends),
        },
    }
