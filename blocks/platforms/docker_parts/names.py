"""What things are called on the engine, and how they are found again: by label."""

from __future__ import annotations

import re
from hashlib import blake2b

from domain.place import Release, Target

LABEL = "io.test-execution-system"


class Names:
    """Of one target. Compose's labels are set as well, so that ordinary tools show what belongs together. An
    `installation` sees nothing of another one on the same engine."""

    def __init__(self, target: Target, installation: str = "tes") -> None:
        self.target, self.installation = target, installation
        stem = safe(f"{installation}-{target.environment}-{target.service}", f"{installation} {target}")
        self.project, self.front, self.network, self.volume = stem, f"{stem}-front", stem, f"{stem}-notebook"

    def copy(self, seat: int) -> str:
        return f"{self.project}-{seat}"

    def labels(self, role: str) -> dict[str, str]:
        return {
            f"{LABEL}.installation": self.installation,
            f"{LABEL}.service": self.target.service,
            f"{LABEL}.environment": self.target.environment,
            f"{LABEL}.role": role,
            "com.docker.compose.project": self.project,
            "com.docker.compose.service": role,
            "com.docker.compose.oneoff": "False",
        }

    def copy_labels(self, release: Release, seat: int) -> dict[str, str]:
        return {
            **self.labels("copy"),
            f"{LABEL}.version": release.version,
            f"{LABEL}.seat": str(seat),
            f"{LABEL}.drain": f"{release.drain:g}",
            f"{LABEL}.release": digest(release),
            "com.docker.compose.service": safe(release.version, release.version),
            "com.docker.compose.container-number": str(seat),
        }

    def filters(self, role: str | None = None) -> list[str]:
        """The labels that find what is this target's."""
        labels = self.labels(role or "")
        keys = ["installation", "service", "environment", *(["role"] if role else [])]
        return [f"{LABEL}.{key}={labels[f'{LABEL}.{key}']}" for key in keys]


def digest(release: Release) -> str:
    """Of everything that a copy is started with."""
    return blake2b(release.model_dump_json().encode(), digest_size=12).hexdigest()


def safe(text: str, whole: str) -> str:
    """A name that the engine takes; where letters were lost or it is long, a digest of the whole keeps it apart."""
    name = re.sub(r"[^a-zA-Z0-9_.-]", "-", text).lower()
    if name == text and len(name) <= 50:
        return name
    return f"{name[:40]}-{blake2b(whole.encode(), digest_size=4).hexdigest()}"
