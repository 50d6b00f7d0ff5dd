"""What a project says of its tests is remembered, and never believed when it may have changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from settings import settings
from tasks import resolved as module
from tasks.resolved import Resolved, fitted, resolved
from tasks.state_folder import home


@pytest.fixture
def project(tmp_path: Path, tes_home: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "tests").mkdir(parents=True)
    (folder / "tests/test_a.py").write_text("def test_a(): ...\n")
    (folder / "tes.yaml").write_text("name: shop\n")
    return folder


@pytest.fixture
def asked(project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[Resolved, bool]]:
    """Asks; the answer, and whether the project had to be read for it."""
    reads: list[str] = []
    read = module._read

    def counted(project: str) -> object:
        reads.append(project)
        return read(project)

    monkeypatch.setattr(module, "_read", counted)

    def ask() -> tuple[Resolved, bool]:
        before = len(reads)
        return resolved(str(project)), len(reads) > before

    time.sleep(0.1)
    first, was_read = ask()
    assert was_read and first.name == "shop"
    assert ask() == (first, False)
    return ask


CHANGES: dict[str, Callable[[Path], object]] = {
    "tes.yaml says something else": lambda p: (p / "tes.yaml").write_text("name: shop\ntests: {suites: []}\n"),
    "tes.yaml is gone": lambda p: (p / "tes.yaml").unlink(),
    "there are two of them": lambda p: (p / "tes.yaml").rename(p / "tes.yml"),
    "a pyproject.toml came": lambda p: (p / "pyproject.toml").write_text("[tool.pytest.ini_options]\n"),
    "a package.json came": lambda p: (p / "package.json").write_text('{"devDependencies": {"jest": "1"}}'),
    "the only test file is gone": lambda p: (p / "tests/test_a.py").unlink(),
    "a hidden setting came": lambda p: (p / ".pytest.ini").touch(),
    "a folder of tests came": lambda p: (p / "more").mkdir(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(change: str, project: Path, asked: Callable[[], tuple[Resolved, bool]]) -> None:
    CHANGES[change](project)
    assert asked()[1]


def test_what_a_run_of_tests_leaves_is_no_change(project: Path, asked: Callable[[], tuple[Resolved, bool]]) -> None:
    (project / "tests/__pycache__").mkdir()
    (project / ".pytest_cache").mkdir()
    (project / ".coverage").touch()
    (project / "tests/.benchmarks").mkdir()
    assert not asked()[1]


def test_another_day_is_another_answer(
    asked: Callable[[], tuple[Resolved, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A waiver may have expired."""
    monkeypatch.setattr(time, "strftime", lambda _: "2999-01-01")
    assert asked()[1]


def test_a_memory_that_is_broken_is_no_memory(asked: Callable[[], tuple[Resolved, bool]]) -> None:
    for path in Path(home(), "resolved").iterdir():
        path.write_text("{")
    assert asked()[1]


@pytest.mark.parametrize("given", [None, "~/here", "relative", "/tmp/absolute"])
def test_the_home_is_that_of_the_settings(given: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TES_HOME")
    if given is not None:
        monkeypatch.setenv("TES_HOME", given)
    assert home() == str(settings().state)


def test_a_detected_unittest_gives_way_to_pytest_where_the_interpreter_has_it(project: Path) -> None:
    (project / "tests/test_a.py").write_text("import unittest\n")
    for _ in range(2):  # as read, and as remembered
        time.sleep(0.1)
        found = resolved(str(project))
        assert [suite["framework"] for suite in fitted(found, lambda: False).suites or ()] == ["unittest"]
        now = fitted(found, lambda: True)
        assert [suite["framework"] for suite in now.suites or ()] == ["pytest"]
        assert "the interpreter has pytest" in now.detected and not any("nothing asks" in one for one in now.remarks)


def test_what_tes_yaml_says_is_not_changed_and_nobody_asks_the_interpreter(project: Path) -> None:
    (project / "tests/test_a.py").write_text("import unittest\n")
    (project / "tes.yaml").write_text("tests: {suites: [{name: unit, framework: unittest}]}\n")
    found = resolved(str(project))
    assert fitted(found, lambda: pytest.fail("it was asked")) == found and not found.detected
