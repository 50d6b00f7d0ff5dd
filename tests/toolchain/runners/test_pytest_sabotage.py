"""Whatever a project does to its own run, no lie ends in PASS."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.cases import Status, judge
from domain.verdict import Outcome
from tests.toolchain.runners.planted import END, FAILING, GOOD, by_id, line, passed, run

SWALLOW = """
import pytest
@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    session.exitstatus = 0
"""
FIND = """
import pathlib, pytest
def journals():
    return list(pathlib.Path(OUT).glob("journal/*.jsonl"))
"""
DELETE = """
def pytest_unconfigure(config):
    for path in journals(): path.unlink()
"""
CUT = """
def pytest_unconfigure(config):
    for path in journals(): path.write_bytes(path.read_bytes()[:-30])
"""
DAMAGE = """
def pytest_unconfigure(config):
    for path in journals(): path.write_bytes(path.read_bytes().replace(b'"e":"result"', b'"e":"resu\\x00'))
"""
CATCH = """
import pytest
@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    report.outcome, report.longrepr = "passed", None
"""
CATCH_CALL = """
import pytest
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    outcome = yield
    outcome.force_result(None)
"""
EXPECT = """
import pytest
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        report.outcome, report.wasxfail = "skipped", "as I said"
"""
SILENCE = """
def pytest_runtest_protocol(item, nextitem):
    return True
"""
RETRY = """
from _pytest.runner import runtestprotocol
def pytest_runtest_protocol(item, nextitem):
    for last in (False, True):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if last or all(report.passed for report in reports):
            for report in reports: item.ihook.pytest_runtest_logreport(report=report)
            return True
