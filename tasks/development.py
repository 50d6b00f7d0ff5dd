"""Runs a project for its developer by compose, and ends it again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from blocks.platforms.secret_references import resolve
from domain.development import COMPOSE_FILES, NAME, compose_file
from domain.errors import CapabilityError, MissingTool, ToolError
from domain.spec import ReleaseSpec, Spec
from domain.verdict import Value
from settings import settings
from tasks.execute import execute
from tasks.image import engine
from tasks.state_folder import project_key
from toolchain import compose

BOOK = "up.json"


class Development(Value):
    """How a project is run. `made` is the compose file to write; None where the project has its own."""

    client: tuple[str, ...]
    name: str
    root: Path
    file: Path
    folder: Path
    made: str | None = None

    @property
    def argv(self) -> tuple[str, ...]:
        """The command, as it is run."""
        return compose.up(self.client, self.name, self.file, self.root, {}, 1.0).argv


async def development(root: Path, spec: Spec) -> Development | None:
    """The way to run the project by compose; None where the platform `local` is the way: no Docker here, or nothing
    that a container could be made of. CapabilityError where the project has a compose file and nothing can run it."""
    folder = settings().state / NAME / project_key(str(root))
    own = next((root / name for name in COMPOSE_FILES if (root / name).is_file()), None)
    if own is None and not (root / spec.build.dockerfile).is_file():
        return None
    client = await _client(folder) if await engine() is not None else None
    if client is None and own is None:
        return None
    if client is None:
        raise CapabilityError(
            f"{own} says how {root.name} is run for development, and nothing here can run it: no Docker engine with "
            "`docker compose` or docker-compose answers",
            fix="install Docker with its compose plugin, or set environments.development: {platform: local}",
        )
    service = spec.name or root.name
    made = None if own else json.dumps(compose_file(service, spec, str(root)), indent=2)
    return Development(
        client=client,
        name=f"{service}-{NAME}",
        root=root,
        file=own or folder / "compose.yaml",
        folder=folder,
        made=made,
    )


async def _client(folder: Path) -> tuple[str, ...] | None:
    for client in compose.CLIENTS:
        try:
            ran = await execute(compose.ask_version(client), folder / "version")
        except MissingTool:
            continue
        if ran.exit_code == 0:
            return client
    return None


async def bring_up(one: Development, spec: Spec) -> None:
    """It is built and running. ToolError with compose's own words, if not."""
    secrets = await resolve((spec.release or ReleaseSpec()).secrets, "release.secrets") if one.made else {}
    one.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if one.made is not None:
        one.file.write_text(one.made)
    # First: what is half up is to be taken down, too.
    (one.folder / BOOK).write_text(one.model_dump_json(exclude={"made"}))
    ran = await execute(
        compose.up(one.client, one.name, one.file, one.root, secrets, spec.build.timeout), one.folder / "up"
    )
    if ran.exit_code != 0:
        how = "ran out of time" if ran.timed_out else f"exit {ran.exit_code}"
        raise ToolError(f"{' '.join(one.client)} up ({how}): {ran.tail(600)}", fix=f"look at {one.folder / 'up'}")


async def bring_down() -> Sequence[str]:
    """Ends every development that was brought up from this home. Returns their projects' names."""
    ended = []
    for book in sorted((settings().state / NAME).glob(f"*/{BOOK}")):
        one = Development.model_validate_json(book.read_text())
        ran = await execute(compose.down(one.client, one.name, one.file, one.root), book.parent / "down")
        if ran.exit_code != 0:
            raise ToolError(f"{one.name} is not down: {ran.tail(600)}", fix=f"run it by hand: see {book}")
        book.unlink()
        ended.append(one.name)
    return ended
