"""A failure that is only the engine's own doing is found out, and one that is not stays a failure."""

from __future__ import annotations

import json
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


# Each case of test_b counts on the one before it, and takes long enough for another worker to help from the back.
IN_ORDER = """
    import pytest, time
    seen = []
    @pytest.mark.parametrize("n", range(40))
    def test_counts_on(n):
        time.sleep(0.04)
        assert len(seen) == n
        seen.append(n)
    """


@pytest.mark.parametrize("more", [{}, {"test_a.py": "def test_a(): pass\n"}])
@pytest.mark.parametrize("options", [*STARTS[:2], ("--collect", "once")])
def test_cases_that_count_on_those_before_them_are_as_in_plain_pytest(
    project: Path, options: tuple[str, ...], more: dict[str, str]
) -> None:
    write(project, {"test_b.py": IN_ORDER, **more})

    run = engine(project, *options)

    assert run.outcomes == plain(project)[0] and run.code == 0, run.notes
    assert len([1 for case, _, _ in run.attempts if case.startswith("test_b")]) == 40
    assert any("fail unless those before them in their file have run" in note for note in run.notes)
    assert any(event["id"].startswith("test_b") for event in run.of("doubted")), "the file was shared"


def test_a_file_in_order_is_not_shared_the_next_time_until_it_changes(project: Path) -> None:
    write(project, {"test_b.py": IN_ORDER, "test_a.py": "def test_a(): pass\n"})
    assert engine(project).of("doubted")

    again = engine(project)

    assert again.of("doubted") == [] and again.code == 0 and again.notes == []
    write(project, {"test_b.py": f"{IN_ORDER}\n    # another text\n"})
    assert engine(project).of("doubted")


@pytest.mark.parametrize("more", [{}, {"test_a.py": "def test_a(): pass\n"}])
def test_what_fails_in_its_order_too_has_failed(project: Path, more: dict[str, str]) -> None:
    text = IN_ORDER.replace("assert len(seen) == n", "assert len(seen) == n and n < 38")
    write(project, {"test_b.py": text, **more})

    run = engine(project)

    assert run.outcomes == plain(project)[0]
    assert [run.outcomes[f"test_b.py::test_counts_on[{n}]"] for n in (37, 38, 39)] == ["passed", "failed", "failed"]
    assert run.code == 1


@pytest.mark.parametrize("fails", ["1", "1 2", "1 2 4"])
def test_a_case_of_two_minds_out_of_its_order_has_failed(project: Path, fails: str) -> None:
    """It fails by chance, and not for want of those before it: a pass in order must not hide that."""
    text = f"""
        import pytest, time
        @pytest.mark.parametrize("n", range(40))
        def test_slow(n):
            time.sleep(0.04)
            if n == 39:
                with open("runs", "a+") as file:
                    file.write("x")
                    run = file.tell()
                assert str(run) not in "{fails}".split()
        """
    write(project, {"test_b.py": text, "test_a.py": "def test_a(): pass\n"})

    run = engine(project)

    assert run.outcomes["test_b.py::test_slow[39]"] == "failed" and run.code == 1


@pytest.mark.parametrize("deed", ["import os; os._exit(0)", "import os; os.kill(os.getpid(), 9)"])
def test_a_file_that_dies_in_order_lets_the_failure_stand(project: Path, deed: str) -> None:
    text = IN_ORDER.replace(
        "seen.append(n)",
        f"seen.append(n)\n        if n == 30:\n            {deed}",
    )
    write(project, {"test_b.py": text, "test_a.py": "def test_a(): pass\n"})

    run = engine(project)

    assert run.code == 1 and "test_b.py::test_counts_on[39]" in run.outcomes
    assert run.outcomes["test_b.py::test_counts_on[39]"] == "failed"


# So little time is there for what is run again on a suspicion that the longest case has to be left out.
HURRIED = """
    def pytest_configure():
        import _tes_engine.company
        _tes_engine.company.LONGEST = {seconds}
    """


