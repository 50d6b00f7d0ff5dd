"""A failure that comes only of the order in which the engine ran its cases is found out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tes_engine.driver import engine, plain, write

pytestmark = pytest.mark.long

STARTS = [(), ("--start", "process"), ("--collect", "once")]

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
@pytest.mark.parametrize("options", STARTS)
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
    text = f"""
        import pytest, time
        seen = []
        def count(n):
            time.sleep(0.04)
            assert len(seen) == n
            seen.append(n)
        @pytest.mark.parametrize("n", range(20))
        def test_first(n): count(n)
        def test_long():
            time.sleep(1.5)
            {"seen.clear()" if spoils else "pass"}
        @pytest.mark.parametrize("n", range(20, 40))
        def test_second(n): count(n)
        """
    files = {"test_b.py": text, "test_a.py": "def test_a(): pass\n", "conftest.py": HURRIED.format(seconds=2.5)}
    write(project, files)

    run = engine(project)

    assert run.outcomes == plain(project)[0]
    assert run.outcomes["test_b.py::test_second[39]"] == ("failed" if spoils else "passed")
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


@pytest.mark.parametrize("options", STARTS)
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
