"""An engine that imports pytest while it is still being decided what it is to run.

It is the process that a fresh engine would be: the same interpreter, folder and environment, and nothing of the project
is imported before it has its words. Standard library only: this is before anything slow.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence

from tasks.process_group import dies_with_parent
from toolchain.engine_argv import BOOT


class Ahead:
    """Started at once; `go` or `dismiss` it. Where it cannot be started, `go` gives nothing."""

    def __init__(self, python: str, cwd: str, environment: Mapping[str, str], out: str) -> None:
        self.place = (python, cwd, dict(environment))
        self.process: subprocess.Popen[bytes] | None = None
        try:
            os.makedirs(out, exist_ok=True)
            with open(f"{out}/stdout.log", "wb") as printed, open(f"{out}/stderr.log", "wb") as errors:
                self.process = subprocess.Popen(
                    [python, BOOT, "--ahead"],
                    cwd=cwd,
                    env=self.place[2],
                    stdin=subprocess.PIPE,
                    stdout=printed,
                    stderr=errors,
                    start_new_session=True,
                    preexec_fn=dies_with_parent(),
                )
        except OSError:
            # Whoever starts the engine now meets the same, and says so.
            self.process = None

    def go(self, argv: Sequence[str], cwd: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes] | None:
        """The process, which is an engine with these words now; None where it was made for another place, or died."""
        process, self.process = self.process, None
        if process is None:
            return None
        if (argv[0], cwd, dict(environment)) == self.place and argv[1] == BOOT and _told(process, argv[2:]):
            return process
        _end(process)
        return None

    def dismiss(self) -> None:
        """Nothing is to run."""
        process, self.process = self.process, None
        if process is not None:
            _end(process)


def _told(process: subprocess.Popen[bytes], words: Sequence[str]) -> bool:
    assert process.stdin is not None
    try:
        with process.stdin:
            process.stdin.write(json.dumps(list(words)).encode() + b"\n")
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    if process.stdin is not None:
        process.stdin.close()
