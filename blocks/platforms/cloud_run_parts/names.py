"""What things are called in a project, and how they are found again: by label."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Any

from domain.charter import Placed
from domain.place import Release, Target

LABEL = "tes-"
ROLES = ("service", "job", "secret")
_SERVICE = 34
"""Characters of a service's name. Cloud Run takes 49; with a tag, which has 11 here, it stands in one label of an
address, where both together have room for 46."""


class Names:
    """Of one target. An `installation` sees nothing of another one in the same project and region.

    Labels hold names that were made safe; the true ones are in the annotations, which take any text.
    """

    def __init__(self, target: Target, installation: str) -> None:
        self.target, self.installation = target, installation
        self.service = safe(
            f"{installation}-{target.environment}-{target.service}", f"{installation} {target}", _SERVICE
        )
        self.home = f"{self.service}-home"

    def revision(self, placed: Placed) -> str:
        """A release's revision. Revisions cannot be changed: one that is placed anew gets another name."""
        return f"{self.service}-{self.tag(placed)}"

    def tag(self, placed: Placed) -> str:
        """What its own address begins with."""
        return f"r{placing(placed)}"

    def rest(self, serial: int) -> str:
        """A revision that nobody asks: the template of a service whose last release is gone."""
        return f"{self.service}-rest{serial}"

    def secret(self, owner: str, variable: str) -> str:
        """A secret's id, 255 characters at most."""
        return f"{self.service}-{owner}-{safe(variable.replace('_', '-'), variable, 60)}"

    def labels(self, role: str, **more: str) -> dict[str, str]:
        """Lowercase letters, digits and dashes, 63 at most: what Google takes."""
        labels = {"installation": self.installation, "service": self.service, "role": role, **more}
        return {f"{LABEL}{key}": value for key, value in labels.items()}


def placing(placed: Placed) -> str:
    """A digest of a release and of the moment when it was placed."""
    said = f"{placed.release.model_dump_json()} {placed.since!r}"
    return blake2b(said.encode(), digest_size=5).hexdigest()


def digest(release: Release) -> str:
    """Of everything that a release's job is started with."""
    return blake2b(release.model_dump_json().encode(), digest_size=5).hexdigest()


def safe(text: str, whole: str, most: int) -> str:
    """A name of lowercase letters, digits and dashes that begins with a letter. Where letters were lost or it is too
    long, a digest of the whole keeps it apart."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if not name[:1].isalpha():
        name = f"s-{name}".strip("-")
    if name == text and len(name) <= most:
        return name
    return f"{name[: most - 9].rstrip('-')}-{blake2b(whole.encode(), digest_size=4).hexdigest()}"


def last(name: str) -> str:
    """`projects/p/locations/l/services/s` → s."""
    return name.rpartition("/")[2]


def ours(resource: dict[str, Any], installation: str, role: str) -> bool:
    """Whether it has the labels of this installation, in this role."""
    labels = resource.get("labels", {})
    return (labels.get(f"{LABEL}installation"), labels.get(f"{LABEL}role")) == (installation, role)
