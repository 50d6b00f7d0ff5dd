"""`tes test --watch` in a real terminal, and what it calls a change."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.testing.changes import Changes, stamps

TES = Path(sys.executable).with_name("tes")
GOOD = "def test_a():\n    assert True\n"


class Terminal:
    """A terminal with `tes test --watch` in it."""

    def __init__(self, project: Path) -> None:
        self.ours, theirs = os.openpty()
        self.process = subprocess.Popen(
            [TES, "test", "--watch"],
            cwd=project,
            env={**os.environ, "TERM": "xterm", "VIRTUAL_ENV": sys.prefix, "TES_RECORD": "0"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.text = ""

    def until(self, word: str, seconds: float = 90) -> str:
        """Reads until the word is seen; what was read. Later calls go on behind it."""
        deadline = time.monotonic() + seconds
        while word not in self.text:
            assert time.monotonic() < deadline, self.text
            if select.select([self.ours], [], [], 0.2)[0]:
                self.text += os.read(self.ours, 1 << 16).decode()
        before, _, self.text = self.text.partition(word)
        return before

    def press(self, keys: str) -> None:
        os.write(self.ours, keys.encode())


def test_a_change_runs_again_and_keys_are_heard(tmp_path: Path, tes_home: Path) -> None:
    project = tmp_path / "shop"
    project.mkdir()
    (project / "test_a.py").write_text(GOOD)
    (project / "test_b.py").write_text(GOOD)
    terminal = Terminal(project)
    try:
        terminal.until("PASS shop: 2 passed")
        terminal.until("q quits")
        (project / "test_b.py").write_text("def test_a():\n    assert 1 == 2\n")
        assert "1 reused" in terminal.until("FAIL shop: 1 failed, 1 passed")
        terminal.until("q quits")
        terminal.press("f")
        terminal.until("FAIL shop: 1 failed in")
        terminal.until("q quits")
        (project / "test_b.py").write_text(GOOD)
        terminal.until("PASS shop: 2 passed, 1 of them reused")
        terminal.until("q quits")
        terminal.press("\r")
        assert "it was asked for" in terminal.until("PASS shop: 2 passed in")
        terminal.until("q quits")
        terminal.press("q")
        assert terminal.process.wait(20) == 0
    finally:
        terminal.process.kill()
        terminal.process.wait()
        os.close(terminal.ours)


def test_what_is_hidden_or_generated_is_no_file_of_the_project(tmp_path: Path) -> None:
    for name in ("a.py", "data/b.json", ".git/HEAD", "x/__pycache__/a.pyc", "env/pyvenv.cfg", "env/lib/c.py", "d.py~"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert {os.path.relpath(path, tmp_path) for path in stamps(str(tmp_path))} == {"a.py", "data/b.json"}


def test_files_that_come_go_or_change_are_told_once(tmp_path: Path) -> None:
    kept, gone = tmp_path / "kept.py", tmp_path / "gone.py"
    kept.touch()
    gone.touch()
    changes = Changes(str(tmp_path))
    assert changes.look() == []
    kept.write_text("x")
    gone.unlink()
    (tmp_path / "new.py").touch()
    assert changes.look() == ["gone.py", "kept.py", "new.py"]
    assert changes.look() == []


def test_what_the_tests_write_at_every_run_is_no_change(tmp_path: Path) -> None:
    changes = Changes(str(tmp_path))
    written = tmp_path / "out.txt"
    written.write_text("1")
    assert changes.after_run() == ["out.txt"]
    for text in ("22", "333"):
        written.write_text(text)
        assert changes.after_run() == [] and changes.look() == []


@pytest.mark.parametrize("words", [("--json",), ("--ref", "HEAD")])
def test_words_that_do_not_go_with_it_are_3(words: tuple[str, ...], tmp_path: Path, tes_home: Path) -> None:
    done = subprocess.run([TES, "test", "--watch", *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 3 and "do not go together" in done.stderr
