"""A failure that is only the engine's own doing is found out, and one that is not stays a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tes_engine.driver import engine, plain, write

STARTS = [(), ("--start", "process"), ("--workers", "1")]

# test_b's cases count on test_a having been imported: by itself it fails, and with all files it passes.
DEPENDENT = {
    "lib/__init__.py": "",
    "lib/part.py": "VALUE = 1\n",
    "test_a.py": "import lib.part\ndef test_a(): pass\n",
    "test_b.py": """
        import lib, pytest
        @pytest.mark.parametrize("n", range(12))
        def test_needs_a(n): assert lib.part.VALUE == 1
        def test_wrong(): assert lib.part.VALUE == 2
        def test_free(): pass
        """,
    "test_c.py": "import time\ndef test_c(): time.sleep(0.3)\n",
}


@pytest.mark.parametrize("options", STARTS)
def test_what_lacks_only_another_files_import_is_as_in_plain_pytest(project: Path, options: tuple[str, ...]) -> None:
    write(project, DEPENDENT)

    run = engine(project, *options)

    assert run.outcomes == plain(project)[0]
    assert run.outcomes["test_b.py::test_needs_a[3]"] == "passed"
    assert run.outcomes["test_b.py::test_wrong"] == "failed"
    assert run.code == 1
    assert run.problems == []
    assert any("12 case(s) or file(s) fail unless other test files have been imported" in note for note in run.notes)


@pytest.mark.parametrize("options", STARTS)
def test_a_file_that_another_lets_be_imported_is_run(project: Path, options: tuple[str, ...]) -> None:
    write(
        project,
        {
            "hidden/helper.py": "VALUE = 1\n",
            "test_a.py": "import os, sys\nsys.path.insert(0, os.path.abspath('hidden'))\ndef test_a(): pass\n",
            "test_b.py": "import helper\ndef test_one(): pass\ndef test_two(): assert helper.VALUE == 2\n",
            "test_c.py": "import time\ndef test_c(): time.sleep(0.3)\n",
        },
    )

    run = engine(project, *options, "--retries", "1")

    assert run.outcomes == plain(project)[0]
    assert ("test_b.py::test_two", 2, "failed") in run.attempts
    assert run.of("end")[-1]["ran"] == 4 == run.of("end")[-1]["collected"]
    assert run.problems == [] and run.code == 1


@pytest.mark.parametrize("fails", ["1", "1 3", "1 3 5", "1 4", "1 2 4 5", "1 2 4"])
def test_what_fails_now_and_then_has_failed(project: Path, fails: str) -> None:
    """The prover's pass must not hide a case of two minds, whichever of its runs fail after the first."""
    write(
        project,
        {
            "test_a.py": "def test_a(): pass\n",
            "test_b.py": f"""
                def test_flaky():
                    with open("runs", "a+") as file:
                        file.write("x")
                        run = file.tell()
                    assert str(run) not in "{fails}".split()
                """,
        },
    )

    run = engine(project)

    assert run.attempts == [("test_a.py::test_a", 1, "passed"), ("test_b.py::test_flaky", 1, "failed")]
    assert run.code == 1 and "1 failed" in run.printed


@pytest.mark.parametrize("retries", ["0", "1"])
def test_a_doubted_case_is_not_run_again_when_its_worker_dies_after_it(project: Path, retries: str) -> None:
    """Each attempt has one result, however often its group was begun."""
    write(
        project,
        {
            "test_a.py": "import time\ndef test_a(): time.sleep(1)\n",
            "test_b.py": """
                import os, pathlib, time
                class TestTogether:
                    @classmethod
                    def setup_class(cls): pass
                    def test_bad(self): assert 0
                    def test_deadly(self):
                        if not pathlib.Path("seen").exists():
                            pathlib.Path("seen").write_text("")
                            os.kill(os.getpid(), 9)
                """,
        },
    )

    run = engine(project, "--retries", retries)

    of_b = [(case.rpartition("::")[2], n, o) for case, n, o in run.attempts if case.startswith("test_b")]
    again = [("test_bad", 2, "failed")] if retries == "1" else []
    assert of_b == [("test_bad", 1, "failed"), *again, ("test_deadly", 1, "crashed"), ("test_deadly", 2, "passed")]
    assert run.code == 1 and "1 failed" in run.printed


