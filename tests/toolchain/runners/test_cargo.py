"""cargo test: recorded output of cargo 1.95, nextest's report, and the real tool where it is installed."""

from __future__ import annotations

import os
import pwd
import tomllib
from pathlib import Path

import pytest

from domain.cases import judge
from domain.verdict import Outcome
from tasks.execute import execute
from tests.toolchain.runners.recorded import ran, replay, request_for, told
from toolchain.runners import cargo as runner

JUNIT = Path(__file__).parents[1] / "reports" / "fixtures" / "junit"


def test_the_exact_argv(tmp_path: Path) -> None:
    request = request_for(tmp_path, "cargo", paths=("shop",), args=("--locked", "--", "--ignored"), workers=3)
    command = runner.command(request)
    assert command.argv == (
        *("cargo", "test", "--no-fail-fast", "--color=never", "--package=shop", "--locked"),
        *("--", "--test-threads=3", "--ignored"),
    )
    assert command.environment == {"CARGO_TERM_COLOR": "never"} and command.cwd == request.root


def test_cases_are_selected_by_their_exact_names(tmp_path: Path) -> None:
    selection = ("src/lib.rs::shop::tests::adds", "shop (doc)::src/lib.rs - add (line 4)")
    argv = runner.command(request_for(tmp_path, "cargo", selection=selection[:1])).argv
    assert argv[4:] == ("--", "--exact", "tests::adds")
    # The filter of a doctest is its path: what cannot be named exactly is run with all the rest.
    assert runner.command(request_for(tmp_path, "cargo", selection=selection)).argv[4:] == ()


def test_a_recorded_run(tmp_path: Path) -> None:
    report = replay(tmp_path, "cargo", "failing", 101)
    assert told(report) == {
        "src/lib.rs::shop::tests::later": "skipped",
        "src/lib.rs::shop::tests::later_still": "skipped",
        "src/lib.rs::shop::tests::adds": "passed",
        "src/lib.rs::shop::tests::removes": "failed",
        "src/lib.rs::shop::tests::panics": "passed",
        "tests/price.rs::price::adds": "passed",
        "tests/price.rs::price::rounds": "passed",
        "shop (doc)::src/lib.rs - add (line 8)": "passed",
        "shop (doc)::src/lib.rs - add (line 4)": "passed",
    }
    assert report.complete and report.problems == ()
    failed = next(attempt for attempt in report.attempts if attempt.status.bad)
    assert "panicked at src/lib.rs" in failed.message and "removing" in failed.output and "left: 1" in failed.output
    assert judge(replay(tmp_path, "cargo", "clean", 0)).outcome is Outcome.PASS


START = "\nrunning 2 tests\ntest a ... ok\n"
END = "test b ... ok\n\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n"
NONE = (
    "running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.0s\n"
)
SABOTAGE: dict[str, tuple[str, int | None, str]] = {
    "nothing at all": ("", 0, "no case was run"),
    "nothing collected": (NONE, 0, "no case was run"),
    "a test ends the process with 0": (START, 0, "ended after 1 of 2"),
    "it aborts": (START, 101, "ended after 1 of 2"),
    "cut off": (START + END[:40], 0, "ended after 2 of 2"),
    "a test is not named": (START + END.partition("\n")[2], 0, "of 2, and names"),
    "counts that disagree": (START + END.replace("2 passed; 0 failed", "1 passed; 1 failed"), 0, "and names"),
    "exit 101 without a failure": (START + END, 101, "shows no failure"),
    "exit 0 with a failure": (
        START.replace("ok", "FAILED") + END.replace("2 passed; 0 failed", "1 passed; 1 failed"),
        0,
        "all is well",
    ),
    "an exit code of nobody": (START + END, 3, "exit code 3"),
    "killed": (START + END, -9, "signal 9"),
    "timed out": (START, None, "time-out"),
}


@pytest.mark.parametrize("way", SABOTAGE)
def test_a_run_that_goes_wrong_is_no_pass(tmp_path: Path, way: str) -> None:
    stdout, exit_code, problem = SABOTAGE[way]
    report = runner.parse(ran(tmp_path, stdout, exit_code=exit_code), request_for(tmp_path, "cargo"))
    assert judge(report).outcome is not Outcome.PASS
    assert any(problem in told for told in report.problems), report.problems


def test_output_between_a_name_and_its_word_is_no_obstacle(tmp_path: Path) -> None:
    text = START + "test b ... hello from b\nok\n" + END.partition("\n")[2]
    report = runner.parse(ran(tmp_path, text), request_for(tmp_path, "cargo"))
    assert told(report) == {"a": "passed", "b": "passed"} and report.problems == ()


def test_the_report_of_nextest_is_read_where_it_writes_it(tmp_path: Path) -> None:
    request = request_for(tmp_path, "cargo", args=("nextest", "run", "--profile", "ci"))
    command = runner.command(request)
    assert command.argv == (
        *("cargo", "nextest", "run", "--profile", "ci", f"--tool-config-file=tes:{request.out}/nextest.toml"),
        "--no-fail-fast",
    )
    assert command.report == request.root / "target" / "nextest" / "ci" / "junit.xml"
    assert "slow-timeout" not in "".join(command.files.values())
    limited = request.model_copy(update={"suite": request.suite.model_copy(update={"case_timeout": 90.0})})
    text = "".join(runner.command(limited).files.values())
    slow = tomllib.loads(text)["profile"]["default"]["slow-timeout"]
    assert slow == {"period": "90s", "terminate-after": 1}
    report = runner.parse(ran(tmp_path, exit_code=100, report=JUNIT / "nextest.xml"), request)
    assert judge(report).outcome is Outcome.FAIL and report.problems == ()
    missing = runner.parse(ran(tmp_path, exit_code=0, report=command.report), request)
    assert judge(missing).outcome is Outcome.INCONCLUSIVE


@pytest.mark.requires("cargo")
async def test_the_real_tool(tmp_path: Path) -> None:
    # The tests have a HOME of their own, and rustup looks for its toolchains at home.
    rustup = os.environ.get("RUSTUP_HOME", str(Path(pwd.getpwuid(os.getuid()).pw_dir) / ".rustup"))
    environment = {"RUSTUP_HOME": rustup} if Path(rustup).is_dir() else {}
    request = request_for(tmp_path, "cargo", timeout=250.0, args=("--offline", "--lib"), environment=environment)
    (request.root / "src").mkdir()
    (request.root / "Cargo.toml").write_text('[package]\nname = "shop"\nversion = "0.1.0"\nedition = "2021"\n')

    async def go(body: str) -> tuple[dict[str, str], tuple[str, ...], Outcome]:
        tests = f"#[test] fn good() {{}}\n#[test] fn other() {{ {body} }}\n"
        (request.root / "src" / "lib.rs").write_text(f"#[cfg(test)] mod tests {{\n{tests}}}\n")
        report = runner.parse(await execute(runner.command(request), request.out), request)
        return told(report), report.problems, judge(report).outcome

    good = {"src/lib.rs::shop::tests::good": "passed", "src/lib.rs::shop::tests::other": "passed"}
    assert await go("") == (good, (), Outcome.PASS)
    assert (await go('panic!("no")'))[2] is Outcome.FAIL
    assert (await go("std::process::exit(0)"))[2] is not Outcome.PASS
    assert (await go("nope()"))[0] == {"shop::(build)": "error"}
