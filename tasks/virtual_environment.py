"""A virtual environment that is whole or does not count, and that one builder makes at a time.

It cannot be made elsewhere and moved into place (its scripts hold its path): a marker written last says that it is
whole, and a file lock, which dies with its holder, keeps two builders apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from tasks import manifest
from tasks.one_builder import one_builder


class Locked(NamedTuple):
    """A whole environment: its folder (with bin/python), its lock's digest (`sha256:<hex>`) and the lock."""

    folder: Path
    lock_digest: str
    lock_file: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"


def _whole(folder: Path) -> Locked | None:
    """The environment if its marker is there, it was not moved, and its interpreter is still installed."""
    try:
        marker = json.loads((folder / "complete.json").read_bytes())
        text = (folder / "lock.txt").read_bytes()
    except (OSError, ValueError):
        return None
    digest = f"sha256:{hashlib.sha256(text).hexdigest()}"
    same = marker.get("folder") == str(folder) and marker.get("lock") == digest
    return Locked(folder, digest, folder / "lock.txt") if same and (folder / "bin" / "python").exists() else None


def finish(folder: Path, lock: str) -> Locked:
    shutil.rmtree(folder / ".making", ignore_errors=True)
    digest = f"sha256:{hashlib.sha256(lock.encode()).hexdigest()}"
    manifest.write(folder / "lock.txt", lock)
    manifest.write(folder / "complete.json", json.dumps({"folder": str(folder), "lock": digest}))
    return Locked(folder, digest, folder / "lock.txt")


def layer(folder: Path, below: Path) -> None:
    """Make what is installed below importable and its commands runnable with this environment's interpreter."""
    packages = {path.relative_to(below) for path in below.glob("lib/python*/site-packages")}
    for relative in packages:
        line = f"import site; site.addsitedir({str(below / relative)!r})\n"
        (folder / relative / "dependencies.pth").write_text(line)
    there, here = os.fsencode(below / "bin"), os.fsencode(folder / "bin")
    for script in (below / "bin").iterdir():
        target = folder / "bin" / script.name
        if target.exists() or script.name.startswith(("python", "activate", "Activate")):
            continue
        content = script.read_bytes()
        if content.startswith(b"#!") and there in content[:1024]:
            target.write_bytes(content[:1024].replace(there, here) + content[1024:])
            target.chmod(0o755)
        else:
            target.symlink_to(script)


@contextlib.asynccontextmanager
async def making(folder: Path) -> AsyncIterator[Locked | None]:
    """Yields the whole environment, or None to the one caller that may make it now."""
    if (whole := _whole(folder)) is not None:
        yield whole
        return
    async with one_builder(folder.with_name(f"{folder.name}.lock")):
        whole = _whole(folder)
        if whole is None:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        try:
            yield whole
        finally:
            if _whole(folder) is None:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
