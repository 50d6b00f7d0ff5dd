"""Development runs by compose where that is here, and by the platform `local` where it is not; a plan says how."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cli.main import main
from domain.development import compose_file, including
from domain.errors import CapabilityError, ToolError
from domain.spec import Spec
from settings import settings
from tasks import development as work
from tests.tasks.supply import lay
from tests.tasks.test_image import fake_client

SPEC = """\
name: shop
release:
  command: [serve, --port, "${PORT}", --price, "5$"]
  port: 8080
  environment: {MODE: "a$b"}
  secrets: {KEY: env:SHOP_KEY}
environments: {staging: {}}
"""


@pytest.fixture
def bare(tmp_path: Path, tes_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with a shell only."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr("tasks.execute.sys.prefix", str(tmp_path))
    monkeypatch.setenv("SHOP_KEY", "hunter2hunter2")
    return tmp_path


def with_docker(folder: Path, *, plugin: bool, standalone: bool) -> Path:
    """A Docker client and compose; what they were told, and the secret that they were given, is in the file."""
    client = fake_client(folder / "bin", "20.10.24")
    calls = folder / "calls"
    compose = f'echo "$0 $@ KEY=$KEY" >> {calls}; case "$*" in *broken*up*) echo no space >&2; exit 1;; esac; exit 0\n'
    start, _, rest = client.read_text().partition('case "$1" in\n')
    word = f'if [ "$1" = compose ]; then {compose.strip() if plugin else "exit 1"}; fi\n'
    client.write_text(f'{start}{word}case "$1" in\n{rest}')
    if standalone:
        other = folder / "bin" / "docker-compose"
        other.write_text(f"#!/bin/sh\n{compose}")
        other.chmod(0o755)
    return calls


@pytest.fixture
def project(bare: Path) -> Path:
    return lay(bare / "shop", {"tes.yaml": SPEC, "Dockerfile": "FROM scratch\n"})


@pytest.mark.parametrize(("plugin", "client"), [(True, "docker compose"), (False, "docker-compose")])
def test_compose_is_brought_up_with_the_secret_in_its_environment_and_down_again(
    bare: Path, project: Path, plugin: bool, client: str, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = with_docker(bare, plugin=plugin, standalone=True)
    assert main(["deploy", str(project), "-e", "development"]) == 0
    (line,) = [one for one in calls.read_text().splitlines() if " up " in one]
    (file,) = (settings().state / "development").glob("*/compose.yaml")
    words = f"--project-name shop-development --file {file} --project-directory {project} up --detach --build"
    assert f"bin/{client} {words}" in line and line.endswith("KEY=hunter2hunter2")
    assert "hunter2" not in "".join(one.read_text() for one in file.parent.rglob("*") if one.is_file())
    assert "shop-development is up" in capsys.readouterr().out
    assert main(["down"]) == 0
    assert " down --remove-orphans" in calls.read_text().splitlines()[-1]
    assert not list((settings().state / "development").glob("*/up.json"))


def test_a_plan_prints_the_words_and_the_file_and_does_nothing(
    bare: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = with_docker(bare, plugin=True, standalone=False)
    assert main(["deploy", str(project), "-e", "development", "--plan", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["argv"][:2] == ["docker", "compose"] and told["argv"][-3:] == ["up", "--detach", "--build"]
    service = told["made"]["services"]["shop"]
    assert service["command"] == ["serve", "--port", "8080", "--price", "5$$"]
    assert service["environment"] == ["PORT=8080", "MODE=a$$b", "KEY"] and service["ports"] == ["127.0.0.1:8080:8080"]
    assert " up " not in calls.read_text() and not told["done"]


async def test_a_project_s_own_compose_file_is_used_as_it_is(bare: Path, project: Path) -> None:
    with_docker(bare, plugin=True, standalone=False)
    (project / "docker-compose.yml").write_text("services: {}\n")
    one = await work.development(project, Spec(name="shop"))
    assert one is not None and (one.file, one.made) == (project / "docker-compose.yml", None)


@pytest.mark.parametrize("engine", [True, False])
async def test_without_compose_a_compose_file_is_an_error_with_the_fix_and_anything_else_is_local(
    bare: Path, project: Path, engine: bool
) -> None:
    if engine:
        with_docker(bare, plugin=False, standalone=False)
    assert await work.development(project, Spec(name="shop")) is None
    assert including(Spec(), "development").environments["development"].platform == "local"
    (project / "compose.yaml").write_text("services: {}\n")
    with pytest.raises(CapabilityError, match="nothing here can run it") as no:
        await work.development(project, Spec(name="shop"))
    assert "compose plugin" in no.value.fix and "platform: local" in no.value.fix


async def test_what_compose_could_not_do_is_told_in_its_words_and_is_taken_down_all_the_same(bare: Path) -> None:
    with_docker(bare, plugin=True, standalone=False)
    broken = lay(bare / "broken", {"Dockerfile": "FROM scratch\n"})
    one = await work.development(broken, Spec(name="broken"))
    assert one is not None
    with pytest.raises(ToolError, match="docker compose up .exit 1.: no space"):
        await work.bring_up(one, Spec(name="broken"))
    assert await work.bring_down() == ["broken-development"]


def test_an_environment_of_that_name_in_tes_yaml_is_what_it_says(bare: Path, project: Path) -> None:
    (project / "tes.yaml").write_text(SPEC.replace("staging: {}", "development: {platform: memory}"))
    from cli.development import development

    assert development(project, None, plan=True, as_json=False) is None


@pytest.fixture
def docker_compose() -> Iterator[str]:
    import shutil

    found = shutil.which("docker-compose")
    if found is None:
        pytest.skip("needs docker-compose (apt-get install docker-compose)")
    yield found


def test_the_made_file_is_one_that_docker_compose_takes(tmp_path: Path, docker_compose: str) -> None:
    spec = Spec.model_validate(yaml.safe_load(SPEC))
    (tmp_path / "compose.yaml").write_text(json.dumps(compose_file("shop", spec, str(tmp_path))))
    done = subprocess.run(
        [docker_compose, "--file", str(tmp_path / "compose.yaml"), "config"],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "KEY": "word"},
    )
    assert done.returncode == 0, done.stderr
    shown = yaml.safe_load(done.stdout)["services"]["shop"]
    assert shown["environment"]["KEY"] == "word" and "5$" in shown["command"][-1]
