"""A real PostgreSQL for the tests: the wheel `pgserver`, or Debian's binaries. On a socket; stopped at the end."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A running server that holds its data below `folder`; the URL of its database `postgres`."""
    if importlib.util.find_spec("pgserver"):
        with warnings.catch_warnings():
            # It asks for a login session's runtime folder; without one it finds another.
            warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR")
            from pgserver.postgres_server import get_server

        running = get_server(folder / "data", cleanup_mode="delete")
        try:
            yield running.get_uri()
        finally:
            running.cleanup()
    else:
        with _installed(folder) as url:
            yield url


@contextmanager
def _installed(folder: Path) -> Iterator[str]:
    # PostgreSQL refuses to run as root; its package made a user for it.
    user = "postgres" if os.geteuid() == 0 else None
    data = folder / "data"
    data.mkdir(parents=True)
    if user:
        shutil.chown(data, user)
        folder.chmod(0o711)
    init = [_binary("initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync"]
    subprocess.run(init, check=True, capture_output=True, user=user, cwd=data)
    serve = [_binary("postgres"), "-D", str(data), "-k", str(data), "-c", "listen_addresses="]
    process = subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=user, cwd=data)
    try:
        _wait(process, data / ".s.PGSQL.5432")
        yield f"postgresql://postgres@/postgres?host={data}"
    finally:
        process.terminate()
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], socket: Path) -> None:
    deadline = time.monotonic() + 30
    while not socket.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start: exit code {process.poll()}")
        time.sleep(0.05)


def _binary(name: str) -> str:
    found = shutil.which(name) or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None
    )
    if found is None:
        raise RuntimeError(f"{name} is not on PATH nor in /usr/lib/postgresql")
    return found
