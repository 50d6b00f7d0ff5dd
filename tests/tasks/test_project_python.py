"""Which interpreter the tests run in, and that the reason is told."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from domain.errors import SpecError
from tasks.project_python import Chosen, choose, has, surroundings


def environment(folder: Path, name: str = "python") -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "pyvenv.cfg").touch()
    python = folder / "bin" / name
    python.touch(mode=0o755)
    return python


def test_the_order_is_tes_yaml_then_the_active_one_then_the_projects_then_path(tmp_path: Path) -> None:
    project, on_path = tmp_path / "shop", environment(tmp_path / "usr", "python3")
    project.mkdir()
    around = {"PATH": str(on_path.parent)}
    assert choose(str(project), None, around).path == str(on_path)
    beside = environment(project / ".venv")
    assert choose(str(project), None, around) == Chosen(str(beside), "the project's .venv")
    active = environment(tmp_path / "active")
    around["VIRTUAL_ENV"] = str(tmp_path / "active")
    assert choose(str(project), None, around) == Chosen(str(active), "the active environment")
    named = environment(project / "own")
    for words in ("own", "own/bin/python", "./own/bin/python", str(named)):
        assert choose(str(project), words, around) == Chosen(str(named), "tests.python in tes.yaml")
    assert choose(str(project), "python3", around).path == str(on_path)


def test_an_active_environment_that_was_deleted_is_not_used(tmp_path: Path) -> None:
    beside = environment(tmp_path / "venv")
    assert choose(str(tmp_path), None, {"VIRTUAL_ENV": str(tmp_path / "gone"), "PATH": ""}).path == str(beside)


@pytest.mark.parametrize("named", ["python9.9", "./gone/bin/python", "."])
def test_a_named_one_that_is_not_there_is_refused(named: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="tests.python"):
        choose(str(tmp_path), named, {"PATH": str(tmp_path)})


def test_no_python_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no Python"):
        choose(str(tmp_path), None, {"PATH": str(tmp_path)})


def test_the_tests_see_the_environment_as_activated(tmp_path: Path) -> None:
    python = environment(tmp_path / ".venv")
    around = surroundings(Chosen(str(python), ""), {"PATH": "/usr/bin", "MODE": "x"})
    assert around == {"PATH": f"{python.parent}:/usr/bin", "VIRTUAL_ENV": str(tmp_path / ".venv"), "MODE": "x"}
    assert surroundings(Chosen("/usr/bin/python3", ""), {"PATH": "/usr/bin"}) == {"PATH": "/usr/bin"}


def test_an_interpreter_is_asked_what_it_can_import(tmp_path: Path) -> None:
    ours = Chosen(sys.executable, "")
    assert has(ours, "pytest", os.environ) and not has(ours, "no_such_module_anywhere", os.environ)
    assert not has(Chosen(str(tmp_path / "gone"), ""), "pytest", os.environ)
