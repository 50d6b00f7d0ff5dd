"""The other side of `control`: finds the agent of a target, starts it when there is none, and asks it."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import domain
from blocks.platforms.local_agent import guarded, process
from blocks.platforms.local_agent.control import LINE
from blocks.platforms.local_agent.state import AGENT_FILE
from domain import errors
from domain.errors import PlatformError, Unavailable
from domain.place import Target

START_TIMEOUT = 15.0
_ROOT = Path(domain.__file__).parents[1]
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")


class Agent:
    """The agent of one target, there or not. `idle` seconds without a release end it, logs rotate at `log_size`."""

    def __init__(self, folder: Path, target: Target, idle: float, log_size: int) -> None:
        self.folder, self.target, self.idle, self.log_size = folder, target, idle, log_size

    async def ask(self, verb: str, arguments: dict[str, Any], *, start: bool = True, timeout: float = 120.0) -> Any:
        """The verb's result as JSON; its error as the one that the agent raised. Unavailable when nobody answers."""
        connection = await self._connect() or (await self._start() if start else None)
        if connection is None:
            raise Unavailable(f"no agent runs for {self.target}")
        reader, writer, token = connection
        try:
            request = {"token": token, "verb": verb, "arguments": arguments}
            async with asyncio.timeout(timeout):
                writer.write(json.dumps(request).encode() + b"\n")
                await writer.drain()
                line = await reader.readline()
            answer = json.loads(line)
        except TimeoutError as error:
            raise Unavailable(
                f"the agent of {self.target} did not finish `{verb}` within {timeout:g} s",
                fix=f"see {self.folder / 'agent.log'}",
            ) from error
        except (OSError, ValueError) as error:
            raise Unavailable(
                f"the agent of {self.target} went away during `{verb}`", fix="inspect, then say it again"
            ) from error
        finally:
            writer.close()
        if "error" in answer:
            kind = getattr(errors, answer["error"], PlatformError)
            raise kind(answer["message"], fix=answer["fix"])
        return answer["result"]

    def there(self) -> bool:
        """Its process runs, answering or not, or its guardian, who is about to start it again."""
        known = self._known()
        return guarded.lives(self.folder) or known is not None and process.birth(known["pid"]) == known["birth"]

    async def gone(self, timeout: float) -> None:
        """Returns once nothing of it runs, or time is up."""
        deadline = time.monotonic() + timeout
        while self.there() and time.monotonic() < deadline:
            await asyncio.sleep(0.01)

    def _known(self) -> dict[str, Any] | None:
        try:
            known = json.loads((self.folder / AGENT_FILE).read_text())
        except (FileNotFoundError, ValueError):
            return None
        return known if isinstance(known, dict) else None

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str] | None:
        known = self._known()
        if known is None or process.birth(known["pid"]) != known["birth"]:
            return None
        try:
            async with asyncio.timeout(5):
                reader, writer = await asyncio.open_connection("127.0.0.1", known["port"], limit=LINE)
        except (OSError, TimeoutError):
            return None
        return reader, writer, known["token"]

    async def _start(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
        """Starts it under a lock, so that two callers start one. Unavailable with the end of its log otherwise."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        deadline = time.monotonic() + START_TIMEOUT
        with open(self.folder / "start.lock", "a") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    self._not_after(deadline, "another process has been starting it for long")
                    await asyncio.sleep(0.02)
            child: subprocess.Popen[bytes] | None = None
            while not (connection := await self._connect()):
                if child is not None and child.poll() is not None:
                    raise self._unavailable(f"it ended with exit {child.returncode} at its start")
                if child is None and (vacancy := guarded.vacant(self.folder)) is not None:
                    child = self._launch(vacancy)  # otherwise its guardian is about to start it again
                self._not_after(deadline, f"it did not answer within {START_TIMEOUT:g} s")
                await asyncio.sleep(0.01)
            return connection

    def _launch(self, vacancy: int) -> subprocess.Popen[bytes]:
        values = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        command = [sys.executable, "-P", "-m", "blocks.platforms.local_agent", str(self.folder)]
        command += ["--service", self.target.service, "--environment", self.target.environment]
        command += ["--idle", str(self.idle), "--log-size", str(self.log_size)]
        child = guarded.start(self.folder, vacancy, command, values | {"PYTHONPATH": str(_ROOT)})
        # A caller that lives long (a worker) must not keep the guardian as a zombie when it has ended.
        threading.Thread(target=child.wait, daemon=True).start()
        return child

    def _not_after(self, deadline: float, why: str) -> None:
        if time.monotonic() > deadline:
            raise self._unavailable(why)

    def _unavailable(self, why: str) -> Unavailable:
        try:
            words = (self.folder / "agent.log").read_text(errors="replace").strip().splitlines()[-3:]
        except OSError:
            words = []
        return Unavailable(
            f"the agent of {self.target} cannot be started: {why}" + "".join(f"\n  {line[:300]}" for line in words),
            fix=f"see {self.folder / 'agent.log'}",
        )
