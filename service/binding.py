"""Where the service may listen. It has no access control yet, so what can reach it can read it: loopback only.

In a container every address is the container's own, and what is published is decided outside: there it may listen on
all of them, with a warning.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

from domain.errors import SpecError

_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
_VARIABLES = ("KUBERNETES_SERVICE_HOST", "ECS_CONTAINER_METADATA_URI_V4", "K_SERVICE", "CONTAINER_APP_NAME")


def in_container() -> bool:
    """Docker and Podman leave a mark, orchestrators set variables, and an image's entry is process 1."""
    return os.getpid() == 1 or any(path.exists() for path in _MARKS) or any(name in os.environ for name in _VARIABLES)


def loopback(host: str) -> bool:
    """True for localhost, 127.0.0.0/8 and ::1."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked(host: str) -> str:
    """The host, or SpecError when the service would be open to other machines."""
    if loopback(host) or in_container():
        return host
    raise SpecError(
        f"TES_SERVICE_HOST={host} would open the records to other machines, and the service has no access control yet",
        fix="leave it at 127.0.0.1 and reach it through an SSH tunnel or a proxy that asks who is there",
    )


def port(text: str, name: str) -> int:
    """A port number, or SpecError that names where it was written."""
    if text.isascii() and text.isdigit() and int(text) <= 65535:
        return int(text)
    raise SpecError(f"{name}={text!r} is not a port", fix="use a number from 0 (any free one) to 65535")
