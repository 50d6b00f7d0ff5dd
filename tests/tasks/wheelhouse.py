"""A package index that is a folder: hand-made wheels, so that pip's behaviour is real and no network is asked."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

# A build backend of the project's own, which needs nothing installed to build it.
BACKEND = """
import pathlib, re, tomllib, zipfile
PROJECT = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    pathlib.Path("built-here").write_text("a build writes into the source")
    name, version = PROJECT["name"], PROJECT["version"]
    file, info = f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    lines = [f"Requires-Dist: {line}" for line in PROJECT.get("dependencies", [])]
    for extra, wanted in PROJECT.get("optional-dependencies", {}).items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {line}; extra == "{extra}"' for line in wanted]
    with zipfile.ZipFile(f"{wheel_directory}/{file}", "w") as archive:
        for path in pathlib.Path(name).glob("*.py"):
            archive.writestr(str(path), path.read_text())
        metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines]
        archive.writestr(f"{info}/METADATA", "\\n".join(metadata) + "\\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        scripts = "\\n".join(f"{key} = {value}" for key, value in PROJECT.get("scripts", {}).items())
        archive.writestr(f"{info}/entry_points.txt", f"[console_scripts]\\n{scripts}\\n")
        archive.writestr(f"{info}/RECORD", "")
    return file
"""


def wheel(folder: Path, name: str, version: str, requires: Sequence[str] = (), script: str = "") -> Path:
    """A wheel of one module that knows its version; `script` is a console command's name."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", f"VERSION = {version!r}\ndef main():\n    print({name!r}, VERSION)\n")
        archive.writestr(f"{info}/METADATA", "\n".join([*metadata, *(f"Requires-Dist: {r}" for r in requires)]) + "\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        if script:
            archive.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{script} = {name}:main\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def project(name: str = "shop", code: str = "", **more: str) -> dict[str, str]:
    """A project that can be built without any tool. `more` are further lines of its [project] table."""
    table = "\n".join(f"{key} = {value}" for key, value in more.items())
    build = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    return {
        "pyproject.toml": f'{build}[project]\nname = "{name}"\nversion = "1.0"\n{table}\n',
        "backend.py": BACKEND,
        f"{name}/__init__.py": code,
    }
