"""A child's output, line by line, into a file that cannot fill the disk."""

from __future__ import annotations

import asyncio
import logging
import logging.handlers
from pathlib import Path

SIZE, KEPT = 5_000_000, 3


def logs(home: Path) -> Path:
    """The folder of the runtime's logs."""
    return home / "logs"


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log; a sentence that says so when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 8_000))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return f"(no log at {path})"


def rotating(path: Path) -> logging.Handler:
    """A handler that keeps at most `KEPT` old files of `SIZE` bytes; owner-only, as output may quote anything."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return logging.handlers.RotatingFileHandler(path, maxBytes=SIZE, backupCount=KEPT, encoding="utf-8")


async def pump(output: asyncio.StreamReader, log: logging.Handler) -> None:
    """Write what comes until the end; reads in chunks, because a line may be longer than any buffer."""
    rest = b""
    while chunk := await output.read(65536):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > 1_000_000:
            lines, rest = [*lines, rest], b""
        for line in lines:
            _emit(log, line)
    if rest:
        _emit(log, rest)


def _emit(log: logging.Handler, line: bytes) -> None:
    text = line.decode(errors="replace").rstrip("\r")
    log.handle(logging.LogRecord("child", logging.INFO, "", 0, text, None, None))
