"""Images: which client is used, what is refused before anything starts, and a real build where an engine answers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.errors import CapabilityError, ReportError, SpecError, ToolError
from domain.spec import Build, Spec
from tasks import image, recording
from tasks.build import build as build_stage
from tasks.run import Run
from tests.tasks.supply import source_of

ID = "sha256:" + "1" * 64
FILES = {"Dockerfile": "FROM scratch\nCOPY app.txt /\n", "app.txt": "hello\n"}
SPEC = Spec(name="tes-test-image")


def fake_client(folder: Path, version: str, *, answers: bool = True, buildx: bool = False, build: str = "") -> Path:
    """A docker client: a shell script that answers as the real one does, and keeps what it was called with."""
    folder.mkdir(parents=True, exist_ok=True)
    said = json.dumps({"Client": {"Version": version}, "Server": {"Version": "20.10.24"} if answers else None})
    client = folder / "docker"
    client.write_text(f"""#!/bin/sh
echo "$DOCKER_BUILDKIT $@" >> {folder}/calls
case "$1" in
  version) echo '{said}'; exit {0 if answers else 1};;
  buildx) exit {0 if buildx else 1};;
  image) echo '{{"Id": "{ID}", "Size": 42}}';;
  build) while [ "$1" != --iidfile ]; do shift; done; out="$2"
    {build or f"printf {ID} > $out"};;
  push) echo "1: digest: sha256:{"2" * 64} size: 5";;
  manifest) echo "sha256:{"3" * 64}";;