@pytest.mark.parametrize("spoils", [False, True])
def test_a_suspicion_that_there_is_little_time_for_is_followed_and_decided_with_everything(
    project: Path, spoils: bool
) -> None:
    """The long case has nothing to do with the others; or it takes from them what they count on, and that is seen only
    when it is run as well."""
    long = "    def test_0_long():\n        time.sleep(1.5)\n        {}\n".format(
        "seen.extend([-1] * 100)" if spoils else "pass"
    )
    text = IN_ORDER.replace("    @pytest", f"{long}    @pytest", 1)
    files = {"test_b.py": text, "test_a.py": "def test_a(): pass\n", "conftest.py": HURRIED.format(seconds=2.5)}
    write(project, files)

    run = engine(project)

    assert run.outcomes == plain(project)[0]
    assert run.outcomes["test_b.py::test_counts_on[39]"] == ("failed" if spoils else "passed")
    assert any(event["id"].startswith("test_b") for event in run.of("doubted")), "the file was shared"


# What test_a leaves spoils test_d, and test_c, which plain pytest runs between the two, puts it right.
SPOILT = {
    "lib.py": "STATE = {}\n",
    "test_a.py": "import lib, time\ndef test_a():\n    time.sleep(1)\n    lib.STATE['left'] = 1\n",
    "test_b.py": "import time\ndef test_b(): time.sleep(1.5)\n",
    "test_c.py": "import lib, time\ndef test_c():\n    time.sleep(0.9)\n    lib.STATE.clear()\n",
    "test_d.py": "import lib\ndef test_d(): assert not lib.STATE\n",
}
TIMES = {"test_a.py::test_a": 4, "test_b.py::test_b": 3, "test_d.py::test_d": 2, "test_c.py::test_c": 1}


@pytest.mark.parametrize("options", [*STARTS[:2], ("--collect", "once")])
@pytest.mark.parametrize("right", [True, False])
def test_what_another_case_spoils_is_as_in_plain_pytest(
    project: Path, tmp_path: Path, options: tuple[str, ...], right: bool
) -> None:
    """With nothing that puts it right it fails there as well, and by itself it passes all the same."""
    write(project, SPOILT if right else {**SPOILT, "test_c.py": "def test_c(): pass\n"})
    (tmp_path / "times.json").write_text(json.dumps(TIMES))

    run = engine(project, *options, "--durations", str(tmp_path / "times.json"))

    assert run.outcomes == plain(project)[0]
    assert run.outcomes["test_d.py::test_d"] == ("passed" if right else "failed")
    assert run.code == (0 if right else 1)
    assert [event["id"] for event in run.of("doubted")] == ["test_d.py::test_d"]
    assert any("plain pytest does not run just before them" in note for note in run.notes) is right


def test_what_spoils_is_found_without_the_longest_of_what_ran_before(project: Path, tmp_path: Path) -> None:
    write(project, {**SPOILT, "conftest.py": HURRIED.format(seconds=2.2)})
    (tmp_path / "times.json").write_text(json.dumps(TIMES))

    run = engine(project, "--durations", str(tmp_path / "times.json"), "--workers", "1")

    assert run.outcomes == plain(project)[0] and run.code == 0
    again = [event["id"] for event in run.of("start") if event["w"] == "gw2"]
    assert again[:3] == [
        "test_d.py::test_d",
        "test_a.py::test_a",
        "test_d.py::test_d",
    ], "alone; without test_b, the longest"


def test_once_a_case_was_spoilt_the_files_are_run_in_pytests_order(project: Path, tmp_path: Path) -> None:
    write(project, SPOILT)
    (tmp_path / "times.json").write_text(json.dumps(TIMES))
    options = ("--durations", str(tmp_path / "times.json"), "--workers", "1")

    first, second = engine(project, *options), engine(project, *options)

    assert [event["id"] for event in first.of("doubted")] == ["test_d.py::test_d"]
    assert second.of("doubted") == [] and first.code == second.code == 0
    assert any("all cases are collected before the workers start" in note for note in second.notes)
    assert [case for case, _, _ in second.attempts] == list(plain(project)[0])
