"""`python -m blocks.platforms.local_agent FOLDER`: the agent of one target, until it has nothing to do."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import json
import logging
import os
import resource
import secrets
import signal
import sys
import time
from pathlib import Path

from blocks.platforms.local_agent import logs, process
from blocks.platforms.local_agent.arbiter import Arbiter
from blocks.platforms.local_agent.control import LINE, Control
from blocks.platforms.local_agent.guarded import Guarded
from blocks.platforms.local_agent.state import AGENT_FILE, AgentState, load_state, write_durably
from domain.place import Target

CONNECTIONS = 16384  # open files; a request needs two


async def serve(folder: Path, target: Target, idle: float, log_size: int, guard: Guarded) -> None:
    """Runs until `shutdown`, SIGTERM, or `idle` seconds without a release. SIGTERM leaves the copies running."""
    state = load_state(folder) or AgentState(target=target)
    arbiter = Arbiter(folder, state, log_size, guard)
    token = secrets.token_urlsafe(32)
    server = await asyncio.start_server(Control(arbiter, token).serve, "127.0.0.1", 0, limit=LINE)
    await arbiter.start()
    port = server.sockets[0].getsockname()[1]
    me = {"port": port, "token": token, "pid": os.getpid(), "birth": process.birth(os.getpid())}
    write_durably(folder / AGENT_FILE, json.dumps(me), 0o600)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, arbiter.stopped.set)
    guard.up()
    while not arbiter.stopped.is_set() and arbiter.idle < idle:
        try:
            await asyncio.wait_for(arbiter.stopped.wait(), 1)
        except TimeoutError:
            await arbiter.tick()
            guard.renew()
    (folder / AGENT_FILE).unlink(missing_ok=True)
    server.close()
    await asyncio.sleep(0.05)  # the answer to `shutdown` is still on its way


def main() -> int:
    parser = argparse.ArgumentParser(prog="blocks.platforms.local_agent")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--service", required=True)
    parser.add_argument("--environment", required=True)
    parser.add_argument("--idle", type=float, required=True)
    parser.add_argument("--log-size", type=int, required=True)
    parser.add_argument("--passed", default="", help="descriptors: the channel to the guardian, then public sockets")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a caller in the background of a shell has it ignored; copies inherit
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS if hard == resource.RLIM_INFINITY else min(CONNECTIONS, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logs.rotate(options.folder / "agent.log", options.log_size, 1)  # one that breaks at its start never gets to a tick
    guard = Guarded(options.folder, [int(number) for number in options.passed.split(",") if number])
    with open(options.folder / "agent.lock", "a") as lock:
        if not _taken(lock.fileno()):
            logging.error("another agent has %s", options.folder)
            guard.bye()
            return 1
        target = Target(service=options.service, environment=options.environment)
        asyncio.run(serve(options.folder, target, options.idle, options.log_size, guard))
    guard.bye()
    return 0


def _taken(lock: int) -> bool:
    """The kernel may still be clearing away a former agent: half a second is given."""
    for _ in range(50):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.01)
    return False


if __name__ == "__main__":
    sys.exit(main())