esac
""")
    client.chmod(0o755)
    return client


@pytest.fixture
def bare_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with a shell and no docker."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


async def test_no_client_no_answer_and_no_executable_are_no_engine(
    bare_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await image.engine() is None
    silent = fake_client(bare_path / "silent", "28.2.2", answers=False).parent
    (bare_path / "odd").mkdir()
    (bare_path / "odd" / "docker").write_bytes(b"\x00\x01")
    (bare_path / "odd" / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{silent}:{bare_path}/odd:{bare_path}/none")
    assert await image.engine() is None


async def test_of_two_clients_the_one_that_builds_with_buildkit_is_used(
    bare_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, old = fake_client(bare_path / "new", "28.2.2"), fake_client(bare_path / "old", "20.10.24")
    monkeypatch.setenv("PATH", f"{new.parent}:{old.parent}")
    found = await image.engine()
    assert found is not None and found.client == str(old)
    monkeypatch.setenv("PATH", str(new.parent))
    found = await image.engine()
    assert found is not None and not found.buildkit and "old builder" in str(found)


async def test_without_an_engine_nothing_starts_and_the_way_out_is_told(bare_path: Path) -> None:
    source = await source_of(FILES, bare_path)
    with pytest.raises(CapabilityError, match="no Docker engine") as told:
        await image.build_image(source, SPEC, bare_path / "store")
    assert "bundle" in told.value.fix


async def test_without_a_dockerfile_the_key_is_named(bare_path: Path) -> None:
    source = await source_of(FILES, bare_path)
    with pytest.raises(SpecError, match=r"build\.dockerfile: there is no file deploy/Dockerfile"):
        await image.build_image(source, Spec(build=Build(dockerfile="deploy/Dockerfile")), bare_path / "store")


async def test_what_a_build_must_end_with(bare_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = await source_of(FILES, bare_path)
    fake_client(bare_path / "bin", "20.10.24", build="exit 0")
    with pytest.raises(ReportError, match="without an image id"):
        await image.build_image(source, SPEC, bare_path / "store")
    fake_client(bare_path / "bin", "20.10.24", build="echo 'ERROR: failed to solve' >&2; exit 1")
    with pytest.raises(ToolError, match=r"build tes-test-image:\w+ \(exit 1\): ERROR: failed to solve"):
        await image.build_image(source, SPEC, bare_path / "store")
    assert list((bare_path / "store" / "images").iterdir()) == []


async def test_several_platforms_are_built_each_and_pushed_under_one_name(bare_path: Path) -> None:
    calls = fake_client(bare_path / "bin", "20.10.24").parent / "calls"
    source = await source_of(FILES, bare_path)
    platforms = ("linux/amd64", "linux/arm64")
    spec = Spec(name="shop", build=Build(platforms=platforms))
    built = await image.build_image(source, spec, bare_path / "store")
    assert built.location == f"shop:{source.version}" and built.size == 84 and built.digest != ID
    assert f"--tag shop:{source.version}-arm64" in calls.read_text()
    calls.unlink()
    pushed = await image.push(built, "127.0.0.1:5000/team/shop", bare_path / "out", platforms)
    there = "127.0.0.1:5000/team/shop"
    part = f"{there}@sha256:{'2' * 64}"
    made = [line.strip() for line in calls.read_text().splitlines() if " version" not in line and "buildx" not in line]
    assert made == [
        f"tag shop:{source.version}-amd64 {there}:{source.version}-amd64",
        f"push {there}:{source.version}-amd64",
        f"tag shop:{source.version}-arm64 {there}:{source.version}-arm64",
        f"push {there}:{source.version}-arm64",
        f"manifest create --amend {there}:{source.version} {part} {part}",
        f"manifest push --purge {there}:{source.version}",
    ]
    assert (pushed.digest, pushed.location) == ("sha256:" + "3" * 64, f"{there}@sha256:{'3' * 64}")


@pytest.fixture
def images() -> Iterator[list[str]]:
    """Images to remove afterwards."""
    made: list[str] = []
    yield made
    for name in made:
        subprocess.run(["docker", "image", "rm", "--force", name], capture_output=True)


@pytest.mark.requires("docker")
async def test_a_real_engine_builds_the_source_and_nothing_else(tmp_path: Path, images: list[str]) -> None:
    files = FILES | {
        "Dockerfile": "ARG GREETING=none\nFROM scratch\nARG GREETING\nLABEL greeting=$GREETING\nCOPY . /\n",
        ".dockerignore": "secret.txt\n",
        "secret.txt": "x",
    }
    source = await source_of(files, tmp_path)
    (Path(source.root) / "litter").write_text("written by a test run")
    spec = SPEC.model_copy(update={"build": Build(build_args={"GREETING": "good day"})})
    built = await image.build_image(source, spec, tmp_path / "store")
    images.append(built.location)
    seen = json.loads(subprocess.run(["docker", "inspect", built.location], capture_output=True, check=True).stdout)[0]
    assert (seen["Id"], seen["Size"]) == (built.digest, built.size)
    assert seen["Config"]["Labels"]["greeting"] == "good day"
    assert seen["Config"]["Labels"]["io.test-execution-system.source"] == source.digest
    made = subprocess.run(["docker", "create", built.location, "none"], capture_output=True, check=True, text=True)
    container = made.stdout.strip()
    try:
        listing = subprocess.run(f"docker export {container} | tar t", shell=True, capture_output=True, text=True)
    finally:
        subprocess.run(["docker", "rm", container], capture_output=True, check=True)
    assert {"app.txt", "Dockerfile"} <= set(listing.stdout.split())
    assert not {"secret.txt", "litter"} & set(listing.stdout.split())
    assert (await image.build_image(source, spec, tmp_path / "store")).digest == built.digest, "unchanged: reused"


@pytest.mark.requires("docker")
async def test_a_real_engine_s_refusal_is_told_in_its_words(tmp_path: Path) -> None:
    source = await source_of(FILES | {"Dockerfile": "FROM scratch\nCOPY not-there.txt /\n"}, tmp_path)
    with pytest.raises(ToolError, match=r"not-there\.txt"):
        await image.build_image(source, SPEC, tmp_path / "store")


async def test_an_image_in_a_registry_is_the_same_one_for_the_next_environment(bare_path: Path, tes_home: Path) -> None:
    """Pushed once, named by the registry's digest, and quoted; without a registry it is built again."""
    client = fake_client(bare_path / "bin", "20.10.24")
    source = await source_of(FILES, bare_path)

    async def built(number: int, **build: str) -> str:
        spec = SPEC.model_copy(update={"build": Build(builder="docker", **build)})
        names = {"id": f"run-{number}", "kind": "release", "project": "demo", "actor": "a test", "holder": "a test"}
        run = Run(root=bare_path, spec=spec, store=bare_path / "store", folder=bare_path / f"run-{number}", **names)
        await recording.opened(run)
        return str((await build_stage.fn(run, source)).payload["artifact"]["location"])

    there = "registry.example/team/shop"
    assert await built(1, repository=there) == await built(2, repository=there) == f"{there}@sha256:{'2' * 64}"
    calls = (client.parent / "calls").read_text()
    assert calls.count(f"push {there}:{source.version}") == 1
    assert await built(3) == await built(4) == f"{SPEC.name}:{source.version}"
    assert (client.parent / "calls").read_text().count("--iidfile") == 3
