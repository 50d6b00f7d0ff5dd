"""Emulators of AWS as servers on this machine: ministack runs ECS as real containers, moto keeps ELB's records."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx

REGION = "us-east-1"
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": REGION}


class Emulators(NamedTuple):
    """Their addresses."""

    ministack: str
    moto: str


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Emulators]:
    """Both, until the end of the block."""
    here, there = _free_port(), _free_port()
    environment = {
        **os.environ,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(here),
        "ECS_REAP_INTERVAL_SECONDS": "86400",  # it would take away the containers of every other one on this engine
        "TMPDIR": str(folder),
        "HOSTNAME": "none",
    }
    moto = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(there)]
    with (folder / "emulators.log").open("wb") as log:
        started = [
            subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
            for command in ([sys.executable, "-m", "ministack"], moto)
        ]
        try:
            both = Emulators(f"http://127.0.0.1:{here}", f"http://127.0.0.1:{there}")
            for address in both:
                _wait(address, started, folder / "emulators.log")
            yield both
        finally:
            for process in started:
                process.terminate()
            for process in started:
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _wait(address: str, started: list[subprocess.Popen[bytes]], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and all(process.poll() is None for process in started):
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(address, timeout=5)
            return
        time.sleep(0.2)
    raise AssertionError(f"{address} does not answer: {log.read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
