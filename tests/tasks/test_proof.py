"""A proof counts what clients saw, says why there is none, and neither delays nor breaks the rollout."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import records
from domain.place import Lease, Release, ReleaseState, ServiceState, Target
from domain.proof import Proof
from domain.rollout import Action, Rollout, Verb
from domain.spec import EnvironmentSpec, ReleaseSpec, Spec
from domain.spec_proof import ProofSpec
from domain.supply import Artifact
from domain.verdict import Outcome, Verdict
from tasks import proof as proving
from tasks.proof import FILE, PICTURE, added, seen_by, watched
from tasks.rollout import Step
from tasks.run import Run
from tests.tasks.shop import Shop

TARGET = Target(service="shop", environment="test")
PROVISION, SHIFT, ABORT = Action(verb=Verb.PROVISION), Action(verb=Verb.SHIFT, weight=50), Action(verb=Verb.ABORT)


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(proving, "FIRST", 30.0)  # a busy machine
    monkeypatch.setenv("TES_DATABASE_URL", f"sqlite:///{tmp_path}/records.db")
    records.close()
    yield
    records.close()


def release(version: str) -> Release:
    return Release(service="shop", version=version, artifact=Artifact(kind="bundle", digest="sha256:0", location=""))


def rollout(stable: str | None = "v1", **changes: Any) -> Rollout:
    values = {"id": "ro", "target": TARGET, "release": release("v2"), "stable": stable, "strategy": "canary"}
    return Rollout.model_validate({**values, "plan": (PROVISION, SHIFT), "started": time.time(), **changes})


class Place:
    """A platform that is somewhere."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def inspect(self, target: Target) -> ServiceState:
        there = ReleaseState(release=release("v1"), weight=100)
        return ServiceState(target=target, stable="v1", releases=(there,), address=self.address)


def run(folder: Path, asked: ProofSpec | None) -> Run:
    spec = Spec(name="shop", release=ReleaseSpec(command=("true",), proof=asked))
    values: dict[str, Any] = {"id": "r", "kind": "deploy", "project": "shop", "root": folder, "spec": spec}
    return Run(**values, actor="ada", holder="ada", store=folder, folder=folder / "out")


async def passes(*_: object) -> Verdict:
    return Verdict(gate="step", outcome=Outcome.PASS)


LEASE = Lease(target=TARGET, holder="ada", token=1, expires=9e9)


async def proved(
    folder: Path,
    address: str,
    asked: ProofSpec,
    *steps: Action,
    over: Rollout | None = None,
    pause: float = 0.3,
    take: Step = passes,
) -> Proof:
    """The proof of a rollout that takes these steps, with a pause before and after each."""
    moving = over or rollout()
    await asyncio.to_thread(records.record_rollout, moving)
    async with watched(run(folder, asked), Place(address), moving) as watch:  # type: ignore[arg-type]
        assert watch is not None
        for step in steps:
            await asyncio.sleep(pause)
            await watch.step(take)(Place(address), LEASE, moving, step, EnvironmentSpec())  # type: ignore[arg-type]
        await asyncio.sleep(pause)
    assert watch.proof is not None
    return watch.proof


ASKED = ProofSpec(rate=50, path="/", timeout=2)


