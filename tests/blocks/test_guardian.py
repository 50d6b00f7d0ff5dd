"""The guardian: a killed agent is back without anybody's doing, and those who connect meanwhile only wait."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from blocks.platforms.local import LocalPlatform
from blocks.platforms.local_agent import guarded, guardian, process
from domain.errors import Unavailable
from domain.place import Target
from tests.blocks.local_subject import LocalSubject, NewConnections, until
from tests.blocks.platform_contract import TARGET


async def test_a_killed_agent_under_load_costs_only_the_requests_in_flight(local: LocalSubject) -> None:
    """Nobody says a verb. The fastest of three is looked at for the time: others work on this machine, too."""
    await local.stable(replicas=2)
    agents, recoveries = {local.agent_pid()}, []
    async with NewConnections(await local.address(), rate=100) as load:
        for _ in range(3):
            await local.wait(0.3)
            killed = time.monotonic()
            local.kill_agent()
            await until(lambda: _answered_after(load, killed))
            recoveries.append(load.first_answer_after(killed) - killed)
            assert [why for began, why in load.failed if began > killed] == []
            assert len(load.failed) <= 3 * load.MOST_AT_ONCE
            agents.add(local.agent_pid())
    assert len(agents) == 4 and min(recoveries) < 2, "0.4 s on a quiet machine"
    assert load.answered > 60


async def test_a_killed_agent_without_releases_is_back_as_well(local: LocalSubject) -> None:
    lease = await local.lease()
    local.kill_agent()
    await until(lambda: _answering(local))
    assert (await local.platform.inspect(TARGET)).lease == lease


async def test_a_killed_guardian_is_replaced_and_the_new_one_guards(local: LocalSubject) -> None:
    await local.stable()
    address, agent, first = await local.address(), local.agent_pid(), _guardian(local)
    os.kill(first, signal.SIGKILL)
    await until(lambda: _guarded_by_other_than(local, first))
    assert local.agent_pid() == agent and (await local.get("/")).text == "v1"
    async with NewConnections(address, rate=50) as load:
        killed = time.monotonic()
        local.kill_agent()
        await until(lambda: _answered_after(load, killed))
    assert [why for began, why in load.failed if began > killed] == []
    assert local.agent_pid() != agent
    await local.platform.shutdown(TARGET)
    assert _processes(local.folder) == []


async def test_killed_together_they_come_back_with_the_next_verb(local: LocalSubject) -> None:
    await local.stable()
    address, agent = await local.address(), local.agent_pid()
    os.kill(_guardian(local), signal.SIGKILL)
    local.kill_agent()
    assert await local.address() == address and local.agent_pid() != agent
    assert (await local.get("/")).text == "v1"


async def test_sigterm_ends_both_and_leaves_the_copies(local: LocalSubject) -> None:
    await local.stable()
    (copy,) = await local.copies()
    os.kill(_guardian(local), signal.SIGTERM)
    await until(lambda: _none(local.folder))
    assert process.birth(copy.pid) is not None
    assert (await local.copies())[0].pid == copy.pid and (await local.get("/")).text == "v1"


async def test_shutdown_leaves_neither_agent_nor_guardian_nor_port(local: LocalSubject) -> None:
    await local.stable()
    port = int((await local.address()).rpartition(":")[2])
    assert len(_processes(local.folder)) == 2
    assert await local.platform.stop_all() == [TARGET]
    assert _processes(local.folder) == [] and not guarded.lives(local.folder)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_the_old_public_port_is_closed_at_once_when_another_one_is_promoted(local: LocalSubject) -> None:
    """The guardian has that socket, too: it must not keep callers waiting on it."""
    await local.stable()
    before, port = await local.address(), process.free_port()
    await local.stable("v2", public_port=port)
    assert (await local.get("/")).text == "v2" and (await local.address()).endswith(f":{port}")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(before.rpartition(":")[2]))


async def test_two_starts_at_once_give_one_agent(local: LocalSubject) -> None:
    platforms = [LocalPlatform(home=local.home) for _ in range(6)]
    leases = await asyncio.gather(*(platform.acquire(TARGET, "same", 60.0) for platform in platforms))
    assert {lease.token for lease in leases} == {1} and len(_processes(local.folder)) == 2
    local.kill_agent()
    await asyncio.gather(*(platform.acquire(TARGET, "same", 60.0) for platform in platforms))
    assert len(_processes(local.folder)) == 2


async def test_an_agent_that_cannot_start_is_said_and_not_tried_for_ever(local: LocalSubject) -> None:
    target = Target(service="broken", environment="staging")
    folder = local.home / "environments" / "staging" / "broken"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text(json.dumps({"target": 7}))
    with pytest.raises(Unavailable, match="cannot be started: it ended with exit 1") as raised:
        await local.platform._agent(target).ask("inspect", {})
    assert "agent.log" in raised.value.fix and _processes(folder) == []
    (folder / "state.json").unlink()


async def test_an_agent_that_keeps_breaking_is_tried_less_and_less(tmp_path: Path) -> None:
    """Until it can start again: here it serves, breaks five times, and then ends by itself."""
    code = (
        "import os, sys; open('lives', 'a').write('x'); breaks = os.stat('lives').st_size < 6;"
        "os.write(int(sys.argv[2].split(',')[0]), b'up        ' if breaks else b'bye       '); sys.exit(9 * breaks)"
    )
    lock = guarded.vacant(tmp_path)
    assert lock is not None and guarded.vacant(tmp_path) is None
    started = time.monotonic()
    command = [sys.executable, "-I", "-S", "-c", code]
    child = guarded.start(tmp_path, lock, command, {})
    assert guarded.lives(tmp_path)
    assert await asyncio.to_thread(child.wait, 20) == 0
    assert (tmp_path / "lives").read_text() == "x" * 6 and not guarded.lives(tmp_path)
    assert time.monotonic() - started > 0.05 + 0.1 + 0.2 + 0.4 + 0.8
    assert (tmp_path / "agent.log").read_text().count("the agent broke with exit 9; it is started again") == 5


async def test_the_guardian_is_small(local: LocalSubject) -> None:
    await local.lease()
    assert psutil.Process(_guardian(local)).memory_info().rss < 12 << 20


def _processes(folder: Path) -> list[int]:
    """Agents and guardians of this folder."""
    found = []
    for one in psutil.process_iter():
        try:
            words = one.cmdline()
        except psutil.Error:
            continue  # gone meanwhile
        if str(folder) in words and "blocks.platforms.local_agent" in words and process.birth(one.pid):
            found.append(one.pid)
    return found


def _guardian(local: LocalSubject) -> int:
    (pid,) = _guardians(local)
    return pid


def _guardians(local: LocalSubject) -> list[int]:
    found = []
    for pid in _processes(local.folder):
        try:
            found += [pid] if guardian.__file__ in psutil.Process(pid).cmdline() else []
        except psutil.Error:
            continue  # gone meanwhile
    return found


async def _guarded_by_other_than(local: LocalSubject, first: int) -> bool:
    return guarded.lives(local.folder) and _guardians(local) not in ([], [first])


async def _none(folder: Path) -> bool:
    return not _processes(folder)


async def _answering(local: LocalSubject) -> bool:
    known = json.loads((local.folder / "agent.json").read_text())
    born = process.birth(known["pid"])
    return born is not None and born == str(known["birth"])


async def _answered_after(load: NewConnections, moment: float) -> bool:
    return load.answered_since(moment) >= 20
