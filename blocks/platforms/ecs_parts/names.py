"""What things are called on AWS, and the tags that they are found again by.

A release's service, task definition, target group and secret have one name. Target groups take 32 letters, digits and
hyphens, so that it is made of digests; what a person looks for is in the tags.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from blocks.platforms.docker_parts.names import LABEL
from domain.place import Release, Target

OURS = re.compile(r"^tes-[a-z0-9-]{1,8}-[0-9a-f]{8}-[0-9a-f]{10}$")
Tags = Mapping[str, str]


class Names:
    """Of one target in one installation."""

    def __init__(self, target: Target, installation: str = "tes") -> None:
        self.target, self.installation = target, installation
        word = re.sub(r"[^a-z0-9]+", "-", target.service.lower()).strip("-")[:8].strip("-") or "service"
        self.prefix = f"tes-{word}-{_digest(f'{installation}/{target.environment}/{target.service}', 4)}-"

    def of(self, release: Release) -> str:
        """The name of everything that this release has. Another setting is another name."""
        return self.prefix + _digest(release.model_dump_json(), 5)

    def tags(self, release: Release | None = None) -> dict[str, str]:
        """Of the target, and of a release where one is given."""
        tags = {
            f"{LABEL}.installation": self.installation,
            f"{LABEL}.service": self.target.service,
            f"{LABEL}.environment": self.target.environment,
        }
        if release is not None:
            tags |= {f"{LABEL}.version": release.version, f"{LABEL}.drain": f"{release.drain:g}"}
        return {key: _value(text) for key, text in tags.items()}

    def owns(self, tags: Tags) -> bool:
        return self.tags().items() <= tags.items()


def installed(tags: Tags) -> str:
    """The installation that made what has these tags; empty for what is not ours."""
    return tags.get(f"{LABEL}.installation", "")


def drain_of(tags: Tags) -> float:
    """Seconds."""
    return float(tags.get(f"{LABEL}.drain", 0))


def small(tags: Tags) -> list[dict[str, str]]:
    """As ECS writes them."""
    return [{"key": key, "value": value} for key, value in tags.items()]


def large(tags: Tags) -> list[dict[str, str]]:
    """As the other services write them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def read(tags: Sequence[Mapping[str, Any]] | None) -> dict[str, str]:
    """Of either kind."""
    return {str(one.get("key", one.get("Key"))): str(one.get("value", one.get("Value", ""))) for one in tags or ()}


def _digest(text: str, size: int) -> str:
    return blake2b(text.encode(), digest_size=size).hexdigest()


def _value(text: str) -> str:
    """A tag's value has letters, digits and a few signs."""
    return re.sub(r"[^\w .:/=+@-]", "_", text, flags=re.ASCII)[:256]
