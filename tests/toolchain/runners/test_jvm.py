"""Maven and Gradle: the reports of all modules, recorded ones of both. The real tools: test_real_tools.py."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from domain.cases import SuiteReport, final, judge
from domain.errors import SpecError
from domain.verdict import Outcome
from tests.toolchain.runners.recorded import FIXTURES, ran, request_for, told
from toolchain.registry import module
from toolchain.runners import RunRequest, gradle, maven

JUNIT = Path(__file__).parents[1] / "reports" / "fixtures" / "junit"
PLACE = {"maven": "target/surefire-reports", "gradle": "build/test-results/test"}
WHOLE = '<testsuite name="s.A" tests="1" failures="0"><testcase name="good" classname="s.A" time="0.1"/></testsuite>'
BAD = WHOLE.replace("/></", "><failure message='no'/></testcase></").replace('failures="0"', 'failures="1"')
TOTAL = {
    "maven": "[INFO] Tests run: {}, Failures: 0, Errors: 0, Skipped: 0\n[INFO] BUILD SUCCESS\n",
    "gradle": "{} tests completed, 0 failed\n",
}


def parsed(
    tmp_path: Path, framework: str, reports: dict[str, str], stdout: str = "", exit_code: int | None = 0
) -> SuiteReport:
    """What a runner makes of reports in modules, written after its mark."""
    request = started(tmp_path, framework)
    for place, text in reports.items():
        name, _, file = place.rpartition("/")
        path = request.root / name / PLACE[framework] / f"TEST-{file}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    report: SuiteReport = module("toolchain.runners", framework).parse(ran(tmp_path, stdout, "", exit_code), request)
    return report


def started(tmp_path: Path, framework: str) -> RunRequest:
    request = request_for(tmp_path, framework)
    command = module("toolchain.runners", framework).command(request)
    for path, text in command.files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return request


def test_the_exact_argv_of_maven(tmp_path: Path) -> None:
    request = request_for(tmp_path, "maven", args=("-Dx=y",), paths=("core", "web"))
    ours = ("--batch-mode", "--no-transfer-progress", "--fail-at-end", "-Dstyle.color=never")
    assert maven.command(request).argv == ("mvn", *ours, "--projects=core,web", "--also-make", "-Dx=y", "test")
    selection = ("core::shop.CartTest::many(int)[1]", "core::shop.CartTest::adds", "core::shop.B::(class)")
    request = request_for(tmp_path, "maven", args=("verify",), selection=selection)
    only = ("-Dtest=shop.CartTest#many+adds,shop.B", "-Dsurefire.failIfNoSpecifiedTests=false")
    assert maven.command(request).argv == ("mvn", *ours, *only, "verify")
    (request.root / "mvnw").touch()
    assert maven.command(request).argv[0] == str(request.root / "mvnw")


def test_the_exact_argv_of_gradle(tmp_path: Path) -> None:
    request = request_for(tmp_path, "gradle", args=("-Pa=b",), paths=(":core",))
    out = request.out
    ours: tuple[str, ...] = ("--no-daemon", "--console=plain", "--continue", "--no-build-cache")
    ours += ("-Dorg.gradle.configuration-cache=false", f"--init-script={out}/tes.init.gradle")
    command = gradle.command(request)
    assert command.argv == ("gradle", *ours, ":core:test", "-Pa=b")
    assert "upToDateWhen { false }" in command.files[out / "tes.init.gradle"]
    request = request_for(
        tmp_path, "gradle", selection=("core::shop.CartTest::adds()", "src/test/java/shop/BTest.java")
    )
    assert gradle.command(request).argv[7:] == ("test", "--tests", "shop.CartTest.adds", "--tests", "BTest")


@pytest.mark.parametrize("framework", PLACE)
def test_a_path_cannot_smuggle_an_option_in(framework: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="is an option"):
        module("toolchain.runners", framework).command(request_for(tmp_path, framework, paths=("-Dskip=1",)))


def test_a_recorded_run_of_maven_with_reruns_in_two_modules(tmp_path: Path) -> None:
    """The first run of the nested class and the reruns of the outer one lie in different files."""
    request = started(tmp_path, "maven")
    for path in (FIXTURES / "maven" / "reports").glob("*/*.xml"):
        folder = request.root / path.parent.name / PLACE["maven"]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / path.name)
    report = maven.parse(ran(tmp_path, (FIXTURES / "maven" / "rerun.out").read_bytes(), "", 1), request)
    last = {str(case): attempt for case, attempt in final(report.attempts).items()}
    assert {name: attempt.status.value for name, attempt in last.items()} == {
        "core::shop.CartTest::adds": "passed",
        "core::shop.CartTest::many(int)[1]": "passed",
        "core::shop.CartTest::many(int)[2]": "passed",
        "core::shop.CartTest::flaky": "passed",
        "core::shop.CartTest::removes": "failed",
        "core::shop.CartTest::throwsUp": "error",
        "core::shop.CartTest::skipped": "skipped",
        "core::shop.CartTest$Empty::isEmpty": "passed",
        "core::shop.BrokenTest::(class)": "error",
        "web::web.PageTest::shows": "passed",
        "web::web.PageTest::hides": "passed",
    }
    assert last["core::shop.CartTest::flaky"].number == 2 and last["core::shop.CartTest::removes"].number == 3
    assert report.complete and report.problems == () and judge(report).outcome is Outcome.FAIL


@pytest.mark.parametrize("framework", PLACE)
def test_all_modules_are_read_and_their_equal_names_kept_apart(framework: str, tmp_path: Path) -> None:
    report = parsed(tmp_path, framework, {"core/A": WHOLE, "web/A": WHOLE, "/A": WHOLE}, TOTAL[framework].format(3))
    assert told(report) == {"core::s.A::good": "passed", "web::s.A::good": "passed", "s.A::good": "passed"}
    assert judge(report).outcome is Outcome.PASS


SABOTAGE: dict[str, tuple[dict[str, str], int, int | None]] = {
    "no report": ({}, 0, 0),
    "no test": ({"/A": "<testsuite tests='0'/>"}, 0, 0),
    "an empty report": ({"/A": ""}, 1, 0),
    "a report cut off": ({"/A": WHOLE, "/B": WHOLE[:-20]}, 2, 0),
    "fewer cases than it says it ran": ({"/A": WHOLE}, 2, 0),
    "exit 0 with a failure": ({"/A": BAD}, 1, 0),
    "exit 1 without a failure": ({"/A": WHOLE}, 1, 1),
    "a claimed failure that is not there": ({"/A": WHOLE.replace('failures="0"', 'failures="2"')}, 1, 0),
    "the process was killed": ({"/A": WHOLE}, 1, -9),
    "an exit code of nobody": ({"/A": WHOLE}, 1, 42),
    "timed out": ({"/A": WHOLE}, 1, None),
}


@pytest.mark.parametrize("way", SABOTAGE)
@pytest.mark.parametrize("framework", PLACE)
def test_a_run_that_goes_wrong_is_no_pass(framework: str, way: str, tmp_path: Path) -> None:
    reports, count, exit_code = SABOTAGE[way]
    report = parsed(tmp_path, framework, reports, TOTAL[framework].format(count) if count else "", exit_code)
    assert judge(report).outcome is not Outcome.PASS


@pytest.mark.parametrize("framework", PLACE)
def test_a_report_of_an_earlier_run_is_not_read(framework: str, tmp_path: Path) -> None:
    parsed(tmp_path, framework, {"core/A": WHOLE})
    old = tmp_path / "project" / "core" / PLACE[framework] / "TEST-A.xml"
    os.utime(old, (1_000_000, 1_000_000))
    report = parsed(tmp_path, framework, {})
    assert report.attempts == () and judge(report).outcome is Outcome.INCONCLUSIVE
    assert "1 of an earlier run were not read" in report.problems[0]


def test_what_does_not_compile_is_an_error_with_its_reason(tmp_path: Path) -> None:
    text = (
        "[ERROR] COMPILATION ERROR : \n[ERROR] /project/web/X.java:[1,19] incompatible types\n"
        "[ERROR] Failed to execute goal org.apache.maven.plugins:maven-compiler-plugin:3.13.0:testCompile "
        "(default-testCompile) on project web: Compilation failure\n"
    )
    report = parsed(tmp_path, "maven", {}, text, 1)
    assert told(report) == {"web::(build)": "error"} and "incompatible types" in report.attempts[0].message
    assert judge(report).outcome is Outcome.FAIL and report.problems == ()
    text = "/project/X.java:1: error: incompatible types\nExecution failed for task ':web:compileTestJava'.\n"
    assert told(parsed(tmp_path, "gradle", {}, text, 1)) == {"web::(build)": "error"}


def test_a_recorded_report_of_gradle(tmp_path: Path) -> None:
    report = parsed(
        tmp_path, "gradle", {"core/A": (JUNIT / "gradle.xml").read_text()}, "4 tests completed, 1 failed\n", 1
    )
    assert len(report.attempts) == 4 and report.problems == () and judge(report).outcome is Outcome.FAIL


def test_a_test_process_of_gradle_that_exits_with_0_is_seen_by_what_it_began(tmp_path: Path) -> None:
    """Recorded of Gradle 4.4: exit 0, BUILD SUCCESSFUL, and a report without the case that exits and those after it."""
    request = started(tmp_path, "gradle")
    place = request.root / "dies" / PLACE["gradle"] / "TEST-DiesTest.xml"
    place.parent.mkdir(parents=True)
    place.write_text('<testsuite tests="1"><testcase name="a" classname="DiesTest"/></testsuite>')
    events = tmp_path / "events.jsonl"
    shutil.copyfile(FIXTURES / "gradle" / "exited.jsonl", events)
    report = gradle.parse(ran(tmp_path, "BUILD SUCCESSFUL in 3s\n", report=events), request)
    assert told(report) == {"dies::DiesTest::a": "passed", "dies::DiesTest::dies": "crashed"}
    assert judge(report).outcome is Outcome.FAIL and not report.complete
    assert "a test process of :dies:test ended before it had run all its tests" in report.problems
    assert "gradle ran 2 tests, and its reports hold 1" in report.problems
    # At the time-out nobody knows whether it died.
    late = gradle.parse(ran(tmp_path, exit_code=None, report=events), request)
    assert told(late) == {"dies::DiesTest::a": "passed"} and judge(late).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("events", "cases"),
    [
        ('{"e":"start","t":":w:a:test","c":"s.A","n":"s.A","s":true}\n', {"w/a::s.A::(class)": "crashed"}),
        ('{"e":"start","t":":test","c":"s.A","n":"x","s":false}\n', {"s.A::x": "crashed"}),
        ('{"e":"start","t":":test","c":"s.A","n":"x","s":fal', {}),
        ("no JSON\n[]\n", {}),
        ("", {}),
    ],
)
def test_what_began_in_gradle_and_did_not_end(tmp_path: Path, events: str, cases: dict[str, str]) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(events)
    assert told(gradle.parse(ran(tmp_path, report=path), started(tmp_path, "gradle"))) == cases


def test_a_class_whose_process_died_is_crashed_in_its_module(tmp_path: Path) -> None:
    """Recorded of Surefire 2.22: other modules failed as well, and the report says nothing of it."""
    text = (FIXTURES / "maven" / "died.out").read_text()
    report = parsed(tmp_path, "maven", {"core/A": BAD}, text, 1)
    assert told(report) == {
        "core::s.A::good": "failed",
        "dies::DiesTest::(class)": "crashed",
    }


def test_maven_that_ends_with_0_before_its_end_is_not_believed(tmp_path: Path) -> None:
    """A test that exits within Maven's own process takes Maven with it."""
    report = parsed(tmp_path, "maven", {"core/A": WHOLE}, "[INFO] Running s.B\n", 0)
    assert judge(report).outcome is Outcome.INCONCLUSIVE and "without BUILD SUCCESS" in report.problems[0]
    quiet = request_for(tmp_path, "maven", args=("-q",))
    assert judge(maven.parse(ran(tmp_path, "", "", 0), quiet)).outcome is Outcome.PASS


def test_the_reason_is_the_tools_own_and_not_the_advice_at_its_end(tmp_path: Path) -> None:
    text = "[ERROR] No plugin here\n[ERROR] \n[ERROR] you can resume the build with mvn -rf :core\n"
    assert any("No plugin here" in problem for problem in parsed(tmp_path, "maven", {}, text, 1).problems)
    text = "* What went wrong:\nNo such task\n\n* Try:\nRun with --stacktrace\n"
    assert any("No such task" in problem for problem in parsed(tmp_path, "gradle", {}, text, 1).problems)
