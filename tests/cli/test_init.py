"""`tes init` writes a file that is valid, says what was detected, and overwrites nothing unasked."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.init import render, write
from domain.detection import Detected, complete, detect
from domain.errors import SpecError
from domain.spec import Suite
from domain.spec_text import parse

_NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
_TEXTS = st.lists(st.text(max_size=12), max_size=3).map(tuple)
_FOUND = st.builds(
    Detected,
    name=_NAMES,
    requirements=st.none() | _TEXTS,
    test_requirements=_TEXTS,
    suites=st.none()
    | st.lists(st.builds(Suite, name=_NAMES, framework=st.text(max_size=5)), unique_by=lambda s: s.name).map(tuple),
    command=st.none() | _TEXTS.filter(bool),
    why=st.dictionaries(st.sampled_from(["name", "build.requirements", "tests.suites", "release.command"]), st.text()),
)


@given(_FOUND)
def test_whatever_was_detected_is_written_so_that_it_is_read_back(found: Detected) -> None:
    said = parse(render(found), "tes.yaml")
    assert said.name == found.name
    assert said.build.requirements == found.requirements
    assert said.tests.suites == (found.suites or None)
    assert said.tests.requirements == found.test_requirements
    assert said.release is not None and said.release.command == found.command


@pytest.mark.parametrize("word", ["true", "null", "y", "no", "12", "1e3", "0x1f"])
def test_a_name_that_reads_like_a_value_stays_text(word: str) -> None:
    assert parse(render(Detected(name=word)), "tes.yaml").name == word


def test_what_it_writes_changes_nothing_that_was_detected(tmp_path: Path) -> None:
    files = {"pyproject.toml": '[project]\nname = "shop"\n', "tests/test_a.py": "", "app.py": "app = Flask()"}
    found = detect("shop", list(files), files)
    said = parse(render(found), "tes.yaml")
    assert complete(said, found) == said


def test_it_overwrites_only_when_told(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert path == tmp_path / "tes.yaml"
    path.write_text("name: mine")
    with pytest.raises(SpecError, match="is there already") as caught:
        write(tmp_path)
    assert "--force" in caught.value.fix
    assert path.read_text() == "name: mine"
    write(tmp_path, force=True)
    assert "name: mine" not in path.read_text()
    assert [entry.name for entry in tmp_path.iterdir()] == ["tes.yaml"]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="not a folder"):
        write(tmp_path / "x")
