"""A pattern handed to a tool must never exclude more than gitignore would: what is not scanned is not clean."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import SpecError
from tests.toolchain.scanners import tree
from toolchain.scanners import ScanRequest, bandit
from toolchain.scanners._paths import Scope

ROOT = Path("/source")
words = st.sampled_from(["test", "tests", "testing", "a", "b.py", "docs", "x.gen.py", ".github"])
paths = st.lists(words, min_size=1, max_size=4).map("/".join)
patterns = st.builds(
    lambda start, path, end: start + path + end,
    st.sampled_from(["", "/", "**/", "!", "*"]),
    paths,
    st.sampled_from(["", "/", "/**", "*", "/*", "/*.py"]),
)


@given(st.lists(patterns, max_size=4), paths)
def test_a_tools_own_exclusions_are_within_ours(exclude: list[str], path: str) -> None:
    area = Scope(ROOT, exclude)
    globs = bandit.command(ScanRequest(root=ROOT, out=ROOT, exclude=tuple(exclude))).argv[-1].split(",")
    # bandit: fnmatch, or the glob itself anywhere in the path
    by_bandit = any(fnmatch.fnmatch(f"./{path}", glob) or glob in f"./{path}" for glob in globs if glob)
    by_detect_secrets = any(re.search(regex, path) for regex in area.regexes)
    if by_bandit or by_detect_secrets:
        assert not area.covers(path)


@pytest.mark.parametrize(
    ("pattern", "folders"),
    [
        ("tests/**", ("/tests",)),
        ("/docs/", ("/docs",)),
        ("vendored/", ("vendored",)),
        ("**/gen/", ("gen",)),
        ("app/*/gen/", ()),
        ("*.py", ()),
        ("tests", ()),
    ],
)
def test_folders(pattern: str, folders: tuple[str, ...]) -> None:
    assert Scope(ROOT, (pattern,)).folders == (".git", *folders)


def test_a_negated_pattern_is_honoured_and_not_handed_on(tmp_path: Path) -> None:
    area = Scope(tree.faulty(tmp_path), ("app/*", "!app/main.py"))
    assert area.folders == area.regexes == ()
    names = [path.relative_to(tmp_path).as_posix() for path in area.files()]
    assert names == ["Dockerfile", "requirements.txt", "app/main.py", "tests/test_main.py"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    tree.write(tmp_path, {"source/a.py": "", "outside/b.py": ""})
    (tmp_path / "source" / "link.py").symlink_to(tmp_path / "outside" / "b.py")
    (tmp_path / "source" / "folder").symlink_to(tmp_path / "outside")
    assert [path.name for path in Scope(tmp_path / "source", ()).files()] == ["a.py"]


@pytest.mark.parametrize("name", ["./app/main.py", "app/main.py", "/source/app/main.py", "app/../app/main.py"])
def test_however_a_tool_names_a_path_it_is_relative_to_the_root(name: str) -> None:
    assert Scope(ROOT, ()).relative(name) == "app/main.py"


def test_a_pattern_that_gitignore_does_not_know_is_a_clear_error() -> None:
    with pytest.raises(SpecError, match="scan.exclude"):
        Scope(ROOT, ("!",))
