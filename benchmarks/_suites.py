"""Ten published projects whose own tests are run: their source distributions, fetched by pip and pinned, and one
virtual environment that holds them all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tasks.archive import unpack

TOOLS = ("pytest==9.2.0", "pytest-xdist==3.8.0", "hypothesis==6.170.17", "trio==0.35.0", "pretend==1.0.9",
         "cloudpickle==3.1.3", "tomli_w==1.2.0", "pyyaml==6.0.4", "freezegun==1.5.5")  # fmt: skip
"""What the suites need. No pytest-asyncio: some suites make errors of warnings, and its own is one."""
SPLIT = "pytest-split==0.11.0"


@dataclass(frozen=True)
class Part:
    """A fixed part of a suite: pytest's arguments, and what the table calls it ("" is all of it)."""

    arguments: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class Project:
    """A source distribution as pip names it; what of its tests is run, where all would take too long; what is run to
    see quickly that everything works; and the tes.yaml that it needs, if any."""

    requirement: str
    part: Part = Part()
    quick: Part | None = None
    settings: str = ""

    @property
    def name(self) -> str:
        return self.requirement.partition("==")[0]

    def chosen(self, quick: bool, whole: bool) -> Part:
        if whole:
            return Part()
        return self.quick if quick and self.quick is not None else self.part


def _files(*names: str) -> Part:
    return Part(tuple(f"tests/{name}.py" for name in names), ", ".join(names))


SUITES = (
    Project("click==8.5.1", quick=_files("test_basic", "test_context", "test_testing")),
    Project("jinja2==3.1.6"),
    Project("attrs==26.1.0", quick=_files("test_functional", "test_setattr", "test_validators")),
    Project("sqlparse==0.6.1"),
    Project("packaging==26.4", Part(("--ignore=tests/test_version.py",), "without test_version's 51,524 cases"),
            _files("test_markers", "test_ranges", "test_tags")),  # fmt: skip
    Project("itsdangerous==2.2.0"),  # short
    Project("pluggy==1.7.0"),  # short
    Project("tomlkit==0.15.2"),
    Project("mistune==3.4.0", quick=_files("test_commonmark", "test_security_urls")),
    # Long, and nearly all of it two files. It would pass under unittest, too, which is what `tes test` takes it for.
    Project("more-itertools==11.2.1", _files("test_more"), Part(("tests/test_more.py", "-k", "Chunked or Spy or Zip"),
            "test_more: Chunked or Spy or Zip"), "tests:\n  suites:\n    - framework: pytest\n"),  # fmt: skip
)


def prepared(cache: Path, wanted: list[str]) -> tuple[Path, dict[str, Path]]:
    """(the environment's interpreter, project to its unpacked folder). What is in the cache is not made again.
    Raises CalledProcessError when pip cannot get something."""
    cache.mkdir(parents=True, exist_ok=True)
    python = cache / "venv/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(cache / "venv")], check=True)
    done = cache / "installed.txt"
    installed = set(done.read_text().split("\n")) if done.exists() else set()
    if missing := [tool for tool in TOOLS if tool not in installed]:
        _pip(python, "install", *missing)
        installed.update(missing)
    if SPLIT not in installed:  # beside the environment: loaded by nobody but its own runs
        _pip(python, "install", "--upgrade", "--no-deps", "--target", str(cache / "split"), SPLIT)
        installed.add(SPLIT)
    folders = {}
    for project in SUITES:
        if wanted and project.name not in wanted:
            continue
        folders[project.name] = _unpacked(python, cache, project)
        if project.requirement not in installed:
            _pip(python, "install", str(folders[project.name]))
            installed.add(project.requirement)
        done.write_text("\n".join(sorted(installed)))
    done.write_text("\n".join(sorted(installed)))
    return python, folders


def _unpacked(python: Path, cache: Path, project: Project) -> Path:
    folder = cache / "sources" / project.requirement
    if not folder.exists():
        archives = cache / "archives" / project.requirement
        _pip(python, "download", "--no-deps", "--no-binary", ":all:", "-d", str(archives), project.requirement)
        shutil.rmtree(cache / "unpacked" / project.requirement, ignore_errors=True)  # of a run that was broken off
        top = unpack(next(archives.glob("*.tar.gz")), cache / "unpacked" / project.requirement)
        folder.parent.mkdir(exist_ok=True)
        top.rename(folder)
    if project.settings:
        (folder / "tes.yaml").write_text(project.settings)
    return folder


def _pip(python: Path, verb: str, *words: str) -> None:
    subprocess.run([str(python), "-m", "pip", verb, "-q", "--disable-pip-version-check", *words], check=True)
