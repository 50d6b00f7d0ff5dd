"""The local platform keeps the contract, with real processes and real requests."""

from __future__ import annotations

import os
import signal
import socket
import stat
import time
from pathlib import Path

import pytest
from prefect.blocks.core import Block

from blocks.platforms.local import LocalPlatform
from blocks.platforms.local_agent import process
from blocks.platforms.local_agent.call import Agent
from domain.errors import CapabilityError, Rejected, SpecError
from domain.place import Job, Release
from domain.spec import Health, Resources
from tests.blocks import bundles
from tests.blocks.block_suite import BlockSuite
from tests.blocks.local_subject import Load, LocalSubject, until
from tests.blocks.platform_contract import TARGET, PlatformContract


class TestContract(PlatformContract):
    @pytest.fixture
    def subject(self, local: LocalSubject) -> LocalSubject:
        return local


class TestBlock(BlockSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return LocalPlatform


async def test_a_copy_sees_its_place_and_little_else(local: LocalSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_CALLER", "leaked")
    await local.stable(environment={"DECLARED": "yes"})
    expected = {"TES_SERVICE": "shop", "TES_ENVIRONMENT": "staging", "TES_VERSION": "v1", "DECLARED": "yes"}
    for name, value in (expected | {"OF_THE_CALLER": ""}).items():
        assert (await local.get(f"/env/{name}")).text == value
    (copy,) = await local.copies()
    assert (await local.get("/env/PORT")).text == copy.address.rpartition(":")[2]


async def test_a_secret_reaches_the_copy_and_no_file_but_its_own(
    local: LocalSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_KEY", "s3cr3t-value")
    (local.home / "db-url").write_text("postgres://hidden\n")
    references = {"KEY": "env:SHOP_KEY", "DB": f"file:{local.home}/db-url"}
    await local.stable(secrets=references)
    assert (await local.get("/env/KEY")).text == "s3cr3t-value"
    assert (await local.get("/env/DB")).text == "postgres://hidden"
    holding = [path for path in local.folder.rglob("*") if path.is_file() and b"s3cr3t-value" in path.read_bytes()]
    assert [path.name for path in holding] == ["secrets.json"]
    assert stat.S_IMODE(holding[0].stat().st_mode) == 0o600
    assert stat.S_IMODE((local.folder / "agent.json").stat().st_mode) == 0o600
    monkeypatch.delenv("SHOP_KEY")
    local.kill_agent()
    os.kill((await local.copies())[0].pid or 0, signal.SIGKILL)
    await until(lambda: _healthy(local, 1))
    assert (await local.get("/env/KEY")).text == "s3cr3t-value"


async def test_a_missing_secret_is_named_before_anything_has_moved(local: LocalSubject) -> None:
    lease = await local.lease()
    with pytest.raises(SpecError, match="release.secrets.KEY: env:NOT_THERE.*release.secrets.PIN: file:/no/such"):
        await local.platform.provision(
            lease, local.release("v1", secrets={"KEY": "env:NOT_THERE", "PIN": "file:/no/such"})
        )
    assert (await local.platform.inspect(TARGET)).releases == ()


async def test_an_image_is_refused(local: LocalSubject) -> None:
    release = local.release("v1")
    image = release.model_copy(update={"artifact": release.artifact.model_copy(update={"kind": "image"})})
    with pytest.raises(CapabilityError, match="image"):
        await local.platform.provision(await local.lease(), image)


async def test_a_killed_copy_is_replaced_and_no_request_fails(local: LocalSubject) -> None:
    await local.stable(replicas=2)
    async with Load(await local.address()) as load:
        await local.wait(0.3)
        victim = (await local.copies())[0]
        os.kill(victim.pid or 0, signal.SIGKILL)
        await local.wait(0.2)
        await until(lambda: _healthy(local, 2))
        await local.wait(0.2)
    assert load.failed == [] and load.answered.total() > 40
    (copy,) = [copy for copy in await local.copies() if copy.name == victim.name]
    assert copy.restarts == 1 and copy.pid != victim.pid


async def test_a_killed_agent_is_replaced_and_adopts_the_copies(local: LocalSubject) -> None:
    lease = await local.stable(replicas=2)
    address, before = await local.address(), [copy.pid for copy in await local.copies()]
    local.kill_agent()
    assert all(process.birth(pid) for pid in before)
    state = await local.platform.inspect(TARGET)
    assert (state.address, state.stable, state.token) == (address, "v1", lease.token)
    assert [copy.pid for copy in state.releases[0].copies] == before
    await until(lambda: _healthy(local, 2))
    assert (await local.send(10))["v1"] == 10
    await local.platform.promote(lease, "v1")


async def test_copies_that_died_with_the_agent_are_started_again(local: LocalSubject) -> None:
    await local.stable()
    address = await local.address()
    (copy,) = await local.copies()
    local.kill_agent()
    os.kill(copy.pid or 0, signal.SIGKILL)
    await until(lambda: _healthy(local, 1))
    assert await local.address() == address and (await local.get("/")).text == "v1"


async def test_a_copy_that_no_agent_remembers_is_ended(local: LocalSubject) -> None:
    """The agent may be killed between starting a process and writing down its pid."""
    await local.stable()
    values = {"TES_COPY": f"{local.folder}/v1-9", "PATH": os.environ["PATH"]}
    stray = process.spawn(["sleep", "300"], local.home, values, local.home / "stray.log", None)
    local.kill_agent()
    await local.platform.inspect(TARGET)
    assert stray.wait(5) == -signal.SIGKILL
    assert (await local.get("/")).text == "v1"


async def test_the_agent_starts_soon_and_once(local: LocalSubject) -> None:
    started = time.monotonic()
    await local.lease()
    assert time.monotonic() - started < 5, "0.3 s on a quiet machine"
    pid = local.agent_pid()
    await local.lease()
    assert local.agent_pid() == pid


async def test_the_agent_ends_by_itself_when_nothing_is_there(local: LocalSubject) -> None:
    local.platform = LocalPlatform(home=local.home, idle=0.5)
    await local.platform.give_back(await local.lease())
    agent = local.platform._agent(TARGET)
    await until(lambda: _ended(agent))
    assert (await local.platform.inspect(TARGET)).token == 1
    assert not agent.there()


async def test_the_wrong_token_is_refused(local: LocalSubject) -> None:
    await local.lease()
    file = local.folder / "agent.json"
    text = file.read_text()
    file.write_text(text.replace('"token": "', '"token": "x'))
    with pytest.raises(Rejected, match="token"):
        await local.lease()
    file.write_text(text)


async def test_a_command_that_is_not_there_fails_at_once_with_its_name(local: LocalSubject) -> None:
    lease = await local.lease()
    await local.platform.provision(lease, local.release("v1", command=("no-such-server", "${PORT}")))
    assert await local.platform.wait_ready(TARGET, "v1", 10) == (
        False,
        "0 of 1 copies healthy: v1-1: no-such-server cannot be started: No such file or directory",
    )


async def test_a_crash_loop_fails_with_the_last_words_and_without_secrets(
    local: LocalSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_KEY", "s3cr3t-value")
    code = "import os, sys; print('cannot reach the database', os.environ['KEY']); sys.exit(7)"
    release = local.release("v1", command=("python", "-S", "-c", code), secrets={"KEY": "env:SHOP_KEY"})
    await local.platform.provision(await local.lease(), release)
    ready, why = await local.platform.wait_ready(TARGET, "v1", 15)
    assert not ready and "keeps crashing" in why and "exit 7" in why
    assert "cannot reach the database ***" in why and "s3cr3t" not in why
    state = (await local.platform.inspect(TARGET)).of("v1")
    assert state is not None and state.failed


async def test_a_release_that_is_not_healthy_within_its_grace_has_failed(local: LocalSubject) -> None:
    health = Health(grace=0.6, interval=0.05, timeout=1.0, successes=1)
    await local.platform.provision(await local.lease(), local.release("v1", healthy=False, health=health))
    started = time.monotonic()
    ready, why = await local.platform.wait_ready(TARGET, "v1", 30)
    assert not ready and "not healthy 0.6 s after its start: GET /healthz answered 500" in why
    assert time.monotonic() - started < 10


async def test_health_needs_successes_in_a_row_and_is_lost_by_failures(local: LocalSubject) -> None:
    await local.stable(replicas=2)
    sick = (await local.get("/env/PORT")).text
    (local.folder / "releases" / "v1" / "tree" / "sick").touch()
    await until(lambda: _healthy(local, 0))
    assert sick and "answered 500" in (await local.copies())[0].reason
    (local.folder / "releases" / "v1" / "tree" / "sick").unlink()
    await until(lambda: _healthy(local, 2))


async def test_memory_is_limited(local: LocalSubject) -> None:
    code = "x = bytearray(600 << 20)"
    job = Job(name="greedy", command=("python", "-S", "-c", f"import time; time.sleep(0.3); {code}"))
    release = local.release("v1", resources=Resources(memory_mb=256))
    result = await local.platform.run(await local.lease(), release, job)
    assert result.exit_code == 1 and "MemoryError" in result.output


async def test_a_job_has_its_time_and_its_exit_code(local: LocalSubject) -> None:
    lease, release = await local.lease(), local.release("v1")
    failing = Job(name="fails", command=("python", "-S", "-c", "import sys; print('no table'); sys.exit(3)"))
    result = await local.platform.run(lease, release, failing)
    assert (result.exit_code, result.output.strip()) == (3, "no table")
    slow = Job(name="slow", command=("sleep", "60"), timeout=0.3)
    result = await local.platform.run(lease, release, slow)
    assert result.exit_code == 124 and "longer than its 0.3 s" in result.output and result.seconds < 10
    with pytest.raises(Rejected, match="no-such-tool"):
        await local.platform.run(lease, release, Job(name="x", command=("no-such-tool",)))


async def test_logs_rotate_by_size(local: LocalSubject) -> None:
    local.platform = LocalPlatform(home=local.home, log_size=10_000)
    await local.stable()
    log = local.folder / "logs" / "v1-1.log"
    await local.get("/log/20000")
    await until(lambda: _shorter(log))
    assert log.with_name("v1-1.log.1").stat().st_size >= 20_000
    await local.get("/log/50")
    assert "x" * 49 in log.read_text() and "\0" not in log.read_text()


async def test_a_public_port_in_use_is_named_with_its_key_and_its_owner(local: LocalSubject) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Rejected) as raised:
            await local.platform.provision(await local.lease(), local.release("v1", public_port=port))
    assert f"port {port} of shop in staging is in use by" in raised.value.message
    assert str(os.getpid()) in raised.value.message and "environments.staging.port" in raised.value.fix
    assert (await local.platform.inspect(TARGET)).releases == ()
    await local.stable(public_port=port)
    assert await local.address() == f"http://127.0.0.1:{port}"


async def test_the_public_port_stays_the_same_over_releases_and_shutdown(local: LocalSubject) -> None:
    await local.stable()
    address = await local.address()
    await local.stable("v2")
    assert await local.address() == address
    await local.platform.shutdown(TARGET)
    state = await local.platform.inspect(TARGET)
    assert (state.address, state.releases, state.stable) == ("", (), None)
    await local.stable("v3")
    assert await local.address() == address


async def test_the_trees_of_a_few_versions_are_kept(local: LocalSubject) -> None:
    """The newest five, and one that runs however old it is."""
    lease = await local.stable("v0")
    for number in range(1, 8):
        await local.platform.provision(lease, local.release(f"v{number}"))
        await local.platform.retire(lease, f"v{number}")
    trees = sorted(path.name for path in (local.folder / "releases").iterdir())
    assert trees == ["v0", "v3", "v4", "v5", "v6", "v7"]


async def test_a_dead_stable_does_not_take_the_traffic_from_a_healthy_candidate(local: LocalSubject) -> None:
    lease = await local.stable()
    await local.stable("v2")
    (local.folder / "releases" / "v1" / "tree" / "sick").touch()
    await until(lambda: _known_sick(local, "v1"))
    with pytest.raises(Rejected, match="v1 of shop in staging has no healthy copy, and v2 has"):
        await local.platform.abort(lease, "v1")
    assert (await local.send(10))["v2"] == 10


async def test_a_release_with_traffic_is_immutable_but_can_be_scaled(local: LocalSubject) -> None:
    lease = await local.stable()
    with pytest.raises(Rejected, match="immutable|in place"):
        await local.platform.provision(lease, local.release("v1", environment={"OTHER": "1"}))
    for replicas in (3, 1):
        await local.provisioned("v1", replicas=replicas)
        assert len(await local.copies()) == replicas
    assert (await local.send(10))["v1"] == 10


async def test_abort_while_a_bundle_is_unpacked_wins(local: LocalSubject) -> None:
    """Whatever the order, the candidate is gone in the end or was refused."""
    import asyncio

    lease = await local.stable()
    results = await asyncio.gather(
        local.platform.provision(lease, local.release("v2")),
        local.platform.abort(lease, "v1"),
        return_exceptions=True,
    )
    await local.platform.abort(lease, "v1")
    assert results[1] is None
    assert [one.release.version for one in (await local.platform.inspect(TARGET)).releases] == ["v1"]


async def test_odd_names_are_folders_of_their_own(local: LocalSubject) -> None:
    lease = await local.lease()
    release = local.release("v1").model_copy(update={"version": "../../feature/x y"})
    await local.platform.provision(lease, release)
    assert (await local.platform.wait_ready(TARGET, release.version, 10))[0]
    assert [path.name for path in (local.folder / "releases").iterdir()] == ["..%2F..%2Ffeature%2Fx%20y"]
    with pytest.raises(Rejected, match="folder"):
        await local.platform.provision(lease, release.model_copy(update={"version": ".."}))


def test_a_bundle_of_the_tests_has_its_true_digest(local: LocalSubject) -> None:
    first: Release = bundles.release(local.home, "v1")
    assert first.artifact.digest.startswith("sha256:") and len(first.artifact.digest) == 71


async def _healthy(local: LocalSubject, number: int, version: str = "v1") -> bool:
    return sum(copy.healthy for copy in await local.copies(version)) == number


async def _known_sick(local: LocalSubject, version: str) -> bool:
    return not any(
        copy.healthy for one in local.state().releases if one.release.version == version for copy in one.copies
    )


async def _ended(agent: Agent) -> bool:
    return not agent.there()


async def _shorter(log: Path) -> bool:
    return log.stat().st_size < 10_000
