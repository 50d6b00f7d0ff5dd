"""The charter as annotations of the Cloud Run service.

It lies in the service itself because the same update then changes the charter and the traffic, under one etag: what was
decided and what is served cannot come apart, and a client that is killed has changed both or neither. In a resource
beside it (a job that never runs, a secret, an object in a bucket) each change would be two, and an abort that stopped
between them would say one thing and serve another until somebody looks.
"""

from __future__ import annotations

from collections.abc import Mapping

from domain.charter import Charter
from domain.errors import Rejected
from domain.place import Target

PREFIX = "test-execution-system.io/"
CHARTER = f"{PREFIX}charter-"
TARGET = f"{PREFIX}target"
LEAVING = f"{PREFIX}leaving"
"""Revisions that have lost their traffic, and until when they are left alone: `name=seconds since the epoch` each."""

_PIECE = 50_000  # characters of one annotation
_ALL = 250_000  # bytes of all annotations; Kubernetes' rules, which Cloud Run follows, say 256 KiB


def written(charter: Charter, leaving: Mapping[str, float], foreign: Mapping[str, str]) -> dict[str, str]:
    """All annotations of the service: these, and what is not ours as it is. Rejected when the notebook is too long."""
    text = charter.model_dump_json()
    if len(text.encode()) > _ALL:
        raise Rejected(
            f"the charter of {charter.target} has {len(text.encode())} bytes, and {_ALL} fit into a service's notes",
            fix="retire releases that are no longer needed",
        )
    pieces = {f"{CHARTER}{n // _PIECE:02}": text[n : n + _PIECE] for n in range(0, len(text), _PIECE)}
    others = {key: value for key, value in foreign.items() if not key.startswith(PREFIX)}
    left = " ".join(f"{name}={until:.1f}" for name, until in sorted(leaving.items()))
    return {**others, **pieces, TARGET: charter.target.model_dump_json(), LEAVING: left}


def charter(annotations: Mapping[str, str]) -> Charter | None:
    """What was decided last; None where there is none. Rejected where it cannot be read."""
    pieces = [annotations[key] for key in sorted(annotations) if key.startswith(CHARTER)]
    if not pieces:
        return None
    try:
        return Charter.model_validate_json("".join(pieces))
    except ValueError as error:
        raise Rejected(
            "the charter in the service's annotations cannot be read",
            fix=f"put {CHARTER}* back as they were, or delete the service: the environment is new then",
        ) from error


def target(annotations: Mapping[str, str]) -> Target | None:
    """Whose service it is."""
    text = annotations.get(TARGET)
    return Target.model_validate_json(text) if text else None


def leaving(annotations: Mapping[str, str]) -> dict[str, float]:
    """Revisions that are left alone until a moment."""
    pairs = (one.partition("=") for one in annotations.get(LEAVING, "").split())
    return {name: float(until) for name, _, until in pairs}
