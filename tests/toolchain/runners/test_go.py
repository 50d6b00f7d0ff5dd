"""go test: recorded events of Go 1.19 and 1.24, and the real tool where it is installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domain.cases import judge
from domain.errors import SpecError
from domain.verdict import Outcome
from tasks.execute import execute
from tests.toolchain.runners.recorded import ran, replay, request_for, told
from toolchain.runners import go as runner

SHOP = "example.org/shop"


def test_the_exact_argv(tmp_path: Path) -> None:
    request = request_for(tmp_path, "go", workers=2, args=("-race",), environment={"CGO_ENABLED": "1"})
    command = runner.command(request)
    assert command.argv == ("go", "test", "-json", "-timeout=57s", "-p=2", "./...", "-race")
    assert (command.cwd, command.environment, command.timeout) == (request.root, {"CGO_ENABLED": "1"}, 60.0)


@pytest.mark.parametrize(
    ("selection", "argv"),
    [
        (("cart",), ("./cart/...",)),
        (("./cart", "cart/cart_test.go"), ("./cart",)),
        (("cart_test.go",), (".",)),
        (
            (f"{SHOP}/cart::TestMany/a_b", f"{SHOP}/price::TestX"),
            ("-run=^(TestMany|TestX)$", f"{SHOP}/cart", f"{SHOP}/price"),
        ),
        ((f"{SHOP}/cart::TestA", f"{SHOP}/broken::(build)"), (f"{SHOP}/cart", f"{SHOP}/broken")),
    ],
)
def test_packages_folders_files_and_tests_can_be_selected(
    tmp_path: Path, selection: tuple[str, ...], argv: tuple[str, ...]
) -> None:
    assert runner.command(request_for(tmp_path, "go", selection=selection)).argv[4:] == argv


def test_a_path_cannot_smuggle_an_option_in(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="is an option"):
        runner.command(request_for(tmp_path, "go", paths=("-exec=rm",)))


def test_a_recorded_run_with_everything_that_can_happen(tmp_path: Path) -> None:
    report = replay(tmp_path, "go", "failing", 2)
    assert told(report) == {
        f"{SHOP}/cart::TestAdds": "passed",
        f"{SHOP}/cart::TestRemoves": "failed",
        f"{SHOP}/cart::TestLater": "skipped",
        f"{SHOP}/cart::TestMany": "failed",
        f"{SHOP}/cart::TestMany/one": "passed",
        f"{SHOP}/cart::TestMany/a_b": "failed",
        f"{SHOP}/cart::TestParallel": "passed",
        f"{SHOP}/main::(package)": "error",
        f"{SHOP}/panics::TestFirst": "passed",
        f"{SHOP}/panics::TestPanics": "failed",
        f"{SHOP}/price::TestRounds": "passed",
        f"{SHOP}/broken::(build)": "error",
    }
    assert report.complete and report.problems == () and report.notes == (f"{SHOP}/empty has no test files",)
    said = {attempt.case.name: attempt for attempt in report.attempts}
    assert said["(build)"].message == "broken/broken_test.go:3:28: undefined: undefined"
    assert "one left" in said["TestRemoves"].output and said["TestAdds"].output == ""
    assert "assignment to entry in nil map" in said["TestPanics"].message and said["TestFirst"].started > 1.6e9


def test_a_clean_run_passes_and_one_from_gos_cache_is_shown_as_reused(tmp_path: Path) -> None:
    report = replay(tmp_path, "go", "clean", 0)
    assert judge(report).outcome is Outcome.PASS and not report.attempts[0].reused
    cached = replay(tmp_path, "go", "cached", 0)
    assert judge(cached).outcome is Outcome.PASS and cached.attempts[0].reused


def test_a_broken_build_as_go_1_24_tells_it(tmp_path: Path) -> None:
    report = replay(tmp_path, "go", "broken-1.24", 1)
    assert told(report) == {f"{SHOP}/broken::(build)": "error"} and report.problems == ()
    assert "undefined: undefined" in report.attempts[0].output


def event(action: str, test: str | None = None, **more: object) -> str:
    told = {"Action": action, "Package": "p"} | ({"Test": test} if test else {}) | more
    return json.dumps(told) + "\n"


GOOD = event("run", "TestA") + event("pass", "TestA", Elapsed=0.1)
SABOTAGE: dict[str, tuple[str, int | None, str]] = {
    "nothing at all": ("", 0, "no case was run"),
    "it ends with 0 before all tests": (
        GOOD + event("pass") + event("pass").replace('"p"', '"q"'),
        0,
        "q ended with 0",
    ),
    "no test in any package": (event("skip"), 0, "no case was run"),
    "a package without its end": (GOOD, 0, "p has no result"),
    "a test without its end in a package that passed": (GOOD + event("run", "TestB") + event("pass"), 0, ""),
    "cut in the middle of a line": (GOOD + event("pass")[:-4], 0, "middle of a line"),
    "exit 1 without a failure": (GOOD + event("pass"), 1, "shows no failure"),
    "exit 0 with a failure": (event("run", "TestA") + event("fail", "TestA") + event("fail"), 0, "all is well"),
    "an exit code of nobody": (GOOD + event("pass"), 42, "exit code 42"),
    "killed": (GOOD + event("pass"), -9, "signal 9"),
    "timed out": (GOOD + event("pass"), None, "time-out"),
    "a package that fails by itself": (GOOD + event("fail"), 1, ""),
    "text": ("ok  \tp\t0.1s\n", 0, "no case was run"),
}


@pytest.mark.parametrize("way", SABOTAGE)
def test_a_run_that_goes_wrong_is_no_pass(tmp_path: Path, way: str) -> None:
    stdout, exit_code, problem = SABOTAGE[way]
    report = runner.parse(ran(tmp_path, stdout, exit_code=exit_code), request_for(tmp_path, "go"))
    assert judge(report).outcome is not Outcome.PASS
    assert any(problem in told for told in report.problems) or not problem, report.problems


def test_a_test_that_dies_with_its_package_is_crashed(tmp_path: Path) -> None:
    text = GOOD + event("run", "TestB") + event("output", "TestB", Output="panic: boom\n") + event("fail")
    report = runner.parse(ran(tmp_path, text, exit_code=1), request_for(tmp_path, "go"))
    assert told(report) == {"p::TestA": "passed", "p::TestB": "crashed"}
    assert report.attempts[1].message == "panic: boom" and report.problems == ()


@pytest.mark.requires("go")
async def test_the_real_tool(tmp_path: Path) -> None:
    request = request_for(
        tmp_path, "go", timeout=200.0, environment={"GOFLAGS": "-mod=mod", "GOCACHE": str(tmp_path / "c")}
    )
    files = {
        "go.mod": "module example.org/shop\n\ngo 1.19\n",
        "cart/a_test.go": 'package cart\nimport "testing"\nfunc TestA(t *testing.T) {}\n'
        'func TestB(t *testing.T) { t.Run("x", func(t *testing.T) { t.Error("one left") }) }\n',
        "broken/a_test.go": 'package broken\nimport "testing"\nfunc TestX(t *testing.T) { nope() }\n',
    }
    for name, text in files.items():
        (request.root / name).parent.mkdir(exist_ok=True)
        (request.root / name).write_text(text)
    report = runner.parse(await execute(runner.command(request), request.out), request)
    assert told(report) == {
        f"{SHOP}/cart::TestA": "passed",
        f"{SHOP}/cart::TestB": "failed",
        f"{SHOP}/cart::TestB/x": "failed",
        f"{SHOP}/broken::(build)": "error",
    }
    assert report.problems == () and "nope" in report.attempts[-1].output
    again = request.model_copy(update={"selection": (f"{SHOP}/cart::TestA",)})
    report = runner.parse(await execute(runner.command(again), request.out), again)
    assert told(report) == {f"{SHOP}/cart::TestA": "passed"} and judge(report).outcome is Outcome.PASS
