"""cargo test: recorded output of cargo 1.95, and nextest's report. The real tool: test_real_tools.py."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from domain.cases import judge
from domain.verdict import Outcome
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
    assert (
        "left == right" in failed.message
        and "(src/lib.rs:" in failed.message
        and "removing" in failed.output
        and "left: 1" in failed.output
    )
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


def nextest_report(tmp_path: Path, *cases: str) -> Path:
    path = tmp_path / "junit.xml"
    path.write_text(
        f'<testsuites tests="{len(cases)}"><testsuite name="shop">{"".join(cases)}</testsuite></testsuites>'
    )
    return path


def nextest_case(name: str, out: str) -> str:
    return f'<testcase name="{name}" classname="shop::t"><system-out>{out}</system-out></testcase>'


def test_a_case_that_nextest_takes_for_passed_because_its_process_ended_with_0_is_crashed(tmp_path: Path) -> None:
    whole = "\nrunning 1 test\ntest good ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored\n"
    path = nextest_report(
        tmp_path,
        nextest_case("good", whole),
        nextest_case("exits", "\nrunning 1 test\nbye\n"),
        nextest_case("of_another_harness", "fine\n"),
    )
    request = request_for(tmp_path, "cargo", args=("nextest", "run"))
    report = runner.parse(ran(tmp_path, report=path), request)
    assert told(report) == {
        "shop::t::good": "passed",
        "shop::t::exits": "crashed",
        "shop::t::of_another_harness": "passed",
    }
    assert judge(report).outcome is Outcome.FAIL
    assert "store-success-output = true" in "".join(runner.command(request).files.values())


@pytest.mark.parametrize(
    ("selection", "filters"),
    [
        (("shop::tests::adds",), ("-E", "test(=tests::adds)", "-E", "test(=adds)")),
        (("shop::many::one",), ("-E", "test(=many::one)", "-E", "test(=one)")),
        (("shop::tests::adds", "web::(build)"), ()),
    ],
)
def test_a_case_of_nextest_is_selected_by_whatever_may_be_its_name(
    tmp_path: Path, selection: tuple[str, ...], filters: tuple[str, ...]
) -> None:
    """Its id does not tell where the name of the binary ends. A build that is tried again runs all."""
    argv = runner.command(request_for(tmp_path, "cargo", args=("nextest", "run"), selection=selection)).argv
    assert argv[argv.index("--no-fail-fast") + 1 :] == filters
