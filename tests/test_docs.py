"""The how-to pages do what they say: their ```console blocks are run, each page in its own copy of the example service.

A line that starts with `$ ` is a command, and must end with 0. The lines after it must appear in what it prints, in
this order; `...` stands for anything.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.main import parser

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs/how-to").glob("*.md"))
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def steps(page: str) -> list[tuple[str, list[str]]]:
    """The page's commands, each with the lines it must print."""
    found: list[tuple[str, list[str]]] = []
    for block in BLOCK.findall(page):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line.strip() and line.strip() != "...":
                assert found, f"output before the first command: {line}"
                found[-1][1].append(line.strip())
    return found


def missing(expected: list[str], printed: str) -> str | None:
    """The first expected line that does not come after the ones before it; runs of blanks count as one."""
    rest = " ".join(printed.split())
    for line in expected:
        _, found, rest = rest.partition(" ".join(line.split()))
        if not found:
            return line
    return None


@pytest.fixture
def place(tmp_path: Path, tes_home: Path) -> Iterator[Path]:
    """A fresh copy of the example, in git; whatever a page started is stopped at the end."""
    project = tmp_path / "checkout"
    shutil.copytree(ROOT / "examples/checkout", project, ignore=shutil.ignore_patterns("__pycache__", ".tes"))
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "as it came"]):
        subprocess.run(["git", *words], cwd=project, check=True)
    yield project
    if tes_home.exists():
        subprocess.run(["tes", "down", "--all"], cwd=project, capture_output=True, timeout=120, check=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_how_to_page_does_what_it_says(page: Path, place: Path) -> None:
    found = steps(page.read_text())
    assert found, "a how-to page shows at least one command"
    for command, expected in found:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=place,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, f"$ {command}\nended with {done.returncode}:\n{done.stdout}"
        assert missing(expected, done.stdout) is None, f"$ {command}\ndid not print {expected}:\n{done.stdout}"


def test_a_page_is_read_as_commands_with_their_output() -> None:
    page = "text\n```console\n$ one\nfirst\n...\nlast\n$ two\n```\nmore\n```sh\nnot this\n```\n"
    assert steps(page) == [("one", ["first", "last"]), ("two", [])]


@pytest.mark.parametrize(
    ("expected", "first_missing"), [(["a b", "c"], None), (["c", "a b"], "a b"), (["d"], "d"), ([], None)]
)
def test_expected_lines_must_come_in_their_order(expected: list[str], first_missing: str | None) -> None:
    assert missing(expected, "x a   b\nc y") == first_missing


def test_every_verb_and_option_that_the_documents_name_is_one_of_tes() -> None:
    """In fenced blocks, where people copy from: `tes VERB --option` must be understood."""
    verbs = verbs_of(parser())
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    unknown = []
    for path in documents:
        for block in re.findall(r"^```\w*\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL):
            for verb, rest in re.findall(r"^(?:\$ )?(?:\.venv/bin/)?tes ([a-z]+)([^;|#\n]*)", block, re.MULTILINE):
                options = set(re.findall(r"(?<!\S)--[a-z-]+", rest))
                if verb not in verbs or options - verbs[verb]:
                    unknown.append(f"{path.relative_to(ROOT)}: tes {verb}{rest}")
    assert not unknown


def verbs_of(top: argparse.ArgumentParser) -> dict[str, set[str]]:
    """The options of each verb."""
    (choices,) = [action.choices for action in top._actions if isinstance(action, argparse._SubParsersAction)]
    return {name: {option for one in verb._actions for option in one.option_strings} for name, verb in choices.items()}