def test_a_repeated_case_that_fails_after_it_has_passed_has_failed(project: Path, tmp_path: Path) -> None:
    write(
        project,
        {
            "test_a.py": "def test_a(): pass\n",
            "test_b.py": """
                RUNS = []
                def test_flaky():
                    RUNS.append(1)
                    assert len(RUNS) != 2
                """,
        },
    )
    (tmp_path / "repeat.json").write_text('{"test_b.py::test_flaky": 2}')

    run = engine(project, "--repeat", str(tmp_path / "repeat.json"))

    of_b = [(n, o) for case, n, o in run.attempts if case == "test_b.py::test_flaky"]
    assert of_b == [(1, "passed"), (2, "failed"), (3, "passed")]


def test_a_file_that_cannot_be_collected_at_first_only_is_an_error(project: Path) -> None:
    write(
        project,
        {
            "test_a.py": "def test_a(): pass\n",
            "test_b.py": """
                import pathlib
                seen = pathlib.Path("seen")
                if not seen.exists():
                    seen.write_text("")
                    raise RuntimeError("not yet")
                def test_b(): pass
                """,
        },
    )

    run = engine(project)

    assert run.outcomes["test_b.py"] == "error" and run.code == 1


@pytest.mark.parametrize("deed", ["os._exit(0)", "os.kill(os.getpid(), 9)", "time.sleep(60)"])
def test_a_prover_that_dies_lets_the_failure_stand(project: Path, deed: str) -> None:
    write(
        project,
        {
            "test_a.py": "def test_a(): pass\n",
            "test_b.py": f"""
                import os, time, pathlib
                def test_first(): assert 0
                def test_worse():
                    seen = pathlib.Path("seen")
                    if seen.exists():
                        {deed}
                    seen.write_text("")
                    assert 0
                def test_last(): assert 0
                """,
        },
    )

    run = engine(project, "--case-timeout", "2")

    assert [(n, o) for _, n, o in run.attempts] == [(1, "passed"), (1, "failed"), (1, "failed"), (1, "failed")]
    assert run.code == 1 and "3 failed" in run.printed


@pytest.mark.parametrize("deed", ["os._exit(0)", "time.sleep(60)"])
def test_a_prover_that_cannot_collect_lets_every_failure_stand(project: Path, deed: str) -> None:
    write(
        project,
        {
            "test_a.py": "def test_a(): assert 0\n",
            "test_b.py": f"""
                import os, time, sys
                if "test_a" in sys.modules:
                    {deed}
                def test_b(): assert 0
                """,
        },
    )

    run = engine(project, "--case-timeout", "2", "--workers", "2")

    assert run.outcomes["test_a.py::test_a"] == "failed" and run.code == 1


def test_a_file_with_many_confirmed_failures_is_believed_in_the_rest(project: Path) -> None:
    """A suite whose database is gone is not run twice."""
    write(
        project,
        {
            "test_a.py": "def test_a(): pass\n",
            "test_b.py": """
                import pytest, time
                @pytest.mark.parametrize("n", range(40))
                def test_b(n):
                    open("tries", "a").write("x")
                    time.sleep(0.05)
                    assert 0
                """,
        },
    )

    run = engine(project)

    assert sum(o == "failed" for o in run.outcomes.values()) == 40
    assert 45 <= len((project / "tries").read_text()) < 80


def test_with_x_nothing_is_doubted(project: Path) -> None:
    write(project, DEPENDENT)

    run = engine(project, arguments=("-x",))

    assert run.of("session")[0]["mode"] == "once"
    assert run.outcomes["test_b.py::test_wrong"] == "failed"
    assert "failed" not in {o for case, o in run.outcomes.items() if "needs_a" in case}


def test_what_was_found_out_is_known_the_next_time_until_the_file_changes(project: Path) -> None:
    write(project, DEPENDENT)
    engine(project)

    again = engine(project, out=project.parent / "again")

    assert again.of("session")[0]["mode"] == "once"
    assert again.outcomes == plain(project)[0]
    assert any("cases of test_b.py were seen to fail unless" in note for note in again.notes)
    (project / "test_b.py").write_text("def test_b(): pass\n")
    assert engine(project, out=project.parent / "third").of("session")[0]["mode"] == "parallel"
