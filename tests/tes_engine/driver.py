"""Runs the engine on a small project, and plain pytest beside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolchain.engine_argv import BOOT

PLAIN = """
import json, os
SEEN = {}
def pytest_runtest_logreport(report):
    SEEN.setdefault(report.nodeid, []).append(report)
def pytest_unconfigure():
    from _tes_engine.recorder import status_of
    with open(os.environ["PLAIN_OUT"], "w") as file:
        json.dump({name: status_of(reports) for name, reports in SEEN.items()}, file)
"""


@dataclass
class Run:
    """What an engine left: its exit code, its journal and what it printed."""

    code: int
    out: Path
    printed: str
    events: list[dict[str, Any]] = field(default_factory=list)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["e"] == kind]

    @property
    def outcomes(self) -> dict[str, str]:
        """Node id to the status of its last attempt."""
        results = sorted(self.of("result"), key=lambda event: event["n"])
        return {event["id"]: event["o"] for event in results}

    @property
    def attempts(self) -> list[tuple[str, int, str]]:
        """What came out of each attempt; two workers that could not collect the same file say so twice."""
        told = [event for event in self.of("result") if "collect" not in event]
        return sorted((event["id"], event["n"], event["o"]) for event in told)

    @property
    def problems(self) -> list[str]:
        return [event["text"] for event in self.of("problem")]

    @property
    def notes(self) -> list[str]:
        return [event["text"] for event in self.of("note")]


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


def environment(python: str = sys.executable) -> dict[str, str]:
    """The tests' own, less what this run of pytest has set in it. Our interpreter loads none of our own plugins."""
    unwanted = ("PYTEST_", "PYTHONPATH", "COV_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return kept | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} if python == sys.executable else kept


def argv(out: Path, *options: str, arguments: tuple[str, ...], python: str = sys.executable) -> list[str]:
    return [python, BOOT, "--out", str(out), "--workers", "2", *options, "--", *arguments]


def engine(
    root: Path,
    *options: str,
    arguments: tuple[str, ...] = (),
    out: Path | None = None,
    python: str = sys.executable,
) -> Run:
    """The engine in a project's folder, to its end."""
    out = out or root.parent / "out"
    ran = subprocess.run(
        argv(out, *options, arguments=arguments, python=python),
        cwd=root,
        env=environment(python),
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Run(ran.returncode, out, ran.stdout + ran.stderr, journal(out))


def begin(root: Path, out: Path, *options: str, arguments: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
    """The engine, started and not waited for, in a process group of its own."""
    command = argv(out, *options, arguments=arguments)
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=root, env=environment(), stdout=quiet, stderr=quiet, start_new_session=True)


def end(process: subprocess.Popen[bytes]) -> None:
    """No process of the group is left."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def journal(out: Path) -> list[dict[str, Any]]:
    events = []
    for path in sorted((out / "journal").glob("*.jsonl")):
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                events.append(json.loads(line) | {"in": path.stem})
    return events


def plain(root: Path, *arguments: str) -> tuple[dict[str, str], str]:
    """What plain pytest makes of each case, and what it prints."""
    (root.parent / "plug").mkdir(exist_ok=True)
    (root.parent / "plug" / "plain_outcomes.py").write_text(PLAIN)
    boot = f"import runpy, sys; sys.path.insert(0, {str(Path(BOOT).parent)!r}); import boot; boot.load('recorder'); "
    boot += "sys.path[0] = ''; import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    out = root.parent / "plain.json"
    env = environment() | {"PYTHONPATH": str(root.parent / "plug"), "PLAIN_OUT": str(out)}
    command = [sys.executable, "-c", boot, "-p", "plain_outcomes", *arguments]
    ran = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=120)
    return json.loads(out.read_text()), ran.stdout
