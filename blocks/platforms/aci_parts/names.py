"""What things are called on Azure, and how they are known again: by tag."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b

from domain.charter import Placed
from domain.place import Release, Target

_LONGEST = 40


class Names:
    """Of one target. An `installation` sees nothing of another one in the same resource group."""

    def __init__(self, target: Target, installation: str) -> None:
        self.target, self.installation = target, installation
        self.stem = safe(f"{installation}-{target.environment}-{target.service}", f"{installation} {target}")
        self.profile = f"{self.stem}-front"

    def copy(self, seat: int) -> str:
        return f"{self.stem}-{seat}"

    def job(self, mark: str) -> str:
        return f"{self.stem}-job-{mark}"

    def tags(self, role: str) -> dict[str, str]:
        return {
            "tes-installation": self.installation,
            "tes-service": self.target.service[:256],
            "tes-environment": self.target.environment[:256],
            "tes-role": role,
        }

    def copy_tags(self, placed: Placed, seat: int) -> dict[str, str]:
        return {
            **self.tags("copy"),
            "tes-version": placed.release.version[:256],
            "tes-seat": str(seat),
            "tes-drain": f"{placed.release.drain:g}",
            "tes-release": digest(placed.release),
        }


def owned(tags: Mapping[str, str] | None, installation: str) -> bool:
    """Whether this installation made it."""
    return (tags or {}).get("tes-installation") == installation and "tes-role" in (tags or {})


def target_of(tags: Mapping[str, str]) -> Target:
    return Target(service=tags.get("tes-service", ""), environment=tags.get("tes-environment", ""))


def digest(release: Release) -> str:
    """Of everything that a copy is started with."""
    return blake2b(release.model_dump_json().encode(), digest_size=12).hexdigest()


def safe(text: str, whole: str) -> str:
    """Small letters, digits and single hyphens, as container groups and DNS labels want it; where letters were lost or
    it is long, a digest of the whole keeps it apart."""
    name = re.sub(r"-{2,}", "-", re.sub(r"[^a-z0-9-]", "-", text.lower())).strip("-")
    if name == text and len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 9].strip('-')}-{blake2b(whole.encode(), digest_size=4).hexdigest()}"
