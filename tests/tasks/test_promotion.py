"""A promoted version is one artifact: it is moved to the next environment by its digest, and never built again as
something else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import records
from domain.place import Release, Target
from domain.rollout import Rollout, Status
from domain.spec import EnvironmentSpec, Spec
from domain.supply import Artifact, Source
from domain.verdict import Outcome
from tasks import build as building
from tasks.run import Run
from tests.tasks.supply import source_of

FILES = {"app.py": "print(1)\n"}


@pytest.fixture(autouse=True)
def closed(tes_home: Path) -> Iterator[None]:
    yield
    records.close()


@pytest.fixture
async def source(tmp_path: Path) -> Source:
    return await source_of(FILES, tmp_path)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Artifact]:
    """What the builder makes, one after the other; what is left was not built."""
    ahead: list[Artifact] = []

    async def make(*_: object) -> Artifact:
        return ahead.pop(0)

    monkeypatch.setattr(building, "_make", make)
    return ahead


def artifact(tmp_path: Path, letter: str, *, there: bool = True) -> Artifact:
    path = tmp_path / f"{letter}.tar.gz"
    if there:
        path.write_text(letter)
    return Artifact(kind="bundle", digest=f"sha256:{letter * 64}", location=str(path))


def released(one: Artifact, version: str = "v1.2.0.3fa9c1", status: Status = Status.PROMOTED) -> None:
    release = Release(service="shop", version=version, artifact=one)
    target = Target(service="shop", environment="staging")
    records.record_rollout(
        Rollout(id=version, target=target, release=release, stable=None, strategy="blue_green", plan=(), status=status)
    )


def run(tmp_path: Path, kind: str, version: str | None, ref: str | None = None) -> Run:
    run = Run(
        id=f"{kind}-{version}",
        kind=kind,
        project="shop",
        root=tmp_path,
        spec=Spec(environments={"production": EnvironmentSpec()}),
        environment="production",
        version=version,
        ref=ref,
        actor="ada",
        holder="ada",
        store=tmp_path / "store",
        folder=tmp_path / "run",
    )
    records.open_run(run.id, "shop", kind, environment="production")
    return run


async def test_a_deployment_of_a_released_version_moves_its_artifact_and_builds_nothing(
    tmp_path: Path, source: Source, built: list[Artifact]
) -> None:
    released(artifact(tmp_path, "a"))
    built += [artifact(tmp_path, "b")]
    for name in ("v1.2.0", "v1.2.0.3fa9c1"):
        stage = await building.build.fn(run(tmp_path, "deploy", name), source)
        assert stage.verdict.outcome is Outcome.PASS and stage.payload["artifact"]["digest"] == "sha256:" + "a" * 64
        assert "as released to staging; nothing was built" in stage.verdict.reasons[0] and len(built) == 1
    built.append(artifact(tmp_path, "b"))
    for version in (None, "v1.2.0"):  # what was moved is not taken for a build of these files
        stage = await building.build.fn(run(tmp_path, "release", version), source)
        passed = Outcome.PASS if version is None else Outcome.FAIL
        assert stage.verdict.outcome is passed, stage.verdict.reasons


@pytest.mark.parametrize(("kind", "ref"), [("release", None), ("deploy", "main")])
async def test_a_build_of_that_version_that_comes_to_something_else_is_a_fail_that_names_both(
    tmp_path: Path, source: Source, built: list[Artifact], kind: str, ref: str | None
) -> None:
    released(artifact(tmp_path, "a"))
    built.append(artifact(tmp_path, "b"))
    stage = await building.build.fn(run(tmp_path, kind, "v1.2.0", ref), source)
    assert stage.verdict.outcome is Outcome.FAIL and not stage.payload
    (why,) = stage.verdict.reasons
    assert "sha256:" + "a" * 64 in why and "sha256:" + "b" * 64 in why and "tes deploy --version v1.2.0" in why


async def test_an_earlier_build_of_these_files_is_not_quoted_for_a_version_that_is_another_artifact(
    tmp_path: Path, source: Source, built: list[Artifact]
) -> None:
    built += [artifact(tmp_path, "b"), artifact(tmp_path, "c")]
    first = await building.build.fn(run(tmp_path, "release", None), source)
    assert first.verdict.outcome is Outcome.PASS
    released(artifact(tmp_path, "a"))
    stage = await building.build.fn(run(tmp_path, "release", "v1.2.0"), source)
    assert stage.verdict.outcome is Outcome.FAIL and not built


async def test_what_is_gone_is_built_again_and_goes_on_only_as_the_same(
    tmp_path: Path, source: Source, built: list[Artifact]
) -> None:
    released(artifact(tmp_path, "a", there=False))
    built += [artifact(tmp_path, "b")]
    assert (await building.build.fn(run(tmp_path, "deploy", "v1.2.0"), source)).verdict.outcome is Outcome.FAIL
    built += [artifact(tmp_path, "a")]
    assert (await building.build.fn(run(tmp_path, "deploy", "v1.2.0"), source)).verdict.outcome is Outcome.PASS


async def test_an_image_of_a_registry_is_the_one_that_was_built_under_its_id(
    tmp_path: Path, source: Source, built: list[Artifact]
) -> None:
    ours = Artifact(kind="image", digest="sha256:" + "d" * 64, location="shop:v1.2.0")
    location = "r.example/shop@sha256:" + "e" * 64
    pushed = ours.model_copy(update={"digest": "sha256:" + "e" * 64, "location": location, "built": ours.digest})
    released(pushed)
    built.append(ours)
    stage = await building.build.fn(run(tmp_path, "release", "v1.2.0"), source, ("image",))
    assert stage.verdict.outcome is Outcome.PASS
    stage = await building.build.fn(run(tmp_path, "deploy", "v1.2.0"), source, ("image",))
    assert stage.payload["artifact"]["location"] == location
    bundle = await building.build.fn(run(tmp_path, "deploy", "v1.2.0"), source, ("bundle",))
    assert bundle.verdict.outcome is Outcome.FAIL and "v1.2.0 is of kind image" in bundle.verdict.reasons[0]


async def test_a_release_that_was_not_promoted_binds_nobody(
    tmp_path: Path, source: Source, built: list[Artifact]
) -> None:
    released(artifact(tmp_path, "a"), status=Status.ABORTED)
    released(artifact(tmp_path, "a"), version="v1.2.0.1.3fa9c1")
    built.append(artifact(tmp_path, "b"))
    assert (await building.build.fn(run(tmp_path, "deploy", "v1.2.0"), source)).verdict.outcome is Outcome.PASS
