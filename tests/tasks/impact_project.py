"""A small project under `tes test --changed`, without the command: planned, run by the real engine, taken in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tasks import impact
from tasks.impact_absorb import Absorbed, results
from toolchain.engine_argv import engine_argv


@dataclass
class Project:
    """`python` runs its tests. `words` are pytest's, `options` the engine's."""

    root: Path
    store: Path
    out: Path
    python: str = sys.executable
    words: tuple[str, ...] = ()
    options: dict[str, object] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    printed: str = ""

    @classmethod
    def made(cls, home: Path, files: Mapping[str, str], **more: object) -> Project:
        for name, text in files.items():
            (home / "project" / name).parent.mkdir(parents=True, exist_ok=True)
            (home / "project" / name).write_text(textwrap.dedent(text))
        return cls(home / "project", home / "store.sqlite3", home / "out", **more)  # type: ignore[arg-type]

    def plan(self, base: str | None = None) -> impact.Selection:
        return impact.plan(self.root, self.store, impact.conditions(Path(self.python)), base=base)

    def go(self, planned: impact.Selection, *, copies: Path | None = None) -> dict[str, str]:
        """The engine, with recording; node id → status. `copies`: see `tasks/installed_copy.py`."""
        shutil.rmtree(self.out, ignore_errors=True)
        if copies is not None:
            self.out.mkdir()
            shutil.copy(copies, self.out / "copies.json")
        words = list(dict.fromkeys(word.partition("::")[0] for word in planned.run or ()))
        select = None
        if planned.run is not None:
            self.out.mkdir(exist_ok=True)
            select = self.out / "select.json"
            select.write_text(json.dumps(planned.run))
        ours = ["-q", "-p", "no:cacheprovider", f"--rootdir={self.root}", *self.words]
        options: dict[str, object] = {"workers": 2, **self.options}
        argv = engine_argv(
            self.python, self.out, [*ours, *words], select=select, impact=True, **options  # type: ignore[arg-type]
        )
        unwanted = ("PYTEST_", "COV_", "COVERAGE_")
        environment = {name: text for name, text in os.environ.items() if not name.startswith(unwanted)}
        environment |= {"PYTHONDONTWRITEBYTECODE": "1", **self.environment}
        ran = subprocess.run(argv, cwd=self.root, env=environment, capture_output=True, text=True, timeout=120)
        self.printed = ran.stdout + ran.stderr
        return {name: one.status for name, one in results(self.out / "journal")[0].items()}

    def run(self, *, whole: bool = False) -> tuple[impact.Selection, Absorbed, dict[str, str]]:
        """What was planned, what was taken in, and the outcomes of what ran."""
        planned = impact.whole(self.plan()) if whole else self.plan()
        outcomes = self.go(planned)
        return planned, impact.absorb(self.out, planned), outcomes

    def change(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


def names(planned: impact.Selection) -> set[str]:
    """Functions, and files that run whole."""
    assert planned.run is not None, planned.everything
    return {word.rpartition("/")[2].rpartition("::")[2] for word in planned.run}


def cases(planned: impact.Selection) -> set[str]:
    """Functions that would not be quoted, of the cases that are known."""
    assert planned.run is not None, planned.everything
    reused = {case.name for case in planned.reused}
    return {name.rpartition("::")[2] for name in planned.why if "::" in name} - reused
