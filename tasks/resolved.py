"""What is to be tested in a project, remembered: reading tes.yaml takes 0.4 s of imports, and seldom says anything new.

The memory is believed as long as every file that was read is the same (by its stat), every folder that was listed
holds the same names, and the code that resolved it is the same. What is not sure is read again.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from tasks.state_folder import home, project_key, read_json, write_json

FORMAT = 4
# Our own code whose change may change the answer.
_CODE = ("domain", "tasks/spec_file.py", "tasks/resolved.py", "toolchain/runners")
# Of the hidden names, those that `domain.detection` looks at.
_HIDDEN = (".pytest.ini", ".github")
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# A file written while we read it could keep its size and its time stamp: too young to be remembered. Seconds.
_YOUNG = 0.05


class Resolved(NamedTuple):
    """`suites` are `domain.spec.Suite` as JSON, None when the project has none; `remarks` are for a person.

    `quarantine` and `repeat` are those of `domain.spec` as JSON. `detected` is how the suites were found, "" where
    tes.yaml names them; `by_pytest` is the suite that takes the place of the one of unittest's where pytest is, with
    its sentence.
    """

    project: str
    name: str
    python: str | None
    suites: list[dict[str, Any]] | None
    remarks: list[str]
    quarantine: dict[str, Any]
    detected: str = ""
    by_pytest: tuple[dict[str, Any], str] | None = None
    repeat: dict[str, Any] = {}


def resolved(project: str) -> Resolved:
    """What a project's folder (absolute) says of its tests. SpecError when it cannot be used."""
    path = os.path.join(home(), "resolved", f"{project_key(project)}.json")
    memory = read_json(path)
    if isinstance(memory, dict) and memory.get("is") == _identity(project) and _holds(project, memory):
        return Resolved(**memory["answer"])
    answer, files, folders = _read(project)
    newest = max((stat[0] for stat in files.values() if stat), default=0)
    if time.time_ns() - newest > _YOUNG * 1e9:
        seen = {"files": files, "folders": folders}
        write_json(path, {"is": _identity(project), **seen, "answer": answer._asdict()})
    return answer


def fitted(found: Resolved, has_pytest: Callable[[], bool]) -> Resolved:
    """With pytest in the place of a unittest that was only detected, if the interpreter has it: what people type."""
    if found.by_pytest is None or not has_pytest():
        return found
    suite, why = found.by_pytest
    suites = [suite if one["name"] == suite["name"] else one for one in found.suites or ()]
    said = "detected  tests.suites"
    remarks = [one for one in found.remarks if not one.startswith(said)]
    return found._replace(suites=suites, remarks=[f"{said}: {why}", *remarks], detected=why)


def _identity(project: str) -> list[Any]:
    # A waiver that ends today is a warning tomorrow: what was read is good for a day.
    return [FORMAT, project, _code(), time.strftime("%Y-%m-%d")]


def _code() -> int:
    seen = []
    for name in _CODE:
        path = os.path.join(_ROOT, name)
        for entry in sorted(_files(path)):
            if entry.endswith(".py"):
                about = os.stat(entry)
                seen.append(f"{entry} {about.st_mtime_ns} {about.st_size}")
    return zlib.crc32("\n".join(seen).encode())


def _files(path: str) -> Iterator[str]:
    if not os.path.isdir(path):
        yield path
        return
    with os.scandir(path) as entries:
        yield from (entry.path for entry in entries if entry.is_file())


def _holds(project: str, memory: Mapping[str, Any]) -> bool:
    files: dict[str, Any] = memory["files"]
    if any(_stat(os.path.join(project, name)) != stat for name, stat in files.items()):
        return False
    for name, (changed, names) in memory["folders"].items():
        path = os.path.join(project, name)
        try:
            if os.stat(path).st_mtime_ns != changed and _names(path) != names:
                return False
        except OSError:
            return False
    return True


def _stat(path: str) -> list[int] | None:
    try:
        about = os.stat(path)
    except OSError:
        return None
    return [about.st_mtime_ns, about.st_ctime_ns, about.st_size, about.st_ino]


def _names(path: str) -> int:
    """A checksum of a folder's names. Hidden ones come and go with every run of tests, and detection looks at few."""
    told = (name for name in os.listdir(path) if name in _HIDDEN or not (name[0] == "." or name == "__pycache__"))
    return zlib.crc32("\n".join(sorted(told)).encode("utf-8", "surrogateescape"))


def _read(project: str) -> tuple[Resolved, dict[str, list[int] | None], dict[str, tuple[int, int]]]:
    """The answer, and the files and folders it rests on, as they were before they were read."""
    from pathlib import Path

    from domain.detection import is_read
    from tasks.spec_file import NAMES, listed, load_spec

    root = Path(project)
    folders = {}
    files = {name: _stat(os.path.join(project, name)) for name in NAMES}
    for folder, names in listed(root) if root.is_dir() else ():
        inside = folder.relative_to(root).as_posix()
        folders[inside] = (folder.stat().st_mtime_ns, _names(str(folder)))
        for name in names:
            told = name if inside == "." else f"{inside}/{name}"
            if is_read(told):
                files[told] = _stat(os.path.join(project, told))
    loaded = load_spec(root)
    tests = loaded.spec.tests
    # That an image could be built matters to nobody who wants tests run.
    detected = [one for one in loaded.detected if one.startswith("tests.suites")]
    remarks = [f"detected  {one}" for one in detected]
    remarks += [f"warning   {one}" for one in loaded.warnings]
    suites = None if tests.suites is None else [suite.model_dump(mode="json") for suite in tests.suites]
    rule = tests.quarantine.model_dump(mode="json")
    other = loaded.by_pytest and (loaded.by_pytest[0].model_dump(mode="json"), loaded.by_pytest[1])
    told = "".join(detected).removeprefix("tests.suites: ")
    repeat = tests.repeat.model_dump(mode="json")
    answer = Resolved(project, loaded.spec.name or root.name, tests.python, suites, remarks, rule, told, other, repeat)
    return answer, files, folders
