"""Several services that are released as one: who belongs together, and in which order they are held."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from domain.errors import SpecError
from domain.place import Target
from domain.verdict import Value


class Member(Value):
    """A service of a group and the platform it is on, as tes.yaml names it: enough to find it again without a spec."""

    target: Target
    platform: str

    @property
    def order(self) -> tuple[str, str, str]:
        """What leases are taken by: two groups that share services take them in the same order, and never wait for
        each other in a circle."""
        return self.target.service, self.target.environment, self.platform


class Group(Value):
    """The group of one rollout. Every member's notebook holds it, so that whoever finds one finds all."""

    id: str
    members: tuple[Member, ...]

    def beside(self, target: Target) -> str:
        """The names of the other services, for a person."""
        return ", ".join(member.target.service for member in self.members if member.target != target)


def in_order(members: Iterable[Member]) -> tuple[Member, ...]:
    """Each once, in the order of leases."""
    return tuple(sorted(set(members), key=lambda member: member.order))


def distinct(services: Sequence[str]) -> None:
    """SpecError when a service is named twice: one environment has one release of it."""
    twice = sorted({name for name in services if services.count(name) > 1})
    if twice:
        raise SpecError(
            f"several of the projects are the service {', '.join(twice)}",
            fix="name each project once, and give each its own `name` in its tes.yaml",
        )


def way_back(projects: Sequence[str], environment: str) -> str:
    """The one command that takes a group back, ready to be pasted."""
    return shlex.join(["tes", "rollback", *projects, "--environment", environment])
