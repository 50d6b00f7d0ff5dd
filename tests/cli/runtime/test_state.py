"""The state file: what is written is read back; what cannot be read is no state."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.runtime.process import ProcessId
from cli.runtime.state import ChildState, State, read, state_path, write


def example(home: Path) -> State:
    child = ChildState(ProcessId(12, "boot/3"), "running", 2, -9, "2026-01-01T00:00:00+00:00")
    since = "2026-01-01T00:00:00+00:00"
    return State("mark", home, ProcessId(11, "boot/2"), 4200, 8001, since, ready=True, children={"server": child})


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    write(example(tmp_path))
    assert read(tmp_path) == example(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["runtime.json"]


def test_addresses_and_pids_are_told(tmp_path: Path) -> None:
    runtime = example(tmp_path).runtime
    assert runtime.prefect_api_url == "http://127.0.0.1:4200/api"
    assert runtime.service_url == "http://127.0.0.1:8001"
    assert runtime.pids == {"supervisor": 11, "server": 12}


def test_there_is_no_state_in_a_fresh_home(tmp_path: Path) -> None:
    assert read(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "{}", '{"layout": 1}', "\x00\x00", "{" * 100_000])
def test_a_file_that_is_no_state_is_none(tmp_path: Path, text: str) -> None:
    state_path(tmp_path).write_text(text)
    assert read(tmp_path) is None


@pytest.mark.parametrize(
    "change", [{"layout": 99}, {"supervisor": 3}, {"children": []}, {"more": 1}, {"children": {"a": {}}}]
)
def test_a_state_of_another_shape_is_none(tmp_path: Path, change: dict[str, object]) -> None:
    write(example(tmp_path))
    state_path(tmp_path).write_text(json.dumps(json.loads(state_path(tmp_path).read_text()) | change))
    assert read(tmp_path) is None