async def test_a_calm_rollout_is_proved_and_kept_with_it(
    shop: tuple[type[Shop], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proving, "TAIL", 0.0)
    proof = await proved(tmp_path, shop[1], ASKED, PROVISION)
    assert (proof.failed, proof.unsent, proof.versions, proof.problems) == (0, 0, {"v1": proof.requests}, ())
    assert proof.requests > 10
    assert [mark.text for mark in proof.marks] == ["provision"]
    assert records.proof("ro") == proof
    folder = tmp_path / "out" / "deploy"
    assert Proof.model_validate_json((folder / FILE).read_text()) == proof
    assert (folder / PICTURE).read_text().startswith("<svg")


async def test_what_a_taken_back_release_still_answers_is_counted_and_looked_for_a_while(
    shop: tuple[type[Shop], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The abort is the last step: without a while after it nothing could be seen."""
    monkeypatch.setattr(proving, "TAIL", 0.4)
    shop[0].version = "v2"
    proof = await proved(tmp_path, shop[1], ASKED, ABORT, pause=0.0)
    assert proof.aborted is not None and proof.seconds >= proof.aborted + 0.4
    assert proof.strayed and proof.strayed > 5
    shop[0].version = "v1"
    assert (await proved(tmp_path, shop[1], ASKED, ABORT, pause=0.0)).strayed == 0


@pytest.mark.parametrize(
    ("status", "pause", "why"),
    [(500, 0.0, "status 500"), (404, 0.0, "status 404"), (200, 0.5, "no answer within 0.2 s")],
)
async def test_a_bad_or_late_answer_is_a_lost_request(
    shop: tuple[type[Shop], str], tmp_path: Path, status: int, pause: float, why: str
) -> None:
    async def turns_bad(*_: object) -> Verdict:
        shop[0].status, shop[0].pause = status, pause
        return await passes()

    asked = ProofSpec(rate=20, path="/", timeout=0.2)
    proof = await proved(tmp_path, shop[1], asked, PROVISION, pause=0.6, take=turns_bad)
    assert 0 < proof.failed < proof.requests
    assert proof.first_failure == why
    deploy = added(Verdict(gate="deploy", outcome=Outcome.PASS, reasons=("promoted",)), proof, tmp_path)
    assert (deploy.outcome, deploy.reasons[0]) == (Outcome.PASS, "promoted")
    assert f"proof FAIL: {proof.failed} of {proof.requests} requests failed" in deploy.reasons[1]
    assert deploy.metrics["proof_failed"] == proof.failed
    assert [one.name for one in deploy.evidence] == [FILE, PICTURE]


async def test_a_service_that_does_not_say_its_version_is_not_guessed_at(
    shop: tuple[type[Shop], str], tmp_path: Path
) -> None:
    shop[0].version = ""
    proof = await proved(tmp_path, shop[1], ASKED, PROVISION)
    assert (proof.versions, proof.strayed, proof.known) == ({"": proof.requests}, None, False)


@pytest.mark.parametrize(
    ("address", "over", "why"),
    [
        ("http://127.0.0.1:1", rollout(), "no request to http://127.0.0.1:1 was ever answered well from here: "),
        ("", rollout(), "the platform names no public address"),
        ("http://127.0.0.1:1", rollout(stable=None), "nothing was released before"),
    ],
)
async def test_where_there_can_be_no_proof_it_says_why_and_the_deploy_goes_on(
    tmp_path: Path, address: str, over: Rollout, why: str
) -> None:
    proof = await proved(tmp_path, address, ASKED, PROVISION, over=over, pause=0.1)
    assert why in proof.problems[0]
    deploy = added(Verdict(gate="deploy", outcome=Outcome.PASS), proof, tmp_path)
    assert (deploy.outcome, deploy.reasons) == (Outcome.PASS, (f"proof INCONCLUSIVE: {proof.problems[0]}",))
    assert records.proof("ro") == proof


async def test_the_system_says_why_a_connection_failed(tmp_path: Path) -> None:
    proof = await proved(tmp_path, "http://127.0.0.1:1", ASKED, PROVISION)
    assert proof.problems[0].endswith(": Connection refused")


async def test_a_rollout_that_another_run_began_is_not_wholly_proved(
    shop: tuple[type[Shop], str], tmp_path: Path
) -> None:
    proof = await proved(tmp_path, shop[1], ASKED, PROVISION, over=rollout(started=time.time() - 40, token=7))
    (problem,) = proof.problems
    assert re.fullmatch(r"the first [45]\d s of the rollout were not watched: another run began it", problem)


async def test_nobody_who_wants_to_be_gone_waits_for_answers(
    shop: tuple[type[Shop], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C, with every answer half a minute away."""
    shop[0].pause = 60.0
    monkeypatch.setattr(proving, "TAIL", 60.0)
    monkeypatch.setattr(proving, "FIRST", 0.1)

    async def interrupted() -> None:
        await proved(tmp_path, shop[1], ProofSpec(rate=50, path="/", timeout=60), SHIFT, pause=20)

    task = asyncio.create_task(interrupted())
    assert await asyncio.to_thread(shop[0].asked.wait, 30)
    begun = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - begun < 30
    found = records.proof("ro")
    assert found is not None and found.problems == ("the last answers were not waited for",)


async def test_records_that_do_not_answer_do_not_stop_the_rollout(
    shop: tuple[type[Shop], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = await proved(tmp_path, shop[1], ASKED, PROVISION)
    (tmp_path / "none").write_text("no folder")
    monkeypatch.setenv("TES_DATABASE_URL", f"sqlite:///{tmp_path}/none/of/these/records.db")
    records.close()

    async def again() -> Proof:
        platform: Any = Place(shop[1])
        async with watched(run(tmp_path, ASKED), platform, rollout(id="unknown")) as watch:
            assert watch is not None
        assert watch.proof is not None
        return watch.proof

    assert (await again()).stable == proof.stable


async def test_nothing_is_sent_where_nothing_is_asked_for(shop: tuple[type[Shop], str], tmp_path: Path) -> None:
    async with watched(run(tmp_path, None), Place(shop[1]), rollout()) as watch:  # type: ignore[arg-type]
        assert watch is None
    assert not (tmp_path / "out").exists()


async def test_of_several_rollouts_each_watch_hears_of_its_own_steps(tmp_path: Path) -> None:
    """One load a service; what is done to one of them says nothing about another."""
    heard: dict[str, list[str]] = {"shop": [], "cart": []}

    class Hearing:
        def __init__(self, name: str) -> None:
            self.name = name

        def step(self, take: Step) -> Step:
            heard[self.name].append("step")
            return take

        def kept(self, kept: Any) -> Any:
            heard[self.name].append("kept")
            return kept

    async def noted(*_: object) -> None:
        heard["shop"].append("noted")

    cart = Target(service="cart", environment=TARGET.environment)
    take, kept = seen_by({TARGET: Hearing("shop"), cart: Hearing("cart")}, passes, noted)  # type: ignore[dict-item]
    moving = rollout(target=cart)
    lease = LEASE.model_copy(update={"target": cart})
    assert (await take(Place(""), lease, moving, SHIFT, EnvironmentSpec())).passed  # type: ignore[arg-type]
    await kept(moving, SHIFT, await passes(), 0.0)
    assert heard == {"shop": ["noted"], "cart": ["step", "kept"]}
    other = LEASE.model_copy(update={"target": Target(service="nobody", environment="nowhere")})
    assert (await take(Place(""), other, moving, SHIFT, EnvironmentSpec())).passed  # type: ignore[arg-type]
