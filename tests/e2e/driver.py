"""Drives the real `tes` command against a home of its own, the way a person would."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The object that `--json` printed."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    def outcomes(self) -> dict[str, str]:
        """Stage → outcome."""
        return {stage["name"]: stage["verdict"]["outcome"] for stage in self.report["stages"]}

    def reused(self) -> set[str]:
        """The stages that quote an earlier run."""
        return {stage["name"] for stage in self.report["stages"] if stage["verdict"]["reused"]}


class Tes:
    """`tes` with a home; `environment` is added to the caller's."""

    def __init__(self, home: Path, environment: dict[str, str] | None = None) -> None:
        self.home = home
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        self.environment = {**inherited, "TES_HOME": str(home), **(environment or {})}

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-P", "-m", "cli.main", *words]

    def run(self, *words: str, cwd: Path = ROOT, timeout: float = 240) -> Answer:
        """Runs the command to its end."""
        done = subprocess.run(
            self.argv(*words), cwd=cwd, env=self.environment, capture_output=True, text=True, timeout=timeout
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str, cwd: Path = ROOT) -> subprocess.Popen[str]:
        """Starts the command; the caller ends it."""
        return subprocess.Popen(
            self.argv(*words),
            cwd=cwd,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def script(self, code: str, *words: str, timeout: float = 240) -> Any:
        """Runs Python with this home, which has to print one JSON value on its last line. Returns that."""
        argv = [sys.executable, "-P", "-c", code, *words]
        done = subprocess.run(argv, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=timeout)
        assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-2000:]
        return json.loads(done.stdout.splitlines()[-1])

    def stable(self, service: str, environment: str) -> tuple[str | None, str]:
        """The version that is stable, and the public address, from what runs."""
        answer = self.run("status", "--json")
        assert answer.code == 0, answer.err
        for place in answer.report["environments"]:
            if place["target"] == {"service": service, "environment": environment}:
                return place["stable"], place["address"]
        return None, ""


def copy_of_checkout(into: Path, name: str) -> Path:
    """The example under a name of its own, with bakes of half a second: tests share a machine, not an environment."""
    shutil.copytree(ROOT / "examples/checkout", into, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    spec = into / "tes.yaml"
    text = spec.read_text().replace("name: checkout", f"name: {name}", 1)
    text = re.sub(r"bake: \d+s", "bake: 500ms", text).replace("duration: 8s", "duration: 3s")
    spec.write_text(text.replace("min_requests: 100", "min_requests: 30"))
    script = into / "load/checkout.js"
    script.write_text(re.sub(r"duration: ['\"]8s['\"]", "duration: '3s'", script.read_text()))
    return into


def get(url: str) -> tuple[int, str]:
    """Status and body of one GET."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def break_it(project: Path, name: str) -> None:
    """Breaks a copy of the example in one of its five ways."""
    subprocess.run([sys.executable, "break.py", name], cwd=project, check=True, capture_output=True)


class Visitor:
    """Somebody who uses the service all the time: an open model of `rate` GETs a second, each counted.

    `with Visitor(url) as visitor: ...` and then `visitor.failures` (what went wrong) and `visitor.count`.
    """

    def __init__(self, url: str, rate: float = 40) -> None:
        self.url, self.rate = url, rate
        self.count = 0
        self.failures: list[str] = []
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(16)
        self._thread = threading.Thread(target=self._run)

    def _once(self) -> None:
        try:
            status, _ = get(self.url)
            problem = "" if status == 200 else str(status)
        except OSError as error:
            problem = str(error)
        self.count += 1
        if problem:
            self.failures.append(problem)

    def _run(self) -> None:
        began, sent = time.monotonic(), 0
        while not self._over.wait(max(0.0, began + sent / self.rate - time.monotonic())):
            self._pool.submit(self._once)
            sent += 1

    def __enter__(self) -> Visitor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._pool.shutdown()
