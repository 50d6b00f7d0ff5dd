"""A resident engine starts sooner and finds what a fresh one would find: nothing of the project is older than its
files, and where it could be otherwise a fresh engine is used."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.spec import Suite
from tasks.resident import Warm
from tasks.suite_run import Ended, Job, run
from tests.tes_engine.driver import journal, write
from toolchain.engine_argv import BOOT

TEST = "import {library}\nfrom shop import price\ndef test_price(conf):\n    assert price() + conf == 3\n"
Again = Callable[..., tuple[Ended, dict[str, str]]]


@pytest.fixture
def warm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Warm]:
    monkeypatch.delenv("CI", raising=False)
    made = Warm()
    yield made
    made.stop()


@pytest.fixture
def again(project: Path, tmp_path: Path, warm: Warm, tes_home: Path) -> Again:
    """Runs the project once more, when the resident is ready; each run has an `out` of its own."""
    numbers = iter(range(100))
    suite = Suite(name="unit", framework="pytest", paths=["."], workers=1).model_dump(mode="json")
    # Compiled files tell texts of one second and one length apart nowhere, in plain pytest neither.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}

    def one(settle: bool = True) -> tuple[Ended, dict[str, str]]:
        out = tmp_path / f"out{next(numbers)}"
        ended = run(Job(suite, str(project), str(out), sys.executable, environment), lambda _: None, warm=warm)
        if settle:
            settled(warm)
        return ended, {e["id"].partition("::")[2]: e["o"] for e in journal(out) if e["e"] == "result"}

    return one


def settled(warm: Warm) -> Any:
    resident = warm.residents.get("unit")
    deadline = time.monotonic() + 60
    while resident is not None and not resident.ready() and resident.state == "starting":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return resident


def starts(monkeypatch: pytest.MonkeyPatch, warm: Warm) -> list[bool]:
    """Whether each run from here on was warm."""
    told: list[bool] = []
    plain = warm.start

    def start(*words: Any) -> Any:
        engine = plain(*words)
        told.append(engine is not None)
        return engine

    monkeypatch.setattr(warm, "start", start)
    return told


def lay(project: Path, library: str = "json.tool") -> None:
    write(
        project,
        {
            "shop.py": "ONE = 1\ndef price(): return ONE\n",
            "conftest.py": "import pytest\n@pytest.fixture\ndef conf(): return 2\n",
            "test_shop.py": TEST.format(library=library),
        },
    )


def test_source_constants_conftests_and_tests_are_always_those_of_now(
    project: Path, again: Again, warm: Warm, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(project)
    told = starts(monkeypatch, warm)
    assert again()[1] == {"test_price": "passed"}
    for file, old, new in (
        ("shop.py", "ONE = 1", "ONE = 5"),
        ("conftest.py", "return 2", "return 7"),
        ("test_shop.py", "== 3", "== 4"),
        ("shop.py", "return ONE", "return ONE + 1"),
    ):
        text = (project / file).read_text()
        (project / file).write_text(text.replace(old, new))
        assert again()[1] == {"test_price": "failed"}, file
        (project / file).write_text(text)
        assert again()[1] == {"test_price": "passed"}, file
    assert told == [False] + [True] * 8


def test_what_a_test_sees_of_its_process_is_the_same(
    project: Path, again: Again, warm: Warm, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
        import json.tool, os, sys, threading, warnings
        def test_sees():
            main = sys.modules["__main__"]
            seen = [main.__spec__.name, main.__package__, sys.argv[:1], os.getcwd(), sorted(os.environ), sys.path,
                    threading.active_count(), warnings.filters, os.getpgid(os.getppid()) == os.getppid(),
                    os.readlink("/proc/self/fd/0") if os.path.exists("/proc/self/fd/0") else ""]
            with open("seen", "a") as file:
                print(repr(seen), file=file)
        """
    write(project, {"test_sees.py": text})
    told = starts(monkeypatch, warm)
    cold, _ = again()
    ended, outcomes = again()
    assert told == [False, True] and outcomes == {"test_sees": "passed"}
    assert ended.code == cold.code == 0
    first, second = (project / "seen").read_text().splitlines()
    assert first == second


def test_a_module_of_the_project_that_hides_a_library_is_taken(project: Path, again: Again, warm: Warm) -> None:
    write(project, {"test_a.py": "import wave\ndef test_a(): assert 'project' not in wave.__file__\n"})
    assert again()[1] == {"test_a": "passed"} and settled(warm).state == "ready"
    write(project, {"wave.py": ""})
    assert again()[1] == {"test_a": "failed"}


def test_no_module_that_pytest_rewrites_is_imported_ahead(
    project: Path, again: Again, warm: Warm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")  # a plugin asks for its library to be rewritten
    write(project, {"test_a.py": "import httpx, hypothesis\ndef test_a(): pass\n"})
    again()
    ended, _ = again()
    printed = Path(ended.job.out, "stdout.log").read_text()
    assert settled(warm).state == "ready" and "rewritten" not in printed and ended.code == 0


def test_tests_that_set_variables_before_they_import_get_fresh_engines(project: Path, again: Again, warm: Warm) -> None:
    write(project, {"conftest.py": "import os\nos.environ['MODE'] = '1'\n", "test_a.py": "def test_a(): pass\n"})
    assert again()[1] == {"test_a": "passed"}
    assert warm.residents == {}


def test_a_killed_resident_costs_nothing_but_time(project: Path, again: Again, warm: Warm) -> None:
    lay(project)
    again()
    settled(warm).process.kill()
    assert again()[1] == {"test_price": "passed"}
    assert settled(warm).state == "ready", "another one is there"


def test_an_engine_that_is_killed_is_told_as_any_other(project: Path, again: Again, warm: Warm) -> None:
    lay(project)
    again()
    write(project, {"test_shop.py": "import os\ndef test_dies(): os.kill(os.getppid(), 9)\n"})
    assert again()[0].code == -9


def test_a_library_that_starts_a_thread_is_left_to_the_engines(tmp_path: Path, project: Path) -> None:
    """A fork has none of its threads, and whatever lock one held stays locked for ever."""
    libraries = tmp_path / "libraries"
    write(libraries, {
        "calm.py": "",
        "busy.py": "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n",
    })  # fmt: skip
    text = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("boot", {BOOT!r})
boot = importlib.util.module_from_spec(spec)
spec.loader.exec_module(boot)
sys.path.insert(0, {str(libraries)!r})
shelf = boot.load("preload").Shelf({str(project)!r}, set())
shelf.folders += ({str(libraries.resolve())!r} + "/",)
print(shelf.fill(["calm", "busy", "wave"]), [name in sys.modules for name in ("calm", "busy", "wave")])
"""
    ran = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert ran.stdout == "['busy'] [True, False, True]\n", ran.stderr


def test_in_ci_there_is_none(monkeypatch: pytest.MonkeyPatch, project: Path, again: Again, warm: Warm) -> None:
    monkeypatch.setenv("CI", "1")
    lay(project)
    monkeypatch.setattr(warm, "usable", Warm().usable)
    again()
    assert warm.residents == {} and not warm.usable
