"""Prefect's SQLite database, copied from a migrated template: to migrate a fresh one takes ten seconds.

The template lies inside the virtual environment, beside the Prefect that it fits; `make install` makes it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import sys
from functools import cache
from pathlib import Path

from cli.runtime.environment import prefect_home
from domain.errors import ToolError


def database(home: Path) -> Path:
    """The database file of a home."""
    return prefect_home(home) / "prefect.db"


def template_path() -> Path:
    """Where the template for the installed Prefect is, or would be."""
    return Path(sys.prefix) / "share" / "tes" / f"prefect-{fingerprint()}.db"


@cache
def fingerprint() -> str:
    """Prefect's version and a digest of its migrations' names; found without importing it."""
    found = importlib.util.find_spec("prefect")
    if found is None or found.origin is None:
        raise ToolError(f"Prefect is not installed in {sys.prefix}", fix="pip install test-execution-system again")
    folder = Path(found.origin).parent / "server" / "database" / "_migrations" / "versions" / "sqlite"
    names = "\n".join(sorted(path.name for path in folder.glob("*.py")))
    return f"{importlib.metadata.version('prefect')}-{hashlib.sha256(names.encode()).hexdigest()[:12]}"


def is_current(home: Path) -> bool:
    """Whether the database is known to be migrated, and its block types registered, for the installed Prefect."""
    try:
        return database(home).exists() and _mark(home).read_text() == fingerprint()
    except FileNotFoundError:
        return False


def mark_current(home: Path) -> None:
    """Remember that a server of the installed Prefect has come up on this database."""
    if not is_current(home):
        _mark(home).write_text(fingerprint())


def prepare(home: Path) -> None:
    """Give a fresh home a copy of the template, if there is one."""
    target = database(home)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if target.exists() or not template_path().exists():
        return
    # A write-ahead log left without its database would be replayed into the copy.
    for suffix in ("-wal", "-shm"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    beside = target.with_suffix(".copy")
    shutil.copyfile(template_path(), beside)
    os.replace(beside, target)
    mark_current(home)


def _mark(home: Path) -> Path:
    return prefect_home(home) / "migrated-for"
