"""Small projects and repositories for the tests of snapshots and builds."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from domain.supply import Source
from tasks.snapshot import take

# For suites that run in our own environment: the plugins that are installed there are most of pytest's start.
BARE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def lay(root: Path, files: dict[str, str]) -> Path:
    """The files below a folder, which is made."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def git(folder: Path, *arguments: str) -> str:
    """A git command's output."""
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, message: str = "all", tag: str = "") -> str:
    """Commit everything; the commit's id."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    if tag:
        git(folder, "tag", tag)
    return git(folder, "rev-parse", "HEAD")


def paths(source: Source) -> set[str]:
    """Every file and link in the snapshot."""
    root = Path(source.root)
    found = {Path(folder) / name for folder, _, names in os.walk(root) for name in names}
    links = {Path(folder) / name for folder, names, _ in os.walk(root) for name in names}
    return {p.relative_to(root).as_posix() for p in found | {link for link in links if link.is_symlink()}}


async def source_of(files: dict[str, str], tmp_path: Path, name: str = "demo") -> Source:
    """The snapshot of a project of these files, in the store `tmp_path/store`."""
    return await take(lay(tmp_path / "project", files), tmp_path / "store", name=name)
