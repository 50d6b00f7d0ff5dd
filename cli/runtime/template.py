"""Makes the migrated, empty Prefect database that fresh homes start from: `python -m cli.runtime.template`."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from cli.runtime.database import template_path
from domain.errors import ToolError

TIMEOUT_S = 300


def make(niceness: int = 0) -> Path:
    """The template's path; it is made when it is not there. Raises `ToolError` when migrating fails."""
    target = template_path()
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tes-template-") as folder:
        migrated = Path(folder) / "prefect.db"
        own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        own |= {
            "PREFECT_HOME": folder,
            "PREFECT_PROFILES_PATH": f"{folder}/profiles.toml",
            "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{migrated}",
            "DO_NOT_TRACK": "1",
        }
        # Prefect reads its settings once, at import: hence another process.
        argv = [sys.executable, "-m", "cli.runtime.template", "--migrate", str(niceness)]
        done = subprocess.run(argv, env=own, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S)
        if done.returncode:
            raise ToolError(f"migrating an empty Prefect database failed:\n{done.stderr[-2000:]}", fix="report it")
        beside = target.with_suffix(f".{os.getpid()}.tmp")
        beside.unlink(missing_ok=True)
        with closing(sqlite3.connect(migrated)) as connection:
            connection.execute("VACUUM INTO ?", (str(beside),))
        os.replace(beside, target)
    return target


async def _migrate() -> None:
    from prefect.server.api.server import create_ui_app
    from prefect.server.database import provide_database_interface
    from prefect.server.models.block_registration import run_block_auto_registration

    interface = provide_database_interface()
    await interface.create_db()
    session = await interface.session()
    async with session:
        await run_block_auto_registration(session=session)
    # Unpacks the UI's files inside Prefect's package, which the first server to start would do otherwise.
    create_ui_app(ephemeral=False)


def main() -> None:
    """Make it and say where it is."""
    if sys.argv[1:2] == ["--migrate"]:
        os.nice(int(sys.argv[2]))
        asyncio.run(_migrate())
    else:
        print(make())


if __name__ == "__main__":
    main()
