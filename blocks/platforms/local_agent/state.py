"""What the agent must not forget: written whole, atomically and durably after each change."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from pydantic import BaseModel, Field

from domain.errors import Rejected
from domain.place import Lease, Release, Target

STATE_FILE, AGENT_FILE, NOTEBOOK = "state.json", "agent.json", "notebook"


class CopyRecord(BaseModel):
    """A process by pid and birth (a pid alone is reused by the kernel), and where it listens."""

    name: str
    port: int = 0
    pid: int | None = None
    birth: str | None = None
    restarts: int = 0
    healthy: bool = Field(False, description="was so when last looked at; spares an adopted copy the N successes")


class ReleaseRecord(BaseModel):
    release: Release
    weight: int = 0
    warm_until: float | None = None
    draining: bool = False
    ever_ready: bool = False
    copies: list[CopyRecord] = Field(default_factory=list)


class AgentState(BaseModel):
    target: Target
    token: int = 0
    lease: Lease | None = None
    stable: str | None = None
    public_port: int | None = None
    releases: list[ReleaseRecord] = Field(default_factory=list)


def safe_name(text: str) -> str:
    """A file name for any version, service or key, one to one; Rejected when there can be none."""
    name = quote(text, safe="")
    if name in ("", ".", "..") or len(name) > 200:
        raise Rejected(f"{text[:80]!r} cannot be a folder's name", fix="use 1 to 200 letters, digits, dots and dashes")
    return name


def write_durably(path: Path, text: str, mode: int = 0o600) -> None:
    """The file holds the old or the new text whole, also after a power cut. OSError when it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load_state(folder: Path) -> AgentState | None:
    """What the last agent knew; None when there was none. ValueError when the file is not one of ours."""
    try:
        text = (folder / STATE_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return AgentState.model_validate_json(text)
