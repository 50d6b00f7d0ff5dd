"""What a platform that runs images promises beyond what all platforms do, and what its subject is made of."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import httpx
import pytest

from domain.errors import CapabilityError, PlatformError
from domain.place import Job, Release
from domain.spec import Health
from domain.supply import Artifact
from tests.blocks import bundles
from tests.blocks.images import image
from tests.blocks.local_subject import Connection, Load
from tests.blocks.platform_contract import TARGET, PlatformContract, Subject, splits


class Clients(Protocol):
    """Requests that are sent all the time: what came back, and what did not."""

    answered: Counter[str]
    failed: list[str]


class ImageSubject(Subject, ABC):
    """Runs the tiny service from images that are made here."""

    health: ClassVar[Health] = Health(grace=15.0, interval=0.1, timeout=2.0, successes=2, failures=2)
    drain: ClassVar[float] = 0.2
    _images: ClassVar[dict[str, Artifact]] = {}

    @abstractmethod
    def twin(self, **options: Any) -> Self:
        """Another client of the same world; `options` are its block's."""

    @abstractmethod
    async def jobs_left(self) -> Sequence[object]:
        """What jobs that are over have left."""

    def release(self, version: str, *, healthy: bool = True, **changes: Any) -> Release:
        if version not in self._images:
            self._images[version] = image(version)
        values: dict[str, Any] = {
            "service": "shop",
            "version": version,
            "artifact": self._images[version],
            "command": ("python", "-S", "-u", "service.py", "${PORT}"),
            "health": self.health,
            "drain": self.drain,
            "warm": 60.0,
            "environment": {} if healthy else {"BROKEN": "1"},
        }
        return Release.model_validate(values | changes)

    async def address(self) -> str:
        return str((await self.platform.inspect(TARGET)).address)

    async def send(self, number: int) -> Counter[str]:
        async with Connection(await self.address()) as connection:
            answers = [await connection.get("/") for _ in range(number)]
        assert {status for status, _ in answers} <= {200}, answers
        return Counter(text for _, text in answers)

    async def load(self) -> AbstractAsyncContextManager[Clients]:
        """Clients of the public address."""
        return Load(await self.address())

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def now(self) -> float:
        return time.time()


class Senders:
    """Clients that reach the service as the subject's `send` does, a few requests after the other."""

    def __init__(self, subject: ImageSubject) -> None:
        self.answered: Counter[str] = Counter()
        self.failed: list[str] = []
        self._subject = subject

    async def __aenter__(self) -> Senders:
        self._task = asyncio.create_task(self._send())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _send(self) -> None:
        while True:
            try:
                self.answered += await self._subject.send(5)
            except (OSError, AssertionError, httpx.HTTPError, PlatformError) as error:
                self.failed.append(repr(error))
            await asyncio.sleep(0.004)


class ImageContract(PlatformContract):
    """As PlatformContract, for subjects that are ImageSubjects."""

    async def until(self, there: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not there():
                await asyncio.sleep(0.05)

    async def test_no_request_fails_and_none_reaches_a_bad_release_through_good_and_bad_releases(
        self, subject: ImageSubject
    ) -> None:
        lease = await self.lease(subject)
        await self.stable(subject, lease)
        async with await subject.load() as clients:
            for number, good in ((2, True), (3, False), (4, True)):
                version = f"v{number}"
                await self.provisioned(subject, lease, subject.release(version))
                if splits(subject):
                    await subject.platform.shift(lease, version, 50)
                    await self.until(lambda: clients.failed or clients.answered[version])
                if good:
                    await subject.platform.promote(lease, version)
                    continue
                await subject.platform.abort(lease, "v2")
                before = clients.answered[version]
                await subject.wait(0.3)
                assert clients.answered[version] == before
            await subject.platform.retire(lease, "v1")
            await self.until(lambda: clients.failed or clients.answered.total() > 50)
        assert clients.failed == []
        assert await self.versions(subject) == {"v2": 0, "v4": 100}

    async def test_of_two_clients_that_change_it_at_once_none_undoes_the_others(self, subject: ImageSubject) -> None:
        lease = await self.lease(subject)
        both = {"a": subject.platform, "b": subject.twin().platform}
        pages = {f"{name}-{n}": platform for n in range(4) for name, platform in both.items()}
        await asyncio.gather(*(platform.remember(lease, page, f"of {page}") for page, platform in pages.items()))
        assert [await subject.platform.recall(TARGET, page) for page in pages] == [f"of {page}" for page in pages]

    async def test_a_job_has_the_releases_environment_and_secrets_and_its_time(
        self, subject: ImageSubject, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATABASE", "postgres://secret")
        lease = await self.lease(subject)
        release = subject.release("v1", environment={"STAGE": "x"}, secrets={"URL": "env:DATABASE"})
        told = ("python", "-c", "import os; print(os.environ['STAGE'], os.environ['URL'])")
        result = await subject.platform.run(lease, release, Job(name="migrate", command=told))
        assert (result.exit_code, result.output.strip()) == (0, "x postgres://secret")
        failing = Job(name="migrate", command=("python", "-c", "raise SystemExit(7)"))
        assert (await subject.platform.run(lease, release, failing)).exit_code == 7
        slow = Job(name="migrate", command=("sleep", "60"), timeout=1.0)
        assert (await subject.platform.run(lease, release, slow)).exit_code == 124
        assert list(await subject.jobs_left()) == []

    async def test_a_bundle_is_refused_with_what_to_change(self, subject: ImageSubject, tmp_path: Path) -> None:
        lease = await self.lease(subject)
        with pytest.raises(CapabilityError, match="runs images.* is a bundle"):
            await subject.platform.provision(lease, bundles.release(tmp_path, "v1"))

    async def test_another_installation_sees_and_touches_nothing(self, subject: ImageSubject) -> None:
        await self.stable(subject, await self.lease(subject))
        other = subject.twin(installation="other").platform
        assert list(await other.targets()) == list(await other.garbage()) == list(await other.collect()) == []
        assert (await other.inspect(TARGET)).releases == ()
        assert (await subject.send(5)) == {"v1": 5}

    async def test_what_is_disposed_of_leaves_nothing(self, subject: ImageSubject) -> None:
        lease = await self.lease(subject)
        await self.stable(subject, lease)
        for _ in range(2):
            await subject.platform.dispose(lease)
            assert list(await subject.platform.targets()) == []
            assert (await subject.platform.inspect(TARGET)).releases == ()
