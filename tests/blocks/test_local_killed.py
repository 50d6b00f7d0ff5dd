"""kill -9 of the agent at any moment: said again, every verb arrives where it was going, and nothing is left over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from blocks.platforms.local_agent import process
from domain.errors import Unavailable
from domain.place import Job
from tests.blocks.local_subject import LocalSubject, until
from tests.blocks.platform_contract import TARGET

DELAYS = [0.0, 0.003, 0.01, 0.03, 0.1]


async def killed_during(local: LocalSubject, verb: Callable[[], Awaitable[None]], delay: float) -> None:
    """The verb is said, the agent is killed meanwhile, the verb is said again."""
    said = asyncio.ensure_future(verb())
    await asyncio.sleep(delay)
    local.kill_agent()
    try:
        await said
    except Unavailable:
        await local.platform.inspect(TARGET)
    await verb()


@pytest.mark.parametrize("delay", DELAYS)
async def test_killed_while_provisioning(shared: LocalSubject, delay: float) -> None:
    lease = await shared.lease()
    release = shared.release("v2", replicas=2)
    await killed_during(shared, lambda: shared.platform.provision(lease, release), delay)
    ready, why = await shared.platform.wait_ready(TARGET, "v2", 20)
    assert ready, why
    await until(lambda: _running(shared, {"v1-1", "v2-1", "v2-2"}))
    assert (await shared.send(10))["v1"] == 10
    await shared.platform.retire(lease, "v2")


@pytest.mark.parametrize("delay", DELAYS)
async def test_killed_while_promoting_and_aborting(shared: LocalSubject, delay: float) -> None:
    lease = await shared.provisioned("v2")
    await killed_during(shared, lambda: shared.platform.promote(lease, "v2"), delay)
    assert (await shared.platform.inspect(TARGET)).stable == "v2"
    assert (await shared.send(10))["v2"] == 10
    await killed_during(shared, lambda: shared.platform.abort(lease, "v1"), delay)
    assert (await shared.platform.inspect(TARGET)).stable == "v1"
    assert (await shared.send(10))["v1"] == 10
    await until(lambda: _running(shared, {"v1-1"}))


async def test_a_release_that_was_draining_is_gone_after_a_kill(local: LocalSubject) -> None:
    lease = await local.stable("v1")
    await local.stable("v2", drain=3.0)
    slow = asyncio.create_task(local.get("/slow/20"))
    await local.wait(0.3)
    abort = asyncio.ensure_future(local.platform.abort(lease, "v1"))
    await local.wait(0.3)
    local.kill_agent()
    with pytest.raises(Unavailable):
        await abort
    await local.platform.inspect(TARGET)
    await until(lambda: _running(local, {"v1-1"}))
    assert (await local.send(5))["v1"] == 5
    await asyncio.gather(slow, return_exceptions=True)


@pytest.mark.parametrize("first", [True, False])
async def test_a_job_that_lost_its_agent_is_ended_before_it_runs_again(local: LocalSubject, first: bool) -> None:
    lease = await local.lease() if first else await local.stable("v1")
    code = "import sys, time; open(sys.argv[1], 'a').write('began '); time.sleep(float(sys.argv[2])); print('done')"
    page = str(local.home / "page")

    def job(seconds: str) -> Job:
        return Job(name="migrate", command=("python", "-S", "-c", code, page, seconds))

    lost = asyncio.ensure_future(local.platform.run(lease, local.release("v1"), job("60")))
    await until(lambda: _began(page))
    local.kill_agent()
    with pytest.raises(Unavailable):
        await lost
    result = await local.platform.run(lease, local.release("v1"), job("0"))
    assert (result.exit_code, result.output.strip()) == (0, "done")
    await until(lambda: _running(local, set() if first else {"v1-1"}))


async def test_a_job_asked_for_twice_at_once_runs_once(local: LocalSubject) -> None:
    lease, release = await local.lease(), local.release("v1")
    code = "import sys, time; open(sys.argv[1], 'a').write('x'); time.sleep(0.2)"
    job = Job(name="migrate", command=("python", "-S", "-c", code, str(local.home / "page")))
    first, second = await asyncio.gather(*(local.platform.run(lease, release, job) for _ in range(2)))
    assert first == second and (local.home / "page").read_text() == "x"


async def _running(local: LocalSubject, names: set[str]) -> bool:
    return sorted(value.rpartition("/")[2] for _, value in process.marked(f"{local.folder}/")) == sorted(names)


async def _began(page: str) -> bool:
    try:
        with open(page) as file:
            return file.read() == "began "
    except FileNotFoundError:
        return False
