"""Several services rolled out as one, as the flows do it: what is said, recorded and reported of each and of all."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import records
from blocks.platforms import memory
from blocks.platforms.memory import MemoryPlatform
from domain.errors import Rejected, SpecError, TesError
from domain.place import Target
from domain.report import Report, Stage, grouped, weigh
from domain.spec import EnvironmentSpec, Migrations, ReleaseSpec, Spec, Verify
from domain.supply import Artifact, Source
from domain.verdict import Outcome, Verdict
from tasks import deploy, recording
from tasks import rollout as machinery
from tasks.deploy import Part, Together, part_of, roll_out_together
from tasks.go_back import go_back_together
from tasks.run import Run
from tests.tasks.supply import source_of

ENVIRONMENT = "staging"
SERVICES = ("shop", "cart")


@pytest.fixture(autouse=True)
async def platform(tes_home: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MemoryPlatform]:
    async def fine(*_: object, **__: object) -> Verdict:
        return Verdict(gate="verify", outcome=Outcome.PASS, reasons=("looked",))

    monkeypatch.setattr(machinery, "verify", fine)
    monkeypatch.setattr(deploy, "verify", fine)
    monkeypatch.setattr(machinery, "PAUSE", 0.0)
    memory._WORLDS.clear()
    yield MemoryPlatform()
    memory._WORLDS.clear()


@pytest.fixture
async def source(tmp_path: Path) -> Source:
    return await source_of({"app.py": "1"}, tmp_path)


async def run_of(service: str, number: int, home: Path, frozen: str | None) -> Run:
    migrations = Migrations(command=("migrate",), irreversible=frozen) if frozen else None
    place = EnvironmentSpec(platform="memory", verify=Verify(bake=0))
    release = ReleaseSpec(command=("serve",), migrations=migrations)
    run = Run(
        id=f"{service}-{number}",
        kind="deploy",
        project=service,
        root=home / service,
        spec=Spec(name=service, release=release, environments={ENVIRONMENT: place}),
        environment=ENVIRONMENT,
        actor="ada",
        holder=f"ada {service}",
        store=home / "store",
        folder=home / "runs" / f"{service}-{number}",
        group=f"group-{number}",
    )
    await recording.opened(run)
    return run


async def parts(number: int, source: Source, home: Path, frozen: str | None = None) -> list[Part]:
    found = []
    for service in SERVICES:
        digest = f"sha256:{service}{number}"
        artifact = Artifact(kind="bundle", digest=digest, location="nowhere")
        found.append(part_of(await run_of(service, number, home, frozen), source, artifact))
    return found


async def released(number: int, source: Source, home: Path) -> Together:
    return await roll_out_together(await parts(number, source, home), f"group-{number}")


async def stable(service: str) -> str | None:
    return (await MemoryPlatform().inspect(Target(service=service, environment=ENVIRONMENT))).stable


def report(service: str, stages: tuple[Stage, ...], run: Run) -> Report:
    decision = weigh(stages, run.policy)
    return Report(
        run=run.id, kind="deploy", project=service, environment=ENVIRONMENT, outcome=decision.outcome,
        decision=decision, stages=stages,
    )  # fmt: skip


async def test_each_rollout_is_recorded_with_its_group_and_the_audit_log_names_it(
    source: Source, tes_home: Path
) -> None:
    together = await released(1, source, tes_home)
    assert together.torn == "" and [one.version for one in together.placed] == [await stable(s) for s in SERVICES]
    rows = records.rollouts(ENVIRONMENT).items
    assert {row.service: row.rollout["group"]["id"] for row in rows} == dict.fromkeys(SERVICES, "group-1")
    entries = [one for one in records.audit_entries().items if one.action == "rollout.promoted"]
    assert {one.subject.partition(" ")[0]: json.loads(one.detail)["together"] for one in entries} == {
        "shop": "cart", "cart": "shop"
    }  # fmt: skip
    assert {json.loads(one.detail)["group"] for one in entries} == {"group-1"}
    assert all("released as one with" in one.state for one in together.placed)


async def test_released_again_all_is_there_already_and_is_looked_at(
    source: Source, tes_home: Path, platform: MemoryPlatform
) -> None:
    await released(1, source, tes_home)
    before = platform.world_state.calls["promote"]
    together = await released(1, source, tes_home)
    assert all(one.stages[0].verdict.reused and one.stages[1].verdict.passed for one in together.placed)
    assert platform.world_state.calls["promote"] == before


async def test_a_service_that_was_well_fails_with_the_name_of_the_one_that_was_not(
    source: Source, tes_home: Path, platform: MemoryPlatform
) -> None:
    await released(1, source, tes_home)
    two = await parts(2, source, tes_home)
    platform.world_state.behaviours[two[1].release.version].never_healthy = True
    together = await roll_out_together(two, "group-2")
    told = [one.stages[0].verdict for one in together.placed]
    assert [one.outcome for one in told] == [Outcome.FAIL, Outcome.FAIL]
    assert "was not promoted: cart: wait_ready" in told[0].reasons[0]
    assert together.torn == "" and await stable("shop") != two[0].release.version


async def test_a_torn_release_says_who_stands_where_and_ends_with_4(
    source: Source, tes_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await released(1, source, tes_home)
    old = await stable("cart")
    called = MemoryPlatform._called
    shop, promoted = Target(service="shop", environment=ENVIRONMENT), Rejected("cart's balancer says no")

    async def refusing(self: MemoryPlatform, verb: str) -> TesError | None:
        # shop is promoted, cart's promotion breaks, and then nothing can be taken back there.
        places = self.world_state.places
        if verb == "promote" and places[shop].stable == new[0].release.version:
            raise promoted
        if verb == "abort" and places[shop].stable == new[0].release.version:
            raise Rejected("shop's balancer says no")
        return await called(self, verb)

    new = await parts(2, source, tes_home)
    with monkeypatch.context() as patch:
        patch.setattr(MemoryPlatform, "_called", refusing)
        together = await roll_out_together(new, "group-2")
    assert f"shop is at {new[0].release.version} (new)" in together.torn and f"cart is at {old} (old)" in together.torn
    assert together.fix == f"tes rollback {tes_home}/shop {tes_home}/cart --environment staging"
    each = [report(s, one.stages, part.run) for s, one, part in zip(SERVICES, together.placed, new, strict=True)]
    assert grouped("group-2", "deploy", each, 1.0, together.torn, together.fix).exit_code == 4
    assert grouped("group-2", "deploy", each, 1.0).exit_code == 1

    runs = [await run_of(service, 3, tes_home, None) for service in SERVICES]
    mended = await go_back_together(runs, "group-3")
    assert mended.torn == "" and all(one.stages[0].verdict.passed for one in mended.placed)
    assert await stable("cart") == old and await stable("shop") != new[0].release.version


async def test_two_without_a_way_back_are_refused_before_anything_moves(
    source: Source, tes_home: Path, platform: MemoryPlatform
) -> None:
    await released(1, source, tes_home)
    before = platform.world_state.calls.copy()
    with pytest.raises(SpecError, match="2 services of the group bring a migration that cannot be undone"):
        await roll_out_together(await parts(2, source, tes_home, "0042_drop"), "group-2")
    for verb in ("provision", "run", "promote", "remember"):
        assert platform.world_state.calls[verb] == before[verb]
