"""Whatever dies costs one attempt: nothing is lost, nothing counts twice, nothing dead passes."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.tes_engine.driver import begin, end, engine, journal, write

STARTS = [(), ("--start", "process")]
MANY = "".join(f"def test_{n}(): pass\n" for n in range(20))


@pytest.mark.parametrize("options", STARTS, ids=["fork", "process"])
@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("os._exit(0)", "exit code 0 in the middle"),
        ("os._exit(3)", "exit code 3 in the middle"),
        ("os.kill(os.getpid(), 9)", "killed by SIGKILL"),
        ("import ctypes; ctypes.string_at(0)", "killed by SIGSEGV"),
        ("os.abort()", "killed by SIGABRT"),
    ],
)
def test_a_case_that_kills_its_worker_is_crashed_and_the_others_pass(
    project: Path, options: tuple[str, ...], body: str, told: str
) -> None:
    text = f"import os\n{MANY}def test_dies():\n    print('last words', flush=True)\n    {body}\n" + MANY.replace(
        "_", "_b"
    )
    write(project, {"test_a.py": text, "test_z.py": MANY})
    run = engine(project, *options)
    outcomes = run.outcomes
    assert outcomes.pop("test_a.py::test_dies") == "crashed"
    assert set(outcomes.values()) == {"passed"} and len(outcomes) == 60
    others = [attempt for attempt in run.attempts if "dies" not in attempt[0]]
    assert len(others) == 60 and {number for _, number, _ in others} == {1}, "no other case ran twice"
    crash = next(event for event in run.of("result") if event["o"] == "crashed")
    assert told in crash["msg"] and "last words" in crash["out"]
    if "SIG" in told and "KILL" not in told:
        assert "test_dies" in crash["out"], "the stack is there"
    assert run.code == 1 and run.problems == []


def test_a_case_that_dies_once_and_then_passes_is_shown_with_both_attempts(project: Path) -> None:
    once = "import os, pathlib\ndef test_once():\n    flag = pathlib.Path('flag')\n"
    once += "    if not flag.exists():\n        flag.touch()\n        os._exit(1)\n"
    write(project, {"test_a.py": MANY + once})
    run = engine(project)
    assert [a[1:] for a in run.attempts if "once" in a[0]] == [(1, "crashed"), (2, "passed")]
    assert run.code == 0 and "1 rerun" in run.printed


def test_the_rest_of_a_class_goes_on_in_another_worker(project: Path) -> None:
    text = """
        import os
        class TestTogether:
            @classmethod
            def setup_class(cls): cls.ready = True
            def test_a(self): assert self.ready
            def test_b(self): os._exit(1)
            def test_c(self): assert self.ready
        """
    write(project, {"test_a.py": text})
    run = engine(project)
    names = {name.rpartition("::")[2]: outcome for name, outcome in run.outcomes.items()}
    assert names == {"test_a": "passed", "test_b": "crashed", "test_c": "passed"}


@pytest.mark.parametrize("options", STARTS, ids=["fork", "process"])
def test_a_hanging_case_is_stopped_with_its_stack(project: Path, options: tuple[str, ...]) -> None:
    text = MANY + "import time\ndef wait_for_ever():\n    time.sleep(60)\ndef test_hangs(): wait_for_ever()\n"
    write(project, {"test_a.py": text})
    began = time.monotonic()
    run = engine(project, "--case-timeout", "1", *options)
    assert time.monotonic() - began < 30
    crash = next(event for event in run.of("result") if event["o"] == "crashed")
    assert crash["id"] == "test_a.py::test_hangs" and "time-out of 1 s" in crash["msg"]
    assert "wait_for_ever" in crash["out"]
    assert len(run.outcomes) == 21 and run.code == 1


def test_a_file_that_hangs_or_dies_while_it_is_imported_is_told(project: Path) -> None:
    write(
        project,
        {
            "test_dies.py": "import os\nos._exit(0)\ndef test_x(): pass\n",
            "test_hangs.py": "import time\ntime.sleep(60)\n",
            "test_a.py": MANY,
        },
    )
    run = engine(project, "--case-timeout", "1")
    bad = {name: outcome for name, outcome in run.outcomes.items() if outcome != "passed"}
    assert bad == {"test_dies.py": "crashed", "test_hangs.py": "crashed"}
    assert len(run.outcomes) == 22 and run.code == 1


def test_a_case_that_is_repeated_has_fixtures_of_its_own_each_time(project: Path, tmp_path: Path) -> None:
    write(
        project,
        {"test_a.py": """
                import pytest
                USES = []
                @pytest.fixture(scope="module")
                def shared(): return object()
                @pytest.fixture
                def own():
                    USES.append("up")
                    yield
                    USES.append("down")
                @pytest.mark.parametrize("n", [1])
                def test_new(own, shared, n): assert USES == ["up", "down"] * (len(USES) // 2) + ["up"]
                """},
    )
    (tmp_path / "repeat.json").write_text('{"test_a.py::test_new[1]": 2}')

    run = engine(project, "--repeat", str(tmp_path / "repeat.json"))

    assert [(n, o) for _, n, o in run.attempts] == [(1, "passed"), (2, "passed"), (3, "passed")]


def test_failed_cases_are_repeated_in_fresh_workers_and_every_attempt_is_kept(project: Path) -> None:
    text = """
        import os, pathlib
        def test_flaky():
            seen = pathlib.Path("seen")
            seen.write_text(seen.read_text() + f"{os.getpid()} " if seen.exists() else f"{os.getpid()} ")
            assert len(seen.read_text().split()) > 2
        def test_bad(): assert 0
        """
    write(project, {"test_a.py": text})
    run = engine(project, "--retries", "2", "--workers", "1")  # a helper's failure would be run again before it counts
    flaky = [a[1:] for a in run.attempts if "flaky" in a[0]]
    assert flaky == [(1, "failed"), (2, "failed"), (3, "passed")]
    assert [a[1:] for a in run.attempts if "bad" in a[0]] == [(n, "failed") for n in (1, 2, 3)]
    assert len(set((project / "seen").read_text().split())) == 3, "each attempt in another process"
    assert run.code == 1 and "1 failed, 1 passed, 4 rerun" in run.printed


def test_killing_workers_at_random_loses_and_doubles_nothing(project: Path) -> None:
    """The short form of benchmarks/engine.py's thousand kills."""
    for name in "abcd":
        body = "".join(f"def test_{n}(): time.sleep(0.01)\n" for n in range(60))
        write(project, {f"test_{name}.py": f"import time\n{body}"})
    out = project.parent / "out"
    process = begin(project, out)
    chance, kills = random.Random(3), 0
    try:
        while process.poll() is None and kills < 25:
            time.sleep(chance.random() * 0.2)
            for pid in children(process.pid):
                if chance.random() < 0.5:
                    try:
                        os.kill(pid, signal.SIGKILL)
                        kills += 1
                    except ProcessLookupError:
                        continue
        process.wait(60)
    finally:
        end(process)
    results = [event for event in journal(out) if event["e"] == "result"]
    keys = [(event["id"], event["n"]) for event in results]
    assert len(keys) == len(set(keys)), "an attempt was counted twice"
    passed = [event["id"] for event in results if event["o"] == "passed"]
    assert sorted(passed) == sorted({event["id"] for event in results}) and len(passed) == 240
    assert kills > 5 and process.returncode == 0


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_killed_engine_goes_on_from_its_journal(project: Path) -> None:
    body = "".join(f"def test_{n}():\n    time.sleep(0.05)\n    open('ran', 'a').write('{n} ')\n" for n in range(40))
    write(project, {"test_a.py": f"import time\n{body}"})
    out = project.parent / "out"
    process = begin(project, out)
    try:
        until(lambda: (project / "ran").exists() and len((project / "ran").read_text().split()) > 10)
    finally:
        end(process)
    time.sleep(0.2)  # its workers see that their parent is gone
    before = len((project / "ran").read_text().split())
    run = engine(project, out=out)
    ran = (project / "ran").read_text().split()
    assert run.code == 0 and len(run.outcomes) == 40 and set(run.outcomes.values()) == {"passed"}
    assert set(ran) == {str(n) for n in range(40)}
    assert len(ran) <= 40 + 4, f"{before} were finished before, and only those in flight ran again"
    assert any("were finished before" in note for note in run.notes)
    assert "40 passed" in run.printed


def test_a_run_that_is_over_is_not_gone_on_with(project: Path) -> None:
    write(project, {"test_a.py": "def test_a(): pass\n"})
    assert engine(project).outcomes == {"test_a.py::test_a": "passed"}
    write(project, {"test_a.py": "def test_a(): assert 0\n"})
    assert engine(project).outcomes == {"test_a.py::test_a": "failed"}


def test_an_interruption_ends_the_workers_and_keeps_what_is_finished(project: Path) -> None:
    write(project, {"test_a.py": "import time\n" + "".join(f"def test_{n}(): time.sleep(0.1)\n" for n in range(50))})
    out = project.parent / "out"
    process = begin(project, out)
    try:
        until(lambda: sum(event["e"] == "result" for event in journal(out)) > 4)
        pids = children(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 2
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    finally:
        end(process)
    last = [event for event in journal(out) if event["e"] == "end"]
    assert last[0]["exit"] == 2 and 4 < last[0]["ran"] < 50


def until(holds: object, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
