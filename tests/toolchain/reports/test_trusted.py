"""When a report is believed. What can go wrong from end to end is in the sabotage tables of scanners and loadgens."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ReportError, ToolError
from toolchain.command import Ran
from toolchain.reports import trusted


class Small(trusted.Report):
    count: float
    names: tuple[str, ...] = ()


def ran(folder: Path, code: int | None, stderr: str = "", **more: bool) -> Ran:
    (folder / "stderr.log").write_text(stderr)
    out = folder / "stdout.log"
    return Ran(argv=("tool",), exit_code=code, seconds=3, stdout=out, stderr=folder / "stderr.log", **more)


def test_a_signal_is_named_and_what_the_tool_said_last_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="tool died of SIGKILL: out of memory"):
        trusted.finished(ran(tmp_path, -9, "starting\nout of memory\n"), "tool", frozenset({0}))


def test_a_time_out_is_told_with_its_length(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="stopped after 3 s"):
        trusted.finished(ran(tmp_path, None, timed_out=True), "tool", frozenset({0}))


def test_an_unknown_exit_code_is_told_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"exit code 7 \(known: 0, 1\): it printed nothing"):
        trusted.finished(ran(tmp_path, 7), "tool", frozenset({0, 1}))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b'{"count": 1', "cannot be read"),
        (b'{"count": NaN}', "cannot be read"),
        (b'{"count": 1e999}', "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b'{"count": "many"}', r"\(count, of 17 bytes\)"),
    ],
)
def test_a_report_that_is_none(content: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content)
    with pytest.raises(ReportError, match=why):
        trusted.read(Small, ran(tmp_path, 0, "no space left\n"), path, "tool")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (None, "was not told where"),
        (Path("/nowhere/report.json"), "left no report: no space left"),
        (Path("/"), r"left no report .*: no space left"),
    ],
)
def test_a_report_that_is_not_there(path: Path | None, why: str, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=why):
        trusted.read(Small, ran(tmp_path, 0, "no space left\n"), path, "tool")


def test_an_error_never_quotes_the_report(tmp_path: Path) -> None:
    """It may hold the very secret that was found."""
    path = tmp_path / "report.json"
    path.write_text('{"count": "correct horse battery staple"}')
    with pytest.raises(ReportError) as caught:
        trusted.read(Small, ran(tmp_path, 0, "no space left\n"), path, "tool")
    assert "horse" not in str(caught.value)


@given(st.text(), st.integers(1, 300))
def test_one_line_is_one_printable_line_of_bounded_length(text: str, characters: int) -> None:
    line = trusted.one_line(text, characters)
    assert len(line) <= characters and (line.isprintable() or not line)
