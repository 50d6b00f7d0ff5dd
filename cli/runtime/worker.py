"""Registers pool and deployments once the server answers, then becomes Prefect's process worker.

One process for both, because importing Prefect is most of the cost of either, and it overlaps with the server's start.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from prefect.settings import get_current_settings
from prefect.utilities.processutils import setup_signal_handlers_worker
from prefect.workers.process import ProcessWorker

from cli.runtime import health
from cli.runtime.environment import prefect_home
from deployments.change import is_news
from deployments.registration import setup
from deployments.zombies import bury, skip_missed

SERVER_TIMEOUT_S = 300.0


async def run(pool: str) -> None:
    """Wait for the server, make it ready, work until told to stop."""
    current = get_current_settings()
    api_url, home = os.environ["PREFECT_API_URL"], Path(os.environ["TES_HOME"])
    if not await health.wait(f"{api_url}/health", SERVER_TIMEOUT_S):
        sys.exit(f"no Prefect server answered at {api_url} within {SERVER_TIMEOUT_S:.0f} s")
    done = await setup(
        api_url,
        root=Path(os.environ["TES_PROJECT_ROOT"]),
        remember=prefect_home(home) / "registered",
        interpreter=sys.executable,
    )
    print("pool and deployments registered" if is_news(done) else "pool and deployments are as they were", flush=True)
    ready = home / "worker.ready"
    # The supervisor removes it when it starts. Runs of a worker that was killed since then go on without it.
    if not ready.exists() and (lost := await bury(api_url, pool)):
        print(f"{lost} runs of an earlier runtime marked Crashed", flush=True)
    if not ready.exists() and (missed := await skip_missed(api_url, pool)):
        print(f"{missed} scheduled runs were missed while nothing ran: cancelled", flush=True)
    setup_signal_handlers_worker(os.getpid(), "the worker", print)
    worker = ProcessWorker(
        work_pool_name=pool,
        name="tes-embedded",
        prefetch_seconds=current.worker.prefetch_seconds,
        heartbeat_interval_seconds=int(current.worker.heartbeat_seconds),
        create_pool_if_not_found=False,
    )

    def started(message: str) -> None:
        ready.write_text(str(os.getpid()))
        print(message, flush=True)

    await worker.start(printer=started)


if __name__ == "__main__":
    try:
        asyncio.run(run(sys.argv[1]))
    except KeyboardInterrupt:
        print("worker stopped", flush=True)
