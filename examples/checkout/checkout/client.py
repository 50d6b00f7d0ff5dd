"""Who sent a request: the address that an order is kept with."""

from __future__ import annotations

from starlette.requests import Request

from checkout import settings

PROXIES: dict[str, int] = {}  # environment → how many proxies stand before it; 1 when it is not named


def address(request: Request) -> str:
    """The customer's address: as the outermost of our own proxies saw it, else the connection's.

    Each proxy adds an address to the end of X-Forwarded-For; what stands before ours could be anybody's word.
    """
    hops = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    if hops:
        return hops[-PROXIES.get(settings.environment(), 1)]
    return request.client.host if request.client else ""
