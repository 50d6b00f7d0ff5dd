"""What registering did to one thing of a Prefect server."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Did(StrEnum):
    """In the past tense, as it is told."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    LEFT_OUT = "left out"


@dataclass(frozen=True)
class Change:
    """`kind` is pool, deployment or automation; `why` is empty where nothing needs to be said."""

    kind: str
    name: str
    did: Did
    why: str = ""


def is_news(changes: tuple[Change, ...]) -> bool:
    """Whether anything on the server is different now."""
    return any(one.did in (Did.CREATED, Did.UPDATED) for one in changes)
