"""Ten published projects whose own tests are run: their source distributions, fetched by pip and pinned, and one
virtual environment that holds them all."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

TOOLS = ("pytest==9.2.0", "pytest-xdist==3.8.0", "hypothesis==6.170.17", "trio==0.35.0", "pretend==1.0.9",
         "cloudpickle==3.1.3", "tomli_w==1.2.0", "pyyaml==6.0.4")  # fmt: skip
"""What the suites need. No pytest-asyncio: some suites make errors of warnings, and its own is one."""
SPLIT = "pytest-split"


@dataclass(frozen=True)
class Project:
    """A source distribution as pip names it, the name that it is told by, and the paths of it that are run."""

    requirement: str
    paths: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.requirement.partition("==")[0]


SUITES = (
    Project("click==8.5.1"),
    Project("jinja2==3.1.6"),
    Project("attrs==26.1.0"),
    Project("sqlparse==0.6.1"),
    Project("packaging==26.4"),
    Project("itsdangerous==2.2.0"),  # short
    Project("pluggy==1.7.0"),  # short
    Project("tomlkit==0.15.2"),
    Project("mistune==3.4.0"),
    Project("more-itertools==11.2.1"),  # long, and nearly all of it one file
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
    _pip(python, "install", *(tool for tool in TOOLS if tool not in installed))
    installed.update(TOOLS)
    if SPLIT not in installed:  # beside the environment: loaded by nobody but its own runs
        _pip(python, "install", "--no-deps", "--target", str(cache / "split"), SPLIT)
        installed.add(SPLIT)
    folders = {}
    for project in SUITES:
        if wanted and project.name not in wanted:
            continue
        folder = cache / "sources" / project.requirement
        if not folder.exists():
            archives = cache / "archives" / project.name
            _pip(python, "download", "--no-deps", "--no-binary", ":all:", "-d", str(archives), project.requirement)
            with tarfile.open(next(archives.glob("*.tar.gz"))) as archive:
                archive.extractall(cache / "unpacked", filter="data")
                top = archive.getnames()[0].partition("/")[0]
            folder.parent.mkdir(exist_ok=True)
            (cache / "unpacked" / top).rename(folder)
        if project.requirement not in installed:
            _pip(python, "install", str(folder))
            installed.add(project.requirement)
        folders[project.name] = folder
        done.write_text("\n".join(sorted(installed)))
    done.write_text("\n".join(sorted(installed)))
    return python, folders


def _pip(python: Path, verb: str, *words: str) -> None:
    if verb == "download" or words:
        subprocess.run([str(python), "-m", "pip", verb, "-q", "--disable-pip-version-check", *words], check=True)
