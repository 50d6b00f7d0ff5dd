"""Truths about the tree itself: what is tracked, locked, pinned and linked."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = """
    flows tasks blocks domain toolchain records service tes_engine cli deployments infra scripts examples benchmarks
    tests docs docs/how-to docs/reference docs/decisions changes requirements .github/workflows
""".split()
FILES = """
    prefect.yaml Dockerfile compose.yaml Makefile pyproject.toml README.md CONTRIBUTING.md CHANGELOG.md SECURITY.md
    LICENSE .env.example .pre-commit-config.yaml .dockerignore .ci/run
""".split()
# In two pieces each, so that this file does not name what it forbids.
FORBIDDEN = tuple(
    "".join(pieces)
    for pieces in (
        ("pypi", ".org"),
        ("pythonhosted", ".org"),
        ("registry.npmjs", ".org"),
        ("deb.debian", ".org"),
        ("/work", "/main"),
        ("/work", "/shared"),
        ("/tmp", "/v/"),
        ("/root", "/.pyenv"),
        ("/opt", "/wheels"),
    )
)
LOCKS = ("run", "test", "image")
ACTION = re.compile(r"^\s*(?:-\s+)?uses:\s*(\S+)", re.MULTILINE)


@cache
def tracked() -> tuple[Path, ...]:
    """Every file git tracks that is there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = tuple(ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file())
    assert len(files) > 50
    return files


@cache
def text(path: Path) -> str:
    """The file's text; empty for a binary one."""
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        return ""


def load_yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text())


def locked(name: str) -> dict[str, Requirement]:
    """The lock's requirements by name, hashes cut off."""
    lines = text(ROOT / f"requirements/{name}.txt").replace("\\\n", " ").splitlines()
    found = [Requirement(line.split("--hash")[0].strip()) for line in lines if line.strip() and line[0] != "#"]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


@pytest.mark.parametrize("name", FOLDERS)
def test_every_folder_of_the_design_is_there(name: str) -> None:
    assert (ROOT / name).is_dir()


@pytest.mark.parametrize("name", FILES)
def test_every_file_of_the_design_is_there_and_not_empty(name: str) -> None:
    assert (ROOT / name).stat().st_size > 0


def test_no_tracked_file_names_a_registry_or_a_path_of_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {word}" for path in tracked() for word in FORBIDDEN if word in text(path).lower()
    ]
    assert not found


def test_no_python_file_has_400_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in tracked()
        if path.suffix == ".py" and "fixtures" not in path.parts and (count := text(path).count("\n")) >= 400
    }
    assert not long


def test_no_generated_or_secret_file_is_tracked() -> None:
    bad = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.name == ".env" or path.suffix in {".pyc", ".db", ".pem"} or "node_modules" in path.parts
    ]
    assert not bad


@pytest.mark.parametrize("name", (*LOCKS, "tools"))
def test_a_lock_pins_every_requirement_with_a_hash_and_names_no_index(name: str) -> None:
    content = text(ROOT / f"requirements/{name}.txt")
    entries = [line for line in content.replace("\\\n", " ").splitlines() if line.strip() and line[0] != "#"]
    assert len(entries) >= 2
    for entry in entries:
        assert re.match(r"[A-Za-z0-9_.-]+==\S+ ", entry), entry
        assert "--hash=sha256:" in entry, entry
    assert "://" not in content
    assert not re.search(r"^\s*(-i|-f|-e|--(?!hash))", content, re.MULTILINE)


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("run", ("scan", "load")),
        ("test", ("scan", "load", "postgres", "dev")),
        ("image", ("postgres", "redis", "docker")),
    ],
)
def test_a_lock_satisfies_pyproject(lock: str, extras: tuple[str, ...]) -> None:
    """A requirement changed without `make lock` is found here, not by the first fresh installation."""
    project = tomllib.loads(text(ROOT / "pyproject.toml"))["project"]
    wanted = [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]
    have = locked(lock)
    stale = []
    for requirement in map(Requirement, wanted):
        entry = have.get(canonicalize_name(requirement.name))
        version = next(iter(entry.specifier)).version if entry else None
        if version is None or not requirement.specifier.contains(Version(version), prereleases=True):
            stale.append(f"{requirement} is locked as {version}")
    assert not stale, "make lock"


def test_the_locks_agree_on_every_version() -> None:
    versions: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, requirement in locked(lock).items():
            versions.setdefault(name, set()).add(str(requirement.specifier))
    assert not {name: found for name, found in versions.items() if len(found) > 1}


def workflows() -> list[Path]:
    return sorted((ROOT / ".github").rglob("*.yml"))


@pytest.mark.parametrize("path", workflows(), ids=lambda path: path.name)
def test_a_workflow_parses_and_pins_what_it_uses(path: Path) -> None:
    assert isinstance(load_yaml(path), dict)
    for used in ACTION.findall(text(path)):
        assert used.startswith("./") or re.search(r"@[0-9a-f]{40}$", used), used


def test_workflows_take_no_rights_by_default() -> None:
    for path in sorted((ROOT / ".github/workflows").glob("*.yml")):
        assert load_yaml(path).get("permissions") in ({}, {"contents": "read"}), path.name


def test_compose_publishes_on_this_machine_only_and_holds_no_password() -> None:
    compose = load_yaml(ROOT / "compose.yaml")
    # docker-compose 1.29 refuses them.
    assert not {"name", "develop"} & compose.keys()
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports and all(str(port).startswith("127.0.0.1:") for port in ports)
    values = [value for service in compose["services"].values() for value in service.get("environment", {}).values()]
    passwords = [word for value in values for word in re.findall(r"://\w+:(.+)@", value)]
    passwords.append(compose["services"]["postgres"]["environment"]["POSTGRES_PASSWORD"])
    assert len(passwords) == 4 and all(word.startswith("${POSTGRES_PASSWORD:?") for word in passwords)


def shell_scripts() -> list[Path]:
    return [*sorted((ROOT / "scripts").glob("*.sh")), ROOT / ".ci/run"]


@pytest.mark.parametrize("path", shell_scripts(), ids=lambda path: path.name)
def test_a_shell_script_is_executable_and_stops_at_the_first_error(path: Path) -> None:
    assert path.stat().st_mode & 0o111
    assert text(path).startswith("#!")
    assert re.search(r"^set -eu", text(path), re.MULTILINE)


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="needs shellcheck: not on PATH")
def test_shellcheck_finds_nothing() -> None:
    scripts = [str(path) for path in shell_scripts()]
    checked = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def documents() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".md" and "fixtures" not in path.parts]


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = []
    for path in documents():
        prose = re.sub(r"```.*?```", "", text(path), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", prose):
            if "://" not in target and not (path.parent / target).exists():
                broken.append(f"{path.relative_to(ROOT)}: {target}")
    assert not broken


def test_every_make_target_that_the_documents_name_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", text(ROOT / "Makefile"), re.MULTILINE))
    named = {word for path in documents() for word in re.findall(r"(?:^|`)make ([a-z]+)", text(path), re.MULTILINE)}
    assert {"run", "test"} <= named <= targets


def test_the_licence_is_whole() -> None:
    licence = text(ROOT / "LICENSE")
    assert "Apache License" in licence and "END OF TERMS AND CONDITIONS" in licence
