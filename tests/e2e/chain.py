"""What a person sees while things are killed: whole answers, and an environment that is at one release or the other."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from blocks.platforms.local import LocalPlatform
from domain.place import ServiceState, Target
from tests.e2e.driver import Tes

# When a stage has begun: its folder is there; for the steps of a rollout, when the step before it is written down.
BEGUN: dict[str, str] = {
    "build": "build",
    "scan": "scan.bandit",
    "tests": "tests.unit",
    "load": "load",
    "wait_ready": "provision",
    "shift": "shift 20 %",
    "verify": "promote",
}
STEPS = ("wait_ready", "shift", "verify")


def steps(folder: Path) -> list[str]:
    """The rollout's steps that a run has written down."""
    try:
        lines = (folder / "deploy" / "steps.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line)["step"] for line in lines if line.endswith("}")]


def begun(folder: Path, stage: str) -> bool:
    """Whether a run, whose folder this is, has come to that stage."""
    return BEGUN[stage] in steps(folder) if stage in STEPS else (folder / BEGUN[stage]).exists()


def until(true: Callable[[], Any], what: str, seconds: float = 120) -> Any:
    """Waits until something is there, and returns it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds:g} s: {what}")


def seen(tes: Tes, service: str, environment: str = "staging") -> ServiceState:
    """The environment, from what runs."""
    return asyncio.run(LocalPlatform(home=tes.home).inspect(Target(service=service, environment=environment)))


def previews(tes: Tes, service: str) -> list[Target]:
    """Previews that are still there."""
    targets = asyncio.run(LocalPlatform(home=tes.home).targets())
    return [found for found in targets if found.service == service and found.environment.startswith("preview-")]


def tools_left(tes: Tes) -> list[str]:
    """Processes that work in a run's folder."""
    runs, found = f"{tes.home}/runs/", []
    for process in psutil.process_iter():
        try:
            words = [process.cwd(), *process.cmdline()]
        except (psutil.Error, OSError):
            continue  # gone, or not ours
        if any(word.startswith(runs) for word in words):
            found.append(" ".join(words)[:300])
    return found


class Client(threading.Thread):
    """Asks the public address ten times a second until told to stop; `wrong` is every answer that is not a version."""

    def __init__(self, address: str, versions: set[str]) -> None:
        super().__init__(daemon=True)
        self.address, self.versions = address, versions
        self.asked, self.over = 0, threading.Event()
        self.wrong: list[str] = []

    def run(self) -> None:
        while not self.over.wait(0.1):
            self.asked += 1
            try:
                with urllib.request.urlopen(self.address, timeout=20) as answer:
                    body = answer.read().decode()
                if body not in self.versions:
                    self.wrong.append(body)
            except OSError as error:
                self.wrong.append(repr(error))


def state_of(tes: Tes) -> dict[str, Any]:
    """The runtime's state file; the runtime is started when it does not run."""
    if not (tes.home / "runtime.json").exists():
        assert tes.run("up").code == 0
    found: dict[str, Any] = json.loads((tes.home / "runtime.json").read_text())
    return found
