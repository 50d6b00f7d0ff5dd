"""The interpreter a project is built with, and what of it decides which packages fit."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import sysconfig
import tempfile
from pathlib import Path

from domain.errors import SpecError
from tasks.execute import execute
from toolchain.command import Command

_FACTS = (
    "import json, platform, sys, sysconfig;"
    "print(json.dumps([platform.python_implementation(), platform.python_version(), sysconfig.get_platform(),"
    " '-'.join(platform.libc_ver()), sys.base_prefix]))"
)


async def interpreter(python: str | None) -> tuple[str, tuple[str, ...]]:
    """The interpreter's path and the facts that decide which packages fit it."""
    if python is None:
        implementation, version = platform.python_implementation(), platform.python_version()
        libc = "-".join(platform.libc_ver())
        return sys.executable, (implementation, version, sysconfig.get_platform(), libc, sys.base_prefix)
    told = ""
    for named in _named(python):
        with tempfile.TemporaryDirectory() as scratch:
            ran = await execute(Command(argv=(str(named), "-I", "-c", _FACTS), timeout=60), Path(scratch))
            with contextlib.suppress(ValueError):
                return str(named), tuple(json.loads(ran.stdout.read_bytes()))
            told = ran.tail(200) or f"exit code {ran.exit_code}"
    raise SpecError(
        f"build.python: {python!r} " + (f"does not run: {told}" if told else "is not here"),
        fix="install it, name another interpreter, or leave build.python out",
    )


def _named(python: str) -> list[Path]:
    """Every interpreter of that name: the first on PATH may be a version manager's shim for one that is not set up."""
    if "/" in python:
        return [path for path in (Path(python).expanduser(),) if path.exists()]
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return [path for folder in folders if folder and os.access(path := Path(folder) / python, os.X_OK)]
