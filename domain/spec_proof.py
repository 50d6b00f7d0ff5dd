"""`release.proof` of tes.yaml: the load that runs beside a rollout, to prove that no request is lost."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from domain.duration import Timeout
from domain.verdict import Value


class ProofSpec(Value):
    """A load of constant rate on the public address, from before a rollout's first step until after its last. What it
    sees is kept with the rollout; it changes no verdict, and delays nothing."""

    rate: Annotated[float, Field(gt=0, le=1000)] = Field(20.0, description="requests a second, whatever answers take")
    path: str | None = Field(None, pattern=r"^/", description="asked with GET; `release.health.path` when left out")
    timeout: Timeout = Field(5.0, description="an answer later than this is a lost request")
    version_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")] = Field(
        "X-Release",
        description="header in which the service says its release (its variable `TES_VERSION`); versions are unknown, "
        "and called so, when it does not",
    )
