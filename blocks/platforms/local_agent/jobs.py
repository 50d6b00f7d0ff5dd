"""Jobs: a command run once with a release's code and configuration, a migration for one."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from blocks.platforms.local_agent import launch, logs, process
from blocks.platforms.local_agent.copies import TERM_GRACE, Plan
from domain.errors import Rejected
from domain.place import Job, JobResult

_OUTPUT = 65536
TIMED_OUT = 124  # what timeout(1) answers


async def run(plan: Plan, job: Job, folder: Path) -> JobResult:
    """Its exit code and the end of its output; 124 when its time was over. Rejected when it cannot be started."""
    release = plan.release
    log = folder / f"{job.name}-{release.version}-{time.time_ns()}.log"
    mark = f"{plan.mark}/job-{job.name}"
    values = launch.environment(plan.target, release, plan.secrets, None, mark)
    started = time.monotonic()
    try:
        child = process.spawn(job.command, plan.tree, values, log, release.resources.memory_mb)
    except OSError as error:
        raise Rejected(
            f"job {job.name} of release {release.version} cannot be started: {job.command[0]}: {error.strerror}",
            fix="check the job's command in tes.yaml, e.g. release.migrations.command",
        ) from error
    born = process.birth(child.pid)
    code = None
    try:
        await asyncio.wait_for(process.exited(child.pid, born), job.timeout)
        code = child.wait()
    except TimeoutError:
        with open(log, "ab") as output:
            output.write(f"\nended: it ran longer than its {job.timeout:g} s\n".encode())
    finally:
        await process.stop_group(child.pid, born, TERM_GRACE)
        child.wait()
    text = logs.tail(log, plan.secrets.values(), lines=2000, limit=_OUTPUT)
    for old in sorted(folder.glob("*.log"), key=os.path.getmtime)[:-20]:
        old.unlink(missing_ok=True)
    return JobResult(exit_code=TIMED_OUT if code is None else code, output=text, seconds=time.monotonic() - started)
