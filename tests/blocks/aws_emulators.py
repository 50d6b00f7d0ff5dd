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
    port = _free_port()
    environment = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "ECS_REAP_INTERVAL_SECONDS": "86400",  # it would take away the containers of every other one on this engine
        "TMPDIR": str(folder),
        "HOSTNAME": "none",
    }
    command = [sys.executable, "-m", "ministack"]
    with moto(folder) as records, _served(command, port, environment, folder / "ministack.log") as ministack:
        yield Emulators(ministack, records)


@contextlib.contextmanager
def moto(folder: Path) -> Iterator[str]:
    """Only moto: its address."""
    port = _free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _served(command, port, {}, folder / "moto.log") as address:
        yield address


@contextlib.contextmanager
def _served(command: list[str], port: int, environment: dict[str, str], log: Path) -> Iterator[str]:
    address = f"http://127.0.0.1:{port}"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=log.parent, env={**os.environ, **environment}, stdout=out, stderr=subprocess.STDOUT
        )
        try:
            _wait(address, process, log)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(address, timeout=5)
            return
        time.sleep(0.2)
    raise AssertionError(f"{address} does not answer: {log.read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
