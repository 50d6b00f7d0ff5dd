"""Bodies as Microsoft's own model classes read them: a field that they do not know, or of another type, is an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NUMBERS = frozenset(("weight", "port", "ttl", "interval_in_seconds", "timeout_in_seconds",
                     "tolerated_number_of_failures", "min", "max"))  # fmt: skip


def container_group(body: Mapping[str, Any]) -> list[str]:
    """What is wrong with it. These models lose what they do not know: what is lost on the way there and back is."""
    from azure.mgmt.containerinstance.models import ContainerGroup

    read: Any = ContainerGroup.deserialize(dict(body))
    try:
        back = read.serialize(keep_readonly=True)  # validates what is required
    except Exception as error:  # its errors have no common class but this one
        return [f"{type(error).__name__}: {error}"]
    return lost(body, back, "group")


def lost(given: Any, back: Any, where: str) -> list[str]:
    """Where `back` lacks or changes something that was given; moments may be written in another way."""
    if isinstance(given, Mapping):
        if not isinstance(back, Mapping):
            return [f"{where} is no object"]
        gone = [f"{where}.{key} is not known" for key in given if key not in back and given[key] is not None]
        return gone + [
            text for key in given.keys() & back.keys() for text in lost(given[key], back[key], f"{where}.{key}")
        ]
    if isinstance(given, Sequence) and not isinstance(given, str):
        return [text for n, (a, b) in enumerate(zip(given, back, strict=True)) for text in lost(a, b, f"{where}[{n}]")]
    if isinstance(given, bool) is not isinstance(back, bool) or (
        given != back and not where.endswith(("Time", "stamp"))
    ):
        return [f"{where} is {given!r} and is read as {back!r}"]
    return []


def profile(body: Mapping[str, Any]) -> list[str]:
    from azure.mgmt.trafficmanager.models import Profile

    return unknown(Profile(dict(body)), "profile")


def gateway(body: Mapping[str, Any]) -> list[str]:
    from azure.mgmt.network.models import ApplicationGateway

    return unknown(ApplicationGateway(dict(body)), "gateway")


def unknown(model: Any, where: str) -> list[str]:
    """These models keep what they do not know: every key is compared with their fields."""
    fields = {field._rest_name: name for name, field in model._attr_to_rest_field.items()}
    found = [f"{where}.{key} is not known" for key in model.keys() if key not in fields]
    for name in (fields[key] for key in model.keys() if key in fields):
        value, path = getattr(model, name), f"{where}.{name}"
        if name in NUMBERS and value is not None and type(value) is not int:
            found.append(f"{path} is {value!r}, no whole number")
        for n, one in enumerate(value if isinstance(value, list) else [value]):
            if hasattr(one, "_attr_to_rest_field"):
                found += unknown(one, f"{path}[{n}]")
    return found
