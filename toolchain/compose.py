"""Compose: `docker compose`, or docker-compose where the client has no such plugin. Argv only.

What both take (docker-compose 1.29 knows no top-level `name:`): https://docs.docker.com/reference/cli/docker/compose/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from toolchain.command import Command

CLIENTS: Sequence[tuple[str, ...]] = (("docker", "compose"), ("docker-compose",))


def ask_version(client: Sequence[str]) -> Command:
    """Whether it is here: exit code 0."""
    return Command(argv=(*client, "version"), timeout=20.0)


def up(
    client: Sequence[str], project: str, file: Path, root: Path, secrets: Mapping[str, str], timeout: float
) -> Command:
    """Everything of the file is built and running, in the background."""
    argv = (*_of(client, project, file, root), "up", "--detach", "--build")
    return Command(argv=argv, cwd=root, secrets=dict(secrets), timeout=timeout)


def down(client: Sequence[str], project: str, file: Path, root: Path) -> Command:
    """Its containers and networks are gone; its volumes stay."""
    return Command(argv=(*_of(client, project, file, root), "down", "--remove-orphans"), timeout=120.0)


def _of(client: Sequence[str], project: str, file: Path, root: Path) -> tuple[str, ...]:
    return (*client, "--project-name", project, "--file", str(file), "--project-directory", str(root))
