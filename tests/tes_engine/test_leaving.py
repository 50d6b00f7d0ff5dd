"""The engine's process ends quickly, and nothing that Python would have done at its end is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tes_engine.driver import engine, write

TEST = "def test_it(): pass\n"


@pytest.mark.parametrize(
    "hook",
    [
        pytest.param("FILE = open('left.txt', 'w')\ndef pytest_sessionfinish(): FILE.write('kept')\n", id="open file"),
        pytest.param(
            "import atexit, os\nPID = os.getpid()\n"
            "def kept():\n    if os.getpid() == PID: open('left.txt', 'w').write('kept')\n"
            "atexit.register(kept)\n",
            id="exit handler",
        ),
        pytest.param(
            "import threading, time\n"
            "def late():\n    time.sleep(0.3)\n    open('left.txt', 'w').write('kept')\n"
            "def pytest_sessionfinish(session):\n"
            "    if 'PYTEST_XDIST_WORKER' not in __import__('os').environ: threading.Thread(target=late).start()\n",
            id="thread",
        ),
    ],
)
def test_what_a_plugin_leaves_for_the_end_is_done(hook: str, project: Path) -> None:
    write(project, {"test_it.py": TEST, "conftest.py": hook})
    assert engine(project).code == 0
    assert (project / "left.txt").read_text() == "kept"


def test_an_exit_handler_that_breaks_changes_no_exit_code(project: Path) -> None:
    write(project, {"test_it.py": TEST, "conftest.py": "import atexit\natexit.register(lambda: 1 / 0)\n"})
    assert engine(project).code == 0