"""
FLAKY = "N = []\ndef test_flaky():\n    N.append(1)\n    assert len(N) > 1, 'the first time'\n"
SKIPPED = "import pytest\n@pytest.mark.skip\ndef test_a(): pass\n"

# name → (files, outcome, what the reasons must say)
SABOTAGE: dict[str, tuple[dict[str, str], Outcome, str]] = {
    "a case fails": ({"test_a.py": FAILING}, Outcome.FAIL, "test_a.py::test_bad"),
    "conftest cannot be imported": (
        {"conftest.py": "import nothing_there", "test_a.py": GOOD},
        Outcome.INCONCLUSIVE,
        "exit 4",
    ),
    "a file cannot be imported": ({"test_a.py": GOOD, "test_b.py": "import nothing_there"}, Outcome.FAIL, "test_b"),
    "there is no test": ({"test_a.py": "x = 1"}, Outcome.INCONCLUSIVE, "collected no case"),
    "sys.exit(0) in a test": (
        {"test_a.py": GOOD + "def test_b():\n    import sys\n    sys.exit(0)\n"},
        Outcome.FAIL,
        "SystemExit",
    ),
    "sys.exit(0) in conftest": (
        {"conftest.py": "import sys; sys.exit(0)", "test_a.py": GOOD},
        Outcome.INCONCLUSIVE,
        "sys.exit(0)",
    ),
    "sys.exit(0) while a file is imported": (
        {"test_a.py": GOOD, "test_b.py": "import sys; sys.exit(0)"},
        Outcome.FAIL,
        "test_b.py::(collection)",
    ),
    "pytest.exit(returncode=0)": (
        {
            "test_a.py": GOOD
            + "def test_b():\n    import pytest\n    pytest.exit('enough', 0)\n"
            + "def test_c(): pass\n"
        },
        Outcome.INCONCLUSIVE,
        "3 cases were collected and 1 have a result",
    ),
    "os._exit(0) in a test": (
        {"test_a.py": GOOD + "def test_b():\n    import os\n    os._exit(0)\n"},
        Outcome.FAIL,
        "test_a.py::test_b",
    ),
    "kill -9 itself": (
        {"test_a.py": GOOD + "def test_b():\n    import os\n    os.kill(os.getpid(), 9)\n"},
        Outcome.FAIL,
        "SIGKILL",
    ),
    "a plugin makes the exit code 0": (
        {"conftest.py": SWALLOW, "test_a.py": FAILING},
        Outcome.FAIL,
        "test_a.py::test_bad",
    ),
    "a plugin makes an empty run's exit code 0": (
        {"conftest.py": SWALLOW, "test_a.py": ""},
        Outcome.INCONCLUSIVE,
        "no case",
    ),
    "the journal is deleted": (
        {"conftest.py": FIND + DELETE, "test_a.py": GOOD},
        Outcome.INCONCLUSIVE,
        "before it could",
    ),
    "the journal is cut off": ({"conftest.py": FIND + CUT, "test_a.py": GOOD}, Outcome.FAIL, "ended in this case"),
    "the journal is damaged": ({"conftest.py": FIND + DAMAGE, "test_a.py": GOOD}, Outcome.INCONCLUSIVE, "is damaged"),
    "a plugin turns failures into passes": (
        {"conftest.py": CATCH, "test_a.py": FAILING},
        Outcome.INCONCLUSIVE,
        "test_a.py::test_bad raised AssertionError and a plugin reported that it passed",
    ),
    "a plugin catches what tests raise": (
        {"conftest.py": CATCH_CALL, "test_a.py": FAILING},
        Outcome.INCONCLUSIVE,
        "test_a.py::test_bad raised AssertionError and a plugin reported that it passed",
    ),
    "a plugin calls a failure expected": (
        {"conftest.py": EXPECT, "test_a.py": FAILING},
        Outcome.INCONCLUSIVE,
        "test_a.py::test_bad raised AssertionError and a plugin reported that it was skipped",
    ),
    "a plugin runs nothing": (
        {"conftest.py": SILENCE, "test_a.py": GOOD},
        Outcome.INCONCLUSIVE,
        "no plugin reported how it went",
    ),
    "a retry of the project's own hides a failure that stays": (
        {"conftest.py": RETRY, "test_a.py": FAILING},
        Outcome.FAIL,
        "test_a.py::test_bad",
    ),
    "os._exit(0) while a file is imported": (
        {"test_a.py": GOOD, "test_b.py": "import os; os._exit(0)"},
        Outcome.FAIL,
        "exit code 0 in the middle",
    ),
    "a fixture of the session kills its worker": (
        {
            "test_a.py": "import os, pytest\n@pytest.fixture(scope='session')\ndef s():\n    yield\n    os._exit(0)\n"
            "def test_s(s): pass\n"
        },
        Outcome.FAIL,
        "exit code 0 in the middle",
    ),
    "every case is skipped": ({"test_a.py": SKIPPED}, Outcome.INCONCLUSIVE, "no case passed"),
    "the project's options are wrong": (
        {"pytest.ini": "[pytest]\naddopts = --no-such-option", "test_a.py": GOOD},
        Outcome.INCONCLUSIVE,
        "exit 4",
    ),
    "a quiet project exits early": (
        {
            "pytest.ini": "[pytest]\naddopts = -qq",
            "test_a.py": GOOD + "def test_b():\n    import pytest\n    pytest.exit('enough', 0)\n",
        },
        Outcome.INCONCLUSIVE,
        "2 cases were collected and 1 have a result",
    ),
    "the project's options only collect": (
        {"pytest.ini": "[pytest]\naddopts = --collect-only", "test_a.py": GOOD},
        Outcome.INCONCLUSIVE,
        "runs no case",
    ),
}


@pytest.mark.parametrize("name", SABOTAGE)
async def test_sabotage_never_passes(tmp_path: Path, name: str) -> None:
    files, outcome, told = SABOTAGE[name]
    stale = tmp_path / "out" / "journal" / "main.jsonl"
    stale.parent.mkdir(parents=True)
    stale.write_text(line(e="file", f="old.py", n=1, s=0.1, b=0) + passed("old.py::test_old") + END)
    out = f"OUT = {str(tmp_path / 'out')!r}\n"
    report, _ = await run(tmp_path, {name: (out if FIND in text else "") + text for name, text in files.items()})
    verdict = judge(report)
    assert verdict.outcome is outcome, verdict
    assert told in " ".join(verdict.reasons) + " ".join(a.message for a in report.attempts), verdict
    assert not any("test_old" in case for case in by_id(report)), "a stale report was read"


async def test_a_retry_of_the_projects_own_is_told(tmp_path: Path) -> None:
    report, _ = await run(tmp_path, {"conftest.py": RETRY, "test_a.py": FLAKY})
    assert [(a.number, a.status) for a in report.attempts] == [(1, Status.FAILED), (2, Status.PASSED)]
    assert "passed only on retry" in " ".join(judge(report).reasons)
