"""Logs keep what a child said, and stay small."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cli.runtime import log


async def pumped(path: Path, *chunks: bytes) -> None:
    reader = asyncio.StreamReader()
    for chunk in chunks:
        reader.feed_data(chunk)
    reader.feed_eof()
    handler = log.rotating(path)
    await log.pump(reader, handler)
    handler.close()


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([b"one\ntwo\n"], ["one", "two"]),
        ([b"cut", b" off"], ["cut off"]),
        ([b"windows\r\n"], ["windows"]),
        ([b"not \xff utf-8\n"], ["not \ufffd utf-8"]),
        ([b"100% {of} %s\n"], ["100% {of} %s"]),
        ([], []),
    ],
)
async def test_every_line_is_kept(tmp_path: Path, chunks: list[bytes], lines: list[str]) -> None:
    await pumped(tmp_path / "logs" / "a.log", *chunks)
    assert (tmp_path / "logs" / "a.log").read_text().splitlines() == lines


async def test_a_line_without_end_is_cut_not_collected(tmp_path: Path) -> None:
    await pumped(tmp_path / "a.log", b"x" * 3_000_000)
    assert (tmp_path / "a.log").read_text().replace("\n", "") == "x" * 3_000_000
    assert max(map(len, (tmp_path / "a.log").read_text().splitlines())) < 1_200_000


async def test_old_output_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "SIZE", 1_000)
    await pumped(tmp_path / "a.log", b"0123456789\n" * 5_000)
    files = list(tmp_path.iterdir())
    assert len(files) == log.KEPT + 1
    assert all(path.stat().st_size <= 1_000 for path in files)


def test_the_tail_is_the_end_or_says_that_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("\n".join(map(str, range(10_000))))
    assert log.tail(tmp_path / "a.log", 2) == "9998\n9999"
    assert "no log" in log.tail(tmp_path / "b.log")
