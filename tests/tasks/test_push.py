"""An image is pushed once, known by the registry's digest, never over another one; each refusal is one line."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

import records
from domain.errors import ToolError, Unavailable
from domain.spec import Build, Spec
from domain.supply import Artifact
from domain.verdict import Outcome
from settings import settings
from tasks import image, push
from tasks.execute import execute
from tasks.run import Run
from tests.tasks.registry import PASSWORD, free_port, registry
from toolchain.command import Command, Ran

pytestmark = pytest.mark.requires("docker", "docker-registry")


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Callable[[str], Artifact]]:
    """Makes an image of one file with that text, as the builder would have; all are removed afterwards."""
    made: list[str] = []

    def make(text: str) -> Artifact:
        context = tmp_path / f"context-{len(made)}"
        context.mkdir()
        (context / "Dockerfile").write_text("FROM scratch\nCOPY app.txt /\n")
        (context / "app.txt").write_text(f"{text} {tmp_path}")
        name = "tes-test-push:v1"
        argv = ["/usr/bin/docker", "build", "--quiet", "--tag", name, str(context)]
        done = subprocess.run(argv, check=True, capture_output=True, text=True)
        made.append(done.stdout.strip())
        return Artifact(kind="image", digest=made[-1], location=name, size=1)

    yield make
    for one in made:
        subprocess.run(["docker", "image", "rm", "--force", one], capture_output=True)


def run_of(tmp_path: Path, **build: object) -> Run:
    return Run(
        id="r1",
        kind="release",
        project="shop",
        root=tmp_path,
        spec=Spec(build=Build.model_validate(build)),
        actor="ada",
        holder="ada",
        store=tmp_path / "store",
        folder=tmp_path / "run",
    )


async def test_what_was_pushed_is_known_by_the_registry_s_digest_and_the_image_s_id(
    tmp_path: Path, built: Callable[[str], Artifact]
) -> None:
    with registry(tmp_path / "registry") as host:
        one = built("one")
        there = await image.push_image(one, f"{host}/team/shop", tmp_path / "out")
        assert there.location == f"{host}/team/shop@{there.digest}"
        assert (there.built, there.content) == (one.digest, one.digest) and there.digest != one.digest
        again = await image.push_image(one, f"{host}/team/shop", tmp_path / "again")
        assert again == there and not (tmp_path / "again/push").exists(), "it is there: nothing is pushed twice"
        # What a platform does with it.
        pulled = subprocess.run(["docker", "pull", there.location], capture_output=True, text=True)
        assert pulled.returncode == 0, pulled.stderr


async def test_a_revision_that_was_built_twice_is_two_images_and_the_first_keeps_its_tag(
    tmp_path: Path, built: Callable[[str], Artifact]
) -> None:
    with registry(tmp_path / "registry") as host:
        one, other = built("one"), built("other")
        first = await image.push_image(one, f"{host}/shop", tmp_path / "1")
        second = await image.push_image(other, f"{host}/shop", tmp_path / "2")
        assert second.digest != first.digest and second.content == other.digest
        tags = httpx.get(f"http://{host}/v2/shop/tags/list").json()["tags"]
        assert sorted(tags) == ["v1", f"v1-{other.digest.removeprefix('sha256:')[:12]}"]
        assert (await image.push_image(one, f"{host}/shop", tmp_path / "3")).digest == first.digest
        again = await image.push_image(other, f"{host}/shop", tmp_path / "4")
        assert again == second and not (tmp_path / "4/push").exists(), "it is there: nothing is pushed twice"


async def test_a_registry_that_does_not_know_us_is_a_line_with_the_way_in(
    tmp_path: Path, built: Callable[[str], Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nothing"))
    with registry(tmp_path / "registry", closed=True) as host:
        with pytest.raises(ToolError, match=f"the registry {host} does not let us in: ") as no:
            await image.push_image(built("one"), f"{host}/shop", tmp_path / "out")
        assert f"docker login {host}" in no.value.fix and "\n" not in no.value.message


async def test_the_password_comes_by_reference_and_is_in_no_argv_or_record(
    tmp_path: Path, built: Callable[[str], Artifact], monkeypatch: pytest.MonkeyPatch, tes_home: Path
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nothing"))
    monkeypatch.setenv("REGISTRY_WORD", PASSWORD)
    seen: list[str] = []

    async def watched(command: Command, out: Path) -> Ran:
        seen.append(repr(command))
        return await execute(command, out)

    monkeypatch.setattr(image, "execute", watched)
    with registry(tmp_path / "registry", closed=True) as host:
        words = {"registry_username": "ci", "registry_password": "env:REGISTRY_WORD"}
        run = run_of(tmp_path, registry=f"{host}/shop", **words)
        records.open_run("r1", "shop", "release")
        stage = await push.push.fn(run, built("one"))
        records.close()
    assert stage.verdict.outcome is Outcome.PASS, stage.verdict.reasons
    assert stage.payload["artifact"]["location"].startswith(f"{host}/shop@sha256:")
    assert seen and PASSWORD not in "".join(seen) + stage.model_dump_json()
    assert not [path for path in settings().state.rglob("config.json")]


async def test_a_registry_that_does_not_answer_is_a_line(tmp_path: Path, built: Callable[[str], Artifact]) -> None:
    host = f"127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable, match=f"the registry {host} cannot be reached: .*connection refused"):
        await image.push_image(built("one"), f"{host}/shop", tmp_path / "out")


@pytest.mark.parametrize("wrong", ["shop", "team/shop", "https://r.example/shop", "r.example/shop:v1", "r.example/A"])
def test_what_is_no_repository_is_refused_when_tes_yaml_is_read(wrong: str) -> None:
    with pytest.raises(ValidationError):
        Build(registry=wrong)


def test_what_a_registry_is_called() -> None:
    for right in ("r.example/shop", "localhost/shop", "localhost:5000/a/b-c", "127.0.0.1:5000/s", "registry:5000/s"):
        assert Build(registry=right).registry == right
