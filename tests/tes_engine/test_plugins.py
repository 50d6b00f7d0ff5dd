"""Real plugins, as published, do under the engine what they do under plain pytest or pytest-xdist."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.tes_engine.driver import Run, engine, environment, write

pytestmark = pytest.mark.requires("package-index")
OFF = ("-p", "no:randomly")


@pytest.fixture
def python(plugins_python: str) -> str:
    return plugins_python


def under_plain(root: Path, python: str, *arguments: str) -> str:
    command = [python, "-m", "pytest", "-p", "no:xdist", *OFF, *arguments]
    return subprocess.run(
        command, cwd=root, env=environment(python), capture_output=True, text=True, timeout=120
    ).stdout


def run(root: Path, python: str, *arguments: str, options: tuple[str, ...] = ()) -> Run:
    return engine(root, *options, arguments=arguments, python=python)


@pytest.mark.parametrize("options", [(), ("--start", "process")], ids=["fork", "process"])
def test_pytest_cov_measures_the_same_lines(project: Path, python: str, options: tuple[str, ...]) -> None:
    code = "def sign(n):\n    if n > 0:\n        return 1\n    if n < 0:\n        return -1\n    return 0\n"
    files = {"pkg/__init__.py": "", "pkg/sign.py": code + "def unused():\n    return 1\n"}
    files |= {
        f"test_{word}.py": f"from pkg.sign import sign\ndef test_it(): sign({n})\n" for word, n in (("a", 1), ("b", -1))
    }
    write(project, files)
    report = ("--cov=pkg", "--cov-branch", "--cov-report=json:cov.json")
    under_plain(project, python, *report)
    wanted = json.loads((project / "cov.json").read_text())["files"]
    (project / "cov.json").unlink()
    ran = run(project, python, *OFF, *report, options=options)
    assert ran.code == 0 and ran.problems == []
    found = json.loads((project / "cov.json").read_text())["files"]
    assert found["pkg/sign.py"]["executed_lines"] == wanted["pkg/sign.py"]["executed_lines"]
    assert found["pkg/sign.py"]["missing_branches"] == wanted["pkg/sign.py"]["missing_branches"]
    assert not list(project.glob(".coverage.*")), "nothing is left over"


def test_pytest_asyncio_runs_coroutines_in_loops_of_each_scope(project: Path, python: str) -> None:
    text = """
        import asyncio, pytest, pytest_asyncio
        @pytest_asyncio.fixture(scope="module", loop_scope="module")
        async def loop_of_module(): return asyncio.get_running_loop()
        @pytest.mark.asyncio(loop_scope="module")
        async def test_same(loop_of_module): assert asyncio.get_running_loop() is loop_of_module
        @pytest.mark.asyncio
        async def test_own(): await asyncio.sleep(0)
        @pytest.mark.asyncio
        async def test_bad(): assert 0
        """
    write(project, {"test_a.py": text, "test_b.py": text})
    ran = engine(project, arguments=OFF, python=python)
    assert sorted(ran.outcomes.values()) == ["failed"] * 2 + ["passed"] * 4 and ran.problems == []


def test_pytest_django_gives_each_worker_a_database_of_its_own(project: Path, python: str) -> None:
    settings = "SECRET_KEY = 'x'\nINSTALLED_APPS = ['django.contrib.auth', 'django.contrib.contenttypes']\n"
    settings += (
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'db', 'TEST': {'NAME': 'tdb'}}}\n"
    )
    tests = """
        import pytest
        from django.contrib.auth.models import Group
        from django.db import connection
        from django.test import TestCase, TransactionTestCase
        class TestRolledBack(TestCase):
            @classmethod
            def setUpTestData(cls): Group.objects.create(name="shared")
            def test_one(self): Group.objects.create(name="one"); self.assertEqual(Group.objects.count(), 2)
            def test_two(self): Group.objects.create(name="two"); self.assertEqual(Group.objects.count(), 2)
        class TestFlushed(TransactionTestCase):
            def test_it(self): Group.objects.create(name="x"); self.assertEqual(Group.objects.count(), 1)
        @pytest.mark.django_db
        @pytest.mark.parametrize("n", range(10))
        def test_many(n):
            Group.objects.create(name=str(n))
            assert Group.objects.count() == 1
        @pytest.mark.django_db
        def test_worker(worker_id):
            assert worker_id in connection.settings_dict["NAME"]
        """
    ini = "[pytest]\nDJANGO_SETTINGS_MODULE = settings\n"
    write(project, {"settings.py": settings, "pytest.ini": ini, "test_a.py": tests, "test_b.py": tests})
    ran = run(project, python, *OFF)
    assert set(ran.outcomes.values()) == {"passed"} and len(ran.outcomes) == 28, ran.printed


def test_pytest_randomly_seeds_each_case_as_told(project: Path, python: str) -> None:
    text = "import random\n" + "".join(f"def test_{n}():\n    print(random.random())\n    assert 0\n" for n in range(5))
    write(project, {"test_a.py": text, "test_b.py": text})

    def numbers() -> dict[str, str]:
        ran = run(project, python, "-p", "randomly", "--randomly-seed=7")
        return {event["id"]: event["out"].split("---")[-1].split()[0] for event in ran.of("result")}

    first = numbers()
    assert first == numbers() and len(first) == 10


def test_reruns_of_pytest_rerunfailures_are_attempts(project: Path, python: str) -> None:
    text = "N = []\ndef test_flaky():\n    N.append(1)\n    assert len(N) > 2\ndef test_bad(): assert 0\n"
    write(project, {"test_a.py": text})
    ran = run(project, python, *OFF, "--reruns=2")
    assert [a[1:] for a in ran.attempts if "flaky" in a[0]] == [(1, "failed"), (2, "failed"), (3, "passed")]
    assert [a[1:] for a in ran.attempts if "bad" in a[0]] == [(1, "failed"), (2, "failed"), (3, "failed")]
    assert "1 failed, 1 passed, 4 rerun" in ran.printed


def test_hypothesis_finds_what_it_finds(project: Path, python: str) -> None:
    text = """
        from hypothesis import given, strategies as st
        @given(st.integers())
        def test_good(n): assert n + 0 == n
        @given(st.integers())
        def test_bad(n): assert n < 100
        """
    write(project, {"test_a.py": text})
    ran = run(project, python, *OFF)
    assert ran.outcomes == {"test_a.py::test_good": "passed", "test_a.py::test_bad": "failed"}
    bad = next(event for event in ran.of("result") if event["o"] == "failed")
    assert "n=100" in bad["out"]


PROPERTY = """
    from hypothesis import given, strategies as st
    @given(st.integers())
    def test_good(n): assert n + 0 == n
    """
LOADED = """
    import os, sys
    def pytest_unconfigure(config):
        if "PYTEST_XDIST_WORKER" not in os.environ:
            with open("loaded", "w") as file: file.write(str("hypothesis" in sys.modules))
    """


def test_hypothesis_is_not_imported_only_to_ask_it(project: Path, python: str) -> None:
    write(project, {"test_a.py": PROPERTY, "conftest.py": LOADED})
    assert run(project, python, *OFF, options=("--collect", "parallel")).code == 0
    assert (project / "loaded").read_text() == "False"


def test_hypothesis_statistics_of_all_workers_are_told(project: Path, python: str) -> None:
    write(project, {"test_a.py": PROPERTY, "test_b.py": PROPERTY})
    word = "--hypothesis-show-statistics"
    plain, ran = under_plain(project, python, word), run(project, python, *OFF, word)
    assert plain.count("during generate phase") == ran.printed.count("during generate phase") == 2, ran.printed


def test_pytest_html_and_junit_see_all_that_the_workers_saw(project: Path, python: str) -> None:
    write(project, {f"test_{n}.py": "def test_good(): pass\ndef test_bad(): assert 0, 'why'\n" for n in range(4)})
    ran = run(project, python, *OFF, "--html=report.html", "--self-contained-html", "--junitxml=junit.xml")
    assert ran.code == 1
    page, xml = (project / "report.html").read_text(), (project / "junit.xml").read_text()
    assert all(f"test_{n}.py::test_bad" in page for n in range(4))
    assert 'tests="8"' in xml and 'failures="4"' in xml and xml.count("AssertionError: why") >= 4


def test_what_xdist_offers_is_there(project: Path, python: str) -> None:
    conftest = """
        import os, pytest
        def pytest_configure_node(node): raise RuntimeError("nobody calls it")
        def pytest_xdist_auto_num_workers(config): return 3
        @pytest.fixture(scope="session")
        def port(worker_id): return 9000 + int(worker_id.removeprefix("gw"))
        """
    text = """
        import os, time, pytest, xdist
        def test_ids(worker_id, testrun_uid, port, request):
            assert worker_id == os.environ["PYTEST_XDIST_WORKER"] == request.config.workerinput["workerid"]
            assert testrun_uid == os.environ["PYTEST_XDIST_TESTRUNUID"] and port >= 9000
            assert xdist.is_xdist_worker(request) and xdist.get_xdist_worker_id(request) == worker_id
        def test_bases(tmp_path, worker_id): assert f"popen-{worker_id}" in str(tmp_path)
        """
    ini = "[pytest]\naddopts = -n auto --dist worksteal --maxprocesses=4 --max-worker-restart=3 --tx popen\n"
    write(project, {"pytest.ini": ini, "conftest.py": conftest, "test_a.py": text, "test_b.py": text})
    ran = run(project, python, *OFF)
    assert set(ran.outcomes.values()) == {"passed"} and len(ran.outcomes) == 4, ran.printed
    assert sum("is not obeyed" in note for note in ran.notes) == 5


def test_an_xdist_group_stays_on_one_worker(project: Path, python: str) -> None:
    text = """
        import os, time, pytest
        @pytest.mark.xdist_group("one")
        @pytest.mark.parametrize("n", range(6))
        def test_grouped(n): time.sleep(0.02); open("pids", "a").write(f"{os.getpid()} ")
        @pytest.mark.parametrize("n", range(20))
        def test_free(n): time.sleep(0.02); open("free", "a").write(f"{os.getpid()} ")
        """
    write(project, {"pytest.ini": "[pytest]\naddopts = -n 2 --dist loadgroup\n", "test_a.py": text, "test_b.py": text})
    ran = run(project, python, *OFF)
    assert set(ran.outcomes.values()) == {"passed"} and len(ran.outcomes) == 52
    assert len(set((project / "pids").read_text().split())) == 1
    assert len(set((project / "free").read_text().split())) == 2
