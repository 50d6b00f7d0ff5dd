"""What a case leaves to others counts: processes and whatever they read, compiled code, texts, hooks between cases,
tear-downs after the last. And where less was recorded than happened, the case runs."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from tasks import impact
from tasks import impact_store as store
from tests.tasks.impact_project import Project, cases, names
from tests.tasks.test_impact_hidden import interpreters

FILES = {
    "conftest.py": """
        import pytest
        from shop import marks, tool
        def pytest_collection_modifyitems(items):
            for item in items: marks.look(item)
        @pytest.fixture(scope="session")
        def wide():
            yield 1
            tool.tear_down()
        """,
    "shop/__init__.py": "",
    "shop/marks.py": """
        def look(item):
            if "second" in item.nodeid: second(item)
        def second(item): return None
        """,
    "shop/tool.py": """
        import functools, multiprocessing, subprocess, sys
        def told(name): return subprocess.check_output([sys.executable, "-c", f"print(open({name!r}).read())"])
        @functools.lru_cache
        def version(): return told("version.cfg")
        def tear_down(): return None
        def nothing(): return None
        def spawned():
            process = multiprocessing.get_context("spawn").Process(target=nothing)
            process.start(); process.join()
            return process.exitcode
        """,
    "shop/built.py": "from shop import tool\nV = tool.told('version.cfg')\n",
    "version.cfg": "1\n",
    ".env": "A=1\n",
    "tests/test_text.txt": ">>> from shop import tool\n>>> tool.nothing()\n",
    "tests/test_first.py": """
        import socket
        from shop import tool
        def test_alone(): pass
        def test_version_first(): assert tool.version()
        def test_version_again(): assert tool.version()
        def test_spawned(): assert tool.spawned() == 0
        def test_socket(tmp_path):
            with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as two:
                one.bind(str(tmp_path / "s")); one.listen(); two.connect(str(tmp_path / "s"))
        def test_env(): assert open(".env").read()
        """,
    "tests/test_second.py": """
        def test_built_first():
            from shop import built
            assert built.V
        def test_built_again():
            from shop import built
            assert built.V
        def test_compiled():
            from shop import _json
            assert _json
        def test_wide(wide): assert wide
        def test_plain(): pass
        """,
}
PROCESS = {"test_version_first", "test_version_again", "test_spawned", "test_socket", "test_built_first"}


@pytest.fixture(scope="module", params=interpreters(), ids=["here", "other"][: len(interpreters())])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project.made(tmp_path_factory.mktemp("beside"), FILES, python=request.param, options={"workers": 1})
    if request.param == sys.executable:
        spec = importlib.util.find_spec("_json")
        if spec is not None and spec.origin and spec.origin.endswith(".so"):
            shutil.copy(spec.origin, made.root / "shop" / Path(spec.origin).name)
    if not list(made.root.glob("shop/*.so")):
        (made.root / "shop/_json.py").write_text("")
    _, _, outcomes = made.run()
    assert set(outcomes.values()) == {"passed"}, made.printed
    known = store.reading(made.store)
    assert known is not None
    assert not {case.name: case.doubt for case in store.cases(known) if case.doubt}
    known.close()
    return made


@pytest.fixture
def project(recorded: Project, tmp_path: Path) -> Project:
    """A copy of it that stands for the original: data files keep their times, and are given their numbers anew."""
    shutil.copytree(recorded.root.parent, tmp_path / "copy")
    home = tmp_path / "copy"
    made = Project(home / "project", home / "store.sqlite3", home / "out", recorded.python, options=recorded.options)
    with store.opened(made.store) as connection:
        from tasks import impact_files

        others: dict[str, impact_files.Stamp] = {}
        impact_files.python_files(made.root, others)
        store.set_meta(connection, {"others": others})
    assert made.plan().run == (), made.plan().why
    return made


def test_what_a_process_may_have_read_counts(project: Project) -> None:
    project.change("version.cfg", "1", "2")
    planned = project.plan()
    assert cases(planned) >= PROCESS | {"test_built_again"}
    assert "test_alone" not in cases(planned)
    assert planned.why["tests/test_first.py::test_spawned"] == "it started a process, and version.cfg changed"


def test_a_text_that_is_a_test_counts_and_a_new_one_runs(project: Project) -> None:
    project.change("tests/test_text.txt", ">>> tool", ">>> # no more\n>>> tool")
    assert "test_text.txt" in names(project.plan())
    (project.root / "tests/test_more.txt").write_text(">>> 1\n1\n")
    assert names(project.plan()) >= {"test_text.txt", "test_more.txt"}
    project.run()
    assert project.plan().run == (), project.plan().why


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("shop/marks.py", "second(item): return None", "second(item): return 1", {"test_plain", "test_alone"}),
        ("shop/tool.py", "tear_down(): return None", "tear_down(): return 1", {"test_wide"}),
        ("shop/tool.py", "nothing(): return None", "nothing(): return 1 - 1", PROCESS | {"test_text.txt"}),
        (".env", "A=1", "A=2", {"test_env"}),
    ],
)
def test_what_nobody_called_in_sight_counts(
    project: Project, name: str, old: str, new: str, expected: set[str]
) -> None:
    project.change(name, old, new)
    planned = project.plan()
    assert expected <= cases(planned) | names(planned), planned.why


def test_compiled_code_counts(project: Project) -> None:
    for path in project.root.glob("shop/*.so"):
        path.write_bytes(path.read_bytes() + b"\n")
        assert "test_compiled" in cases(project.plan()) | names(project.plan())


@pytest.mark.parametrize("damage", ["a line", "the end", "all of it", "the middle"])
def test_a_record_that_is_not_whole_lets_no_case_be_quoted(project: Project, damage: str) -> None:
    planned = impact.whole(project.plan())
    project.go(planned)
    (record,) = (project.out / "impact").glob("*.jsonl")
    lines = record.read_text().splitlines(keepends=True)
    ids = {"test_wide"}
    if damage == "a line":
        lines[len(lines) // 2] = lines[len(lines) // 2][:9] + "\n"
        ids = {"test_alone", "test_plain", "test_wide"}
    elif damage == "the end":
        assert "end" in lines.pop()
    elif damage == "the middle":
        number = next(n for n, line in enumerate(lines) if "test_plain" in line and '"case"' in line)
        lines, ids = lines[:number], {"test_wide", "test_plain"} if number < len(lines) else ids
    else:
        lines, ids = [], {"test_alone", "test_plain", "test_wide"}
    record.write_text("".join(lines))
    absorbed = impact.absorb(project.out, planned)
    assert absorbed.doubted
    again = project.plan()
    assert again.run is None or ids - {"test_plain"} <= cases(again) | names(again), again.why


def test_a_process_may_have_read_bytes_and_no_times(tmp_path: Path) -> None:
    started = "import subprocess\ndef test_it(): subprocess.run(['./tool', 'version.cfg'], check=True)\n"
    project = Project.made(tmp_path, {"test_it.py": started, "tool": "#!/bin/sh\ncat $1\n", "version.cfg": "1\n"})
    (project.root / "tool").chmod(0o755)
    project.run()
    other = tmp_path / "copy"
    shutil.copytree(project.root, other)
    project.root = other
    assert project.plan().run == ()
    (other / "tool").chmod(0o644)
    assert project.plan().run == ("test_it.py",)
    (other / "tool").chmod(0o755)
    (other / "version.cfg").write_text("2\n")
    assert project.plan().why["test_it.py::test_it"] == "it started a process, and version.cfg changed"


@pytest.mark.parametrize("start", ["fork", "process"])
@pytest.mark.parametrize("how", ["os._exit(3)", "os.kill(os.getpid(), 9)"])
def test_a_worker_that_dies_leaves_nothing_that_is_believed(tmp_path: Path, start: str, how: str) -> None:
    """It dies once in a case, and is replaced. What ended is known, what was in flight runs again."""
    once = tmp_path / "once"
    files = {
        "conftest.py": """
            import pytest, shop
            @pytest.fixture(scope="module")
            def wide():
                yield 1
                shop.down()
            """,
        "shop.py": "def one(): return 1\ndef down(): return 1\n",
        "test_a.py": f"""
            import os, shop
            def test_before(): assert shop.one() == 1
            def test_wide(wide): assert wide
            def test_dies():
                if not os.path.exists({str(once)!r}):
                    open({str(once)!r}, "w").close()
                    {how}
            def test_after(): assert shop.one() == 1
            """,
    }
    made = Project.made(tmp_path / "home", files, options={"workers": 1, "start": start})
    _, absorbed, outcomes = made.run()
    assert set(outcomes.values()) == {"passed"} and len(outcomes) == 4, made.printed
    planned = made.plan()
    assert {"test_dies", "test_wide"} <= cases(planned) | names(planned), planned.why
    made.run()
    assert made.plan().run == (), made.plan().why
    made.change("shop.py", "one(): return 1", "one(): return int('1')")
    assert cases(made.plan()) == {"test_before", "test_after"}


def test_workers_that_are_processes_of_their_own_record_the_same(tmp_path: Path) -> None:
    found = []
    for start in ("fork", "process"):
        files = {name: text for name, text in FILES.items() if "second" not in name} | {"shop/_json.py": ""}
        # One worker: what a process has memoised depends on which cases it ran before.
        made = Project.made(tmp_path / start, files, options={"start": start, "workers": 1})
        _, absorbed, outcomes = made.run()
        assert set(outcomes.values()) == {"passed"} and not absorbed.doubted, made.printed
        known = store.reading(made.store)
        assert known is not None
        nodes = {number: (node.path, node.key) for number, node in store.nodes(known).items()}
        sets = {number: store.unpacked(blob) for number, blob in known.execute("SELECT id, nodes FROM needs")}
        found.append({case.id: {nodes[n] for n in sets[case.needs]} for case in store.cases(known)})
        known.close()
    assert found[0] == found[1]


COV = pytest.param("pytest-cov", marks=pytest.mark.requires("package-index"))


@pytest.mark.parametrize("how", ["gate", COV, "sys.monitoring"])
@pytest.mark.parametrize("start", ["fork", "process"])
def test_coverage_measured_beside_takes_nothing_away(
    tmp_path: Path, how: str, start: str, request: pytest.FixtureRequest
) -> None:
    """Nor does recording take anything from it."""
    files = {
        "shop.py": "def one(): return 1\ndef two(): return 2\n",
        "test_a.py": "import shop\ndef test_one(): assert shop.one()\n",
        "test_b.py": "import shop\ndef test_two(): assert shop.two()\n",
    }
    made = Project.made(tmp_path, files, options={"start": start})
    data = made.root / ".coverage"
    if how == "pytest-cov":
        made.python = request.getfixturevalue("plugins_python")
        made.environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # the others would start processes of their own
        made.words = ("-p", "pytest_cov", "--cov=shop", "--cov-report=")
    else:
        (tmp_path / "coveragerc").write_text("[run]\nsource = .\nparallel = true\n")
        made.options["coverage"] = tmp_path / "coveragerc"
        if how == "sys.monitoring":
            made.environment["COVERAGE_CORE"] = "sysmon"
    _, absorbed, outcomes = made.run()
    assert set(outcomes.values()) == {"passed"} and len(outcomes) == 2 and not absorbed.doubted, made.printed
    made.change("shop.py", "return 2", "return 1 + len('1')")
    assert cases(made.plan()) | names(made.plan()) == {"test_two", "test_b.py"}
    import coverage

    measured = coverage.CoverageData(str(data) if how == "pytest-cov" else str(tmp_path / "all"))
    if how == "pytest-cov":
        measured.read()
    else:
        for part in (made.out / "coverage").glob(".coverage*"):
            one = coverage.CoverageData(str(part))
            one.read()
            measured.update(one)
    assert sorted(measured.lines(str(made.root / "shop.py")) or ()) == [1, 2]
