"""A case that passed is told quickly where only pytest itself listens, and to whoever else listens as ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tes_engine.driver import engine, write

CASES = "import pytest\n\n@pytest.mark.parametrize('n', range(150))\ndef test_one(n):\n    pass\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    write(root, {"pytest.ini": "[pytest]\n", "test_a.py": CASES, "test_b.py": CASES})
    return root


def dots(printed: str, letter: str = ".") -> int:
    """How many cases the progress shows."""
    return sum(line.partition(" [")[0].count(letter) for line in printed.splitlines() if "%]" in line)


def test_each_case_has_its_dot(project: Path) -> None:
    ran = engine(project, arguments=("-q",))
    assert (ran.code, dots(ran.printed)) == (0, 300)
    assert "300 passed" in ran.printed


def test_a_case_has_its_line_where_that_is_asked_for(project: Path) -> None:
    ran = engine(project, arguments=("-v",))
    assert ran.printed.count("PASSED") == 300


def test_a_word_of_the_projects_own_for_what_passed_is_shown(project: Path) -> None:
    write(project, {"conftest.py": """
        def pytest_report_teststatus(report):
            if report.when == "call" and report.passed:
                return "fine", "P", "FINE"
        """})  # fmt: skip
    ran = engine(project, arguments=("-q",))
    assert dots(ran.printed, "P") == 300
    assert "300 fine" in ran.printed


def test_another_listener_hears_of_every_phase(project: Path) -> None:
    write(project, {"conftest.py": """
        class Other:
            heard = 0
            def pytest_runtest_logreport(self, report):
                self.heard += 1
        other = Other()
        def pytest_sessionstart(session):
            session.config.pluginmanager.register(other)
        def pytest_terminal_summary(terminalreporter):
            terminalreporter.write_line(f"heard {other.heard}")
        """})  # fmt: skip
    assert "heard 900" in engine(project, arguments=("-q",)).printed
