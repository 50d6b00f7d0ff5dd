"""What a tool module returns and what it gets back; `tasks/execute.py` is what lies between."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field

from domain.verdict import Value

# Maven's launcher resets the colours on standard error, and says nothing else there.
_COLOURS = re.compile(r"\x1b\[[0-9;:]*m")


class Command(Value):
    """An argv to run: never a shell string. A secret goes into `secrets` (an environment variable), never into argv.

    `report` is where the tool will write its report; the runner removes an old one first, so that a stale report
    is never read. `creates` are folders that must be there before it starts.
    """

    argv: tuple[str, ...] = Field(min_length=1)
    cwd: Path | None = None
    environment: dict[str, str] = Field(default_factory=dict)
    secrets: dict[str, str] = Field(default_factory=dict, repr=False)
    timeout: float = Field(600.0, description="seconds, for the whole process group")
    report: Path | None = None
    creates: tuple[Path, ...] = ()
    files: dict[Path, str] = Field(default_factory=dict, description="written before it starts: generated scripts")


class Ran(Value):
    """How it went. `exit_code` is negative for a signal, None when it was stopped at its time-out.

    `stdout` and `stderr` are files, cut at the runner's limit (`truncated`).
    """

    argv: tuple[str, ...]
    exit_code: int | None
    seconds: float
    stdout: Path
    stderr: Path
    report: Path | None = None
    timed_out: bool = False
    truncated: bool = False

    def tail(self, characters: int = 600) -> str:
        """The end of what it printed, without colours: standard error if there is any, else standard output."""
        for path in (self.stderr, self.stdout):
            try:
                with path.open("rb") as file:
                    file.seek(max(0, path.stat().st_size - characters * 4))
                    text = _COLOURS.sub("", file.read().decode("utf-8", "replace")).strip()
            except FileNotFoundError:
                continue
            if text:
                return text[-characters:]
        return ""
