"""The exact argv for docker clients, old and new, and what is believed of their answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import ReportError
from domain.supply import Source
from toolchain.builders import docker
from toolchain.builders.docker import Engine, Image
from toolchain.command import Ran

FIXTURES = Path(__file__).parent / "fixtures" / "docker"
OLD = Engine(client="/usr/bin/docker", client_version="20.10.24+dfsg1", version="20.10.24")
NEW = Engine(client="/usr/local/bin/docker", client_version="28.2.2", version="20.10.24", buildx=True)
BARE = NEW.model_copy(update={"buildx": False})


def ran(tmp_path: Path, stdout: str, exit_code: int = 0, stderr: str = "") -> Ran:
    (tmp_path / "out").write_text(stdout)
    (tmp_path / "err").write_text(stderr)
    return Ran(
        argv=("/usr/bin/docker",), exit_code=exit_code, seconds=1, stdout=tmp_path / "out", stderr=tmp_path / "err"
    )


def test_the_exact_argv_of_a_build(tmp_path: Path) -> None:
    image = Image(
        context=Path("/src"),
        dockerfile="deploy/Dockerfile",
        tag="shop:1",
        build_args={"B": "2", "A": "x y"},
        labels={"l": "v"},
        platform="linux/arm64",
        out=tmp_path / "o",
        timeout=9,
    )
    command = docker.build(OLD, image)
    assert command.argv == (
        *("/usr/bin/docker", "build", "--progress", "plain", "--file", "/src/deploy/Dockerfile", "--tag", "shop:1"),
        *("--iidfile", str(tmp_path / "o" / "image-id"), "--platform", "linux/arm64"),
        *("--build-arg", "A=x y", "--build-arg", "B=2", "--label", "l=v", "/src"),
    )
    assert command.environment == {"DOCKER_BUILDKIT": "1", "SOURCE_DATE_EPOCH": "0"}
    assert (command.timeout, command.report) == (9, tmp_path / "o" / "image-id")


def test_a_new_client_without_buildx_builds_the_old_way(tmp_path: Path) -> None:
    command = docker.build(BARE, Image(context=Path("/src"), dockerfile="Dockerfile", tag="t:1", out=tmp_path))
    assert command.environment["DOCKER_BUILDKIT"] == "0" and "--progress" not in command.argv
    assert "old builder" in str(BARE) and "BuildKit" in str(OLD)


def test_the_client_that_can_use_buildkit_is_preferred() -> None:
    assert docker.best([BARE, OLD]) == OLD
    assert docker.best([BARE]) == BARE
    assert docker.best([]) is None


@pytest.mark.parametrize(
    ("engine", "buildkit"),
    [("20.10.24+dfsg1", True), ("19.03.1", True), ("23.0.0", False), ("17.1", False), ("?", False)],
)
def test_which_clients_have_buildkit_built_in(engine: str, buildkit: bool) -> None:
    assert Engine(client="docker", client_version=engine, version="1").buildkit is buildkit


def test_versions_as_real_clients_tell_them(tmp_path: Path) -> None:
    answered = docker.parse_version(ran(tmp_path, (FIXTURES / "version-28-on-20.json").read_text()), buildx=False)
    assert answered is not None
    assert (answered.client_version, answered.version) == ("28.2.2", "20.10.24+dfsg1")
    silent = (FIXTURES / "version-no-engine.json").read_text()
    assert docker.parse_version(ran(tmp_path, silent, 1), buildx=True) is None
    assert docker.parse_version(ran(tmp_path, "Cannot connect", 1), buildx=True) is None
    assert docker.parse_version(ran(tmp_path, "[]"), buildx=True) is None


@pytest.mark.parametrize(
    ("name", "version", "platform", "tag"),
    [
        ("shop", "1f2e3d", "", "shop:1f2e3d"),
        ("My Shop", "1.0+local", "", "my-shop:1.0-local"),
        ("shop", "1", "linux/arm64/v8", "shop:1-arm64-v8"),
        ("--", "1", "", "image:1"),
    ],
)
def test_a_tag_is_one_that_registries_take(name: str, version: str, platform: str, tag: str) -> None:
    assert docker.tag(name, version, platform) == tag


def test_labels_name_the_source_and_no_date() -> None:
    source = Source(project="shop", root="/src", digest="sha256:ab", revision="c0ffee")
    assert docker.labels(source, "c0ffee") == {
        "org.opencontainers.image.title": "shop",
        "org.opencontainers.image.version": "c0ffee",
        "org.opencontainers.image.revision": "c0ffee",
        "io.test-execution-system.source": "sha256:ab",
    }


def test_the_argv_of_pushing_one_and_several_platforms() -> None:
    assert docker.retag(OLD, "shop:1", "r/shop:1").argv == ("/usr/bin/docker", "tag", "shop:1", "r/shop:1")
    assert docker.push(OLD, "r/shop:1", 5).argv == ("/usr/bin/docker", "push", "r/shop:1")
    joined = docker.manifest(OLD, "r/shop:1", ["r/shop@sha256:a", "r/shop@sha256:b"])
    assert joined.argv == (
        *("/usr/bin/docker", "manifest", "create", "--amend", "r/shop:1"),
        *("r/shop@sha256:a", "r/shop@sha256:b"),
    )
    assert docker.push_manifest(OLD, "r/shop:1").argv[1:] == ("manifest", "push", "--purge", "r/shop:1")


@pytest.mark.parametrize("text", ["", "ok", "sha256:12", "sha256:" + "g" * 64])
def test_a_build_that_ends_well_without_an_image_id_is_not_believed(tmp_path: Path, text: str) -> None:
    (tmp_path / "id").write_text(text)
    with pytest.raises(ReportError, match="without an image id"):
        docker.parse_id(tmp_path / "id")
    with pytest.raises(ReportError):
        docker.parse_id(tmp_path / "none")


def test_a_push_that_names_no_digest_is_not_believed(tmp_path: Path) -> None:
    digest = "sha256:" + "a" * 64
    assert docker.parse_digest(ran(tmp_path, f"layer: Pushed\n1: digest: {digest} size: 528\n")) == digest
    with pytest.raises(ReportError, match="named no digest"):
        docker.parse_digest(ran(tmp_path, "Everything up to date\n"))


def test_an_image_that_the_engine_does_not_have_is_told(tmp_path: Path) -> None:
    assert docker.parse_inspect(ran(tmp_path, '{"Id": "sha256:1", "Size": 7}')) == ("sha256:1", 7)
    with pytest.raises(ReportError, match="No such image"):
        docker.parse_inspect(ran(tmp_path, "\n", 1, "Error: No such image: x"))


def test_the_lines_that_say_why_a_build_failed(tmp_path: Path) -> None:
    log = "#5 RUN false\n#5 ERROR: process\nERROR: failed to solve: exit code: 1\nlast words"
    assert docker.trouble(ran(tmp_path, "", 1, log)) == "ERROR: failed to solve: exit code: 1"
    assert docker.trouble(ran(tmp_path, "only this", 1)) == "only this"
