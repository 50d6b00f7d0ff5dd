"""The front `application gateway`: one that is there already, with a routing rule whose backend pool is filled here.

A pool has no weights: all or nothing, blue and green. It changes in one request, with the ETag that was seen; other
rules of the gateway are sent back as they were.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from blocks.platforms.aci_parts.arm import Arm, Changed, Gone
from blocks.platforms.aci_parts.facing import Facing, Share
from blocks.platforms.aci_parts.group import port_of
from blocks.platforms.chartered import Stale
from domain.charter import Charter
from domain.errors import Rejected, Unavailable
from domain.place import Release

API = "2024-05-01"
SEATS = 100  # a pool takes 100 addresses
_WITHIN = 900.0  # seconds for one change: a gateway takes a minute, sometimes many


class ApplicationGateway:
    """The pool of one rule."""

    seats, linger = SEATS, 0.0  # the gateway drains by its own setting

    def __init__(self, arm: Arm, group: str, gateway: str, rule: str, address: str) -> None:
        self.arm, self.gateway, self.rule, self.address = arm, gateway, rule, address
        self.url = f"{group}/providers/Microsoft.Network/applicationGateways/{gateway}?api-version={API}"

    async def prepare(self, charter: Charter, release: Release) -> None:
        """Rejected without the rule, or where it asks its pool on another port."""
        found = await self._found()
        port = port_asked(found, self.rule)
        if port != port_of(release):
            raise Rejected(
                f"rule {self.rule} of the gateway {self.gateway} asks its pool on port {port}, and {release.version} "
                f"listens on {port_of(release)}",
                fix=f"set release.port: {port}, or correct the rule's backend settings",
            )

    async def read(self) -> Facing:
        found = await self._found()
        hosts = [str(one.get("fqdn") or one.get("ipAddress")) for one in addresses(pool(found, self.rule))]
        return Facing({host: 1 for host in hosts}, self.address, str(found.get("etag", "")))

    def wanted(self, shares: Sequence[Share]) -> dict[str, int]:
        return {one.host: 1 for one in shares}

    async def write(self, charter: Charter, shares: Sequence[Share], seen: Facing) -> None:
        await self._fill([one.host for one in shares], seen)

    async def _fill(self, hosts: Sequence[str], seen: Facing) -> None:
        """One request with the ETag that was seen; returns when the gateway has obeyed."""
        found = await self._found()
        if found.get("etag") != seen.mark:
            raise Stale
        body = filled(found, self.rule, hosts)
        try:
            await self.arm.put(self.url, body, headers={"If-Match": seen.mark}, within=_WITHIN)
        except Changed as error:
            raise Stale from error

    async def end(self) -> None:
        for _ in range(5):
            seen = await self.read()
            if not seen.weights:
                return
            try:
                return await self._fill([], seen)
            except Stale:
                await asyncio.sleep(1.0)
        raise Unavailable(f"the gateway {self.gateway} is changed by others all the time")

    async def _found(self) -> dict[str, Any]:
        try:
            found = await self.arm.get(self.url)
        except Gone as error:
            raise Rejected(
                f"there is no application gateway {self.gateway} in the resource group",
                fix="correct the block's gateway, or gateway_group where it lies in another one",
            ) from error
        pool(found, self.rule)
        return found


def pool(gateway: dict[str, Any], rule: str) -> dict[str, Any]:
    """The backend pool of a rule. Rejected where there is none."""
    name = _reference(gateway, rule, "backendAddressPool")
    found = [one for one in gateway["properties"].get("backendAddressPools") or [] if one["name"] == name]
    if not found:
        raise Rejected(f"rule {rule} leads to no backend pool", fix="give the rule a backend pool of its own")
    return dict(found[0])


def port_asked(gateway: dict[str, Any], rule: str) -> int:
    """The port on which a rule asks its pool."""
    name = _reference(gateway, rule, "backendHttpSettings")
    every = gateway["properties"].get("backendHttpSettingsCollection") or []
    return next((int(one["properties"].get("port") or 80) for one in every if one["name"] == name), 80)


def addresses(found: dict[str, Any]) -> list[dict[str, Any]]:
    return list((found.get("properties") or {}).get("backendAddresses") or [])


def filled(gateway: dict[str, Any], rule: str, hosts: Sequence[str]) -> dict[str, Any]:
    """The gateway with these hosts in the rule's pool and everything else as it was."""
    name = pool(gateway, rule)["name"]
    entries = [{"ipAddress" if _is_address(host) else "fqdn": host} for host in hosts]
    pools = [
        (
            {**one, "properties": {**(one.get("properties") or {}), "backendAddresses": entries}}
            if one["name"] == name
            else one
        )
        for one in gateway["properties"]["backendAddressPools"]
    ]
    return {**gateway, "properties": {**gateway["properties"], "backendAddressPools": pools}}


def _reference(gateway: dict[str, Any], rule: str, what: str) -> str:
    rules = (gateway.get("properties") or {}).get("requestRoutingRules") or []
    found = next((one for one in rules if one["name"] == rule), None)
    if found is None:
        known = ", ".join(one["name"] for one in rules) or "none"
        raise Rejected(f"the gateway has no routing rule {rule}", fix=f"correct the block's rule; there are: {known}")
    return str(((found.get("properties") or {}).get(what) or {}).get("id", "")).rpartition("/")[2]


def _is_address(host: str) -> bool:
    return host.replace(".", "").isdigit() or ":" in host
