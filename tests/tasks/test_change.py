"""What was changed, by real repositories."""

from __future__ import annotations

from pathlib import Path

from tasks.change import change
from tests.tasks.supply import commit, git, lay


def repository(tmp_path: Path) -> Path:
    root = lay(tmp_path / "repo", {"app.py": "a = 1\nb = 2\n", "sub/one.py": "x = 1\n"})
    commit(root, "first")
    return root


def test_a_branch_is_compared_with_where_it_left_the_default_branch(tmp_path: Path) -> None:
    root = repository(tmp_path)
    git(root, "checkout", "--quiet", "-b", "feature")
    lay(root, {"app.py": "a = 1\nb = 3\n"})
    commit(root, "mine")
    git(root, "checkout", "--quiet", "main")
    lay(root, {"other.py": "y = 1\n"})
    commit(root, "theirs")
    git(root, "checkout", "--quiet", "feature")
    assert change(root, None, None).lines == {"app.py": {2}}
    assert change(root, "feature", None).lines == {"app.py": {2}}


def test_the_work_tree_counts_with_what_is_not_tracked_yet(tmp_path: Path) -> None:
    root = repository(tmp_path)
    lay(root, {"app.py": "a = 1\nb = 2\nc = 3\n", "new file.py": "z = 1\nzz = 2\n", ".gitignore": "ignored.py\n"})
    lay(root, {"ignored.py": "i = 1\n"})
    found = change(root, None, None)
    assert found.lines["app.py"] == {3} and found.lines["new file.py"] == {1, 2, 3} and "ignored.py" not in found.lines


def test_on_the_default_branch_it_is_the_last_commit(tmp_path: Path) -> None:
    root = repository(tmp_path)
    assert "no commit before" in change(root, None, None).problem
    lay(root, {"app.py": "a = 9\nb = 2\n"})
    commit(root, "second")
    assert change(root, None, None).lines == {"app.py": {1}}


def test_a_base_that_is_named(tmp_path: Path) -> None:
    root = repository(tmp_path)
    git(root, "tag", "v1")
    for text in ("a = 5\nb = 2\n", "a = 5\nb = 6\n"):
        lay(root, {"app.py": text})
        commit(root)
    found = change(root, None, "v1")
    assert found.base == "v1" and found.lines == {"app.py": {1, 2}}
    assert "no revision v9" in change(root, None, "v9").problem
    assert change(root, None, "--output=x").problem and not (root / "x").exists()


def test_a_project_below_the_repositorys_root_has_its_own_paths(tmp_path: Path) -> None:
    root = repository(tmp_path)
    lay(root, {"sub/one.py": "x = 2\n", "app.py": "changed = 1\n", "sub/two.py": "n = 1\n"})
    found = change(root / "sub", None, None).lines
    assert found == {"one.py": {1}, "two.py": {1, 2}}


def test_no_repository_is_told(tmp_path: Path) -> None:
    assert "not in a git repository" in change(lay(tmp_path / "plain", {"a.py": ""}), None, None).problem
