"""What things are called in the cluster, and how they are found again: by label."""

from __future__ import annotations

import re
from hashlib import blake2b

from domain.place import Release, Target

PREFIX = "test-execution-system.io"
INSTALLATION, SERVICE, ENVIRONMENT = f"{PREFIX}/installation", f"{PREFIX}/service", f"{PREFIX}/environment"
ROLE, RELEASE, POOL, TRACK = f"{PREFIX}/role", f"{PREFIX}/release", f"{PREFIX}/pool", f"{PREFIX}/track"
DIGEST, VERSION, SERIAL = f"{PREFIX}/digest", f"{PREFIX}/version", f"{PREFIX}/serial"
LEFT = f"{PREFIX}/left-by-requests"
LONGEST = 40  # what is added must stay within the 63 of a label


class Names:
    """Of one target in one namespace."""

    def __init__(self, target: Target, namespace: str, installation: str) -> None:
        self.target, self.namespace, self.installation = target, namespace, installation
        self.stem = safe(f"{installation}-{target.environment}-{target.service}")
        core = f"/api/v1/namespaces/{namespace}"
        self.charters, self.services, self.secrets = f"{core}/configmaps", f"{core}/services", f"{core}/secrets"
        self.pods, self.events, self.endpoints = f"{core}/pods", f"{core}/events", f"{core}/endpoints"
        self.deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        self.jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self.charter, self.service = f"{self.charters}/{self.stem}", f"{self.services}/{self.stem}"

    def release(self, version: str) -> str:
        """The name of what is one release's."""
        return f"{self.stem}-{token(version)}"

    def labels(self, **more: str) -> dict[str, str]:
        return {
            "app.kubernetes.io/name": safe(self.target.service),
            "app.kubernetes.io/managed-by": "test-execution-system",
            INSTALLATION: self.installation,
            SERVICE: safe(self.target.service),
            ENVIRONMENT: safe(self.target.environment),
            **more,
        }

    def selector(self, **more: str) -> str:
        """The labels that find what is this target's."""
        labels = {INSTALLATION: self.installation, SERVICE: safe(self.target.service)}
        labels |= {ENVIRONMENT: safe(self.target.environment), **more}
        return ",".join(f"{key}={value}" for key, value in labels.items())


def token(version: str) -> str:
    """A version as a label and as part of a name."""
    return "r" + blake2b(version.encode(), digest_size=4).hexdigest()


def digest(release: Release) -> str:
    """Of everything that a copy is started with."""
    return blake2b(release.model_dump_json().encode(), digest_size=12).hexdigest()


def safe(text: str) -> str:
    """A name that the cluster takes; where letters were lost or it is long, a digest keeps it apart."""
    name = re.sub(r"[^a-z0-9-]", "-", text.lower()).strip("-")
    if name == text and len(name) <= LONGEST:
        return name
    return f"{name[: LONGEST - 9].strip('-')}-{blake2b(text.encode(), digest_size=4).hexdigest()}"
