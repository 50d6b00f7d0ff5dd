"""Figures of the engine's benchmark that cannot be believed are shown as void, and enter no mean."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks._figures import aims, means, table
from benchmarks._kills import judged
from benchmarks._measured import children, measured
from benchmarks._outcomes import difference
from benchmarks._race import ratios, void

MODES = ("pytest", "xdist load", "xdist worksteal", "engine", "tes test")
SAME = {mode: [0] for mode in MODES}


def row(engine: float, reasons: list[str]) -> dict[str, Any]:
    modes = {mode: {"wall": 4.0, "cpu": 4.0} for mode in MODES} | {"engine": {"wall": engine, "cpu": engine}}
    of: dict[str, object] = {"when": "2026-11-25", "revision": "abc", "version": "1.0", "versions": {"pytest": "9"}}
    of |= {"load": (0.1, 0.2), "machine": {"cpus": 2}}
    return {"modes": modes, "ratios": ratios(modes, 2.0), "void": reasons, "cases": 7, "part": "", "rounds": 5,
            "unstable": [], "differences": {}, "limit": {"limit_s": 2.0}, "of": of}  # fmt: skip


@pytest.mark.parametrize(
    ("codes", "differences", "reason"),
    [
        (SAME | {"pytest": [2]}, {}, "pytest exits with 2"),
        (SAME | {"pytest": [0, 1]}, {}, "pytest exits with 0 or 1"),
        (SAME | {"xdist load": [1]}, {}, "xdist load exits with 1, pytest with 0"),
        (SAME | {"tes test": [2]}, {}, "tes test exits with 2, pytest with 0"),
        ({mode: [1] for mode in MODES}, {"engine": {"a: passed, not failed"}}, "engine: 1 cases came out otherwise"),
    ],
)
def test_a_row_is_void_where_runs_are_not_alike(codes: Any, differences: Any, reason: str) -> None:
    assert any(one.startswith(reason) for one in void(codes, differences, 7, []))


def test_a_row_counts_where_all_end_alike_also_with_the_same_failures() -> None:
    assert void(SAME, {}, 7, []) == [] == void({mode: [1] for mode in MODES}, {"engine": set()}, 7, [])


def test_no_case_and_a_run_that_was_killed_make_a_row_void() -> None:
    assert void(SAME, {}, 0, ["engine"]) == ["engine was killed after its time", "no case ran"]


def test_a_void_row_is_shown_with_its_reason_and_enters_no_mean() -> None:
    result = {"suites": {"good": row(2.0, []), "bad": row(0.1, ["no case ran"])}}
    assert means(result)["engine / xdist, wall"] == 0.5
    printed = table(result)
    assert "void: bad: no case ran" in printed and "geometric mean of 1" in printed
    assert any(line.startswith("MISSED  void rows: 1") for line in aims(result))


def test_nothing_sound_has_no_mean() -> None:
    assert means({"suites": {"bad": row(0.1, ["no case ran"])}}) == {} == means({})


def test_cases_that_are_unstable_in_plain_pytest_are_not_compared() -> None:
    assert difference({"a": "passed", "b": "passed"}, {"a": "failed"}, ["a"]) == ["b: passed, not missing"]


def test_a_process_that_is_gone_or_not_waited_for_is_no_living_child() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.read() == b""
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert child.pid not in children(os.getpid())
    child.wait()
    child.stdout.close()
    assert children(child.pid) == []


def test_what_takes_too_long_is_killed_and_says_so(tmp_path: Path) -> None:
    ran = measured([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, os.environ, limit=0.3)
    assert ran.late and ran.code == -9


def test_lost_doubled_and_wrong_cases_are_found_in_a_journal(tmp_path: Path) -> None:
    told = [("right", 1, "crashed"), ("right", 2, "passed"), ("twice", 1, "passed"), ("twice", 2, "passed"),
            ("wrong", 1, "failed")]  # fmt: skip
    events = [{"e": "result", "id": case, "n": number, "o": outcome} for case, number, outcome in told]
    (tmp_path / "journal").mkdir()
    lines = "".join(json.dumps(event) + "\n" for event in [*events, {"e": "end"}])
    (tmp_path / "journal/main.jsonl").write_text(lines)
    expected = dict.fromkeys(("right", "twice", "wrong", "lost"), "passed")
    kinds = [(kind, text.split()[0]) for kind, text in judged(tmp_path, expected)]
    assert kinds == [("attempts_lost", "right"), ("doubled", "twice"), ("wrong", "wrong"), ("lost", "lost")]
