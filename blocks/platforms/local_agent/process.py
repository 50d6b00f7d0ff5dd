"""Processes by identity: a pid says nothing without its birth, and a crashed leader may leave its group behind."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

_LINUX = sys.platform.startswith("linux")
_BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip() if _LINUX else ""


def birth(pid: int | None) -> str | None:
    """What tells this process from a later one of the same pid; None when it is gone or only waits to be reaped."""
    if pid is None:
        return None
    if not _LINUX:
        try:
            process = psutil.Process(pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
        except psutil.NoSuchProcess:
            return None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else f"{_BOOT}:{fields[19]}"  # proc(5): 3 is the state, 22 the start time


def spawn(
    argv: Sequence[str], cwd: Path, environment: Mapping[str, str], log: Path, memory_mb: int | None
) -> subprocess.Popen[bytes]:
    """The leader of a new session whose output is appended to `log`. OSError when it cannot be started.

    It writes to the file itself, not through a pipe: it must outlive the agent.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as output:
        child = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    if memory_mb is not None and hasattr(resource, "prlimit"):
        try:
            resource.prlimit(child.pid, resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
        except ProcessLookupError:
            return child  # it ended at once; whoever watches it will say so
    return child


async def exited(pid: int, born: str | None) -> None:
    """Returns when that process has ended (a zombie has)."""
    if born is None or birth(pid) != born:
        return
    if not hasattr(os, "pidfd_open"):
        while birth(pid) == born:
            await asyncio.sleep(0.2)
        return
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        if birth(pid) == born:
            await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def signal_group(pid: int, born: str | None, number: int) -> None:
    """Signals the leader's whole group, also when only its children are left; nothing when the pid is another's."""
    now = birth(pid)
    if now is not None and now != born:
        return
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return  # nobody is left in it (macOS says EPERM of a group of zombies)


async def stop_group(pid: int, born: str | None, grace: float) -> None:
    """The group is gone: asked first, killed after `grace` seconds."""
    if born is not None and birth(pid) == born:
        signal_group(pid, born, signal.SIGTERM)
        try:
            await asyncio.wait_for(exited(pid, born), grace)
        except TimeoutError:
            pass  # it had its time; the kill below is the answer
    signal_group(pid, born, signal.SIGKILL)
    await asyncio.wait_for(exited(pid, born), 10)


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listener(port: int) -> str:
    """Who listens on the port, as far as this user may see: `nginx (pid 12)`, or an empty string."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,)
            if listens and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        return ""
    return ""


def marked(mark: str) -> Iterator[tuple[int, str]]:
    """(pid, value) of the processes of this user whose TES_COPY begins with `mark`."""
    for process in psutil.process_iter():
        try:
            value = process.environ().get("TES_COPY", "")
        except (psutil.Error, OSError):
            continue  # somebody else's, or gone meanwhile
        if value.startswith(mark) and process.pid != os.getpid():
            yield process.pid, value
