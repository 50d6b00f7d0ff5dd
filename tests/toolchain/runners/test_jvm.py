"""Maven and Gradle: the reports of all modules, recorded ones of Surefire, and real Maven where it works offline."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

import pytest

from domain.cases import SuiteReport, final, judge
from domain.errors import SpecError
from domain.verdict import Outcome
from tasks.execute import execute
from tests.toolchain.runners.recorded import FIXTURES, ran, request_for, told
from toolchain.registry import module
from toolchain.runners import RunRequest, gradle, maven

JUNIT = Path(__file__).parents[1] / "reports" / "fixtures" / "junit"
PLACE = {"maven": "target/surefire-reports", "gradle": "build/test-results/test"}
WHOLE = '<testsuite name="s.A" tests="1" failures="0"><testcase name="good" classname="s.A" time="0.1"/></testsuite>'
BAD = WHOLE.replace("/></", "><failure message='no'/></testcase></").replace('failures="0"', 'failures="1"')
TOTAL = {
    "maven": "[INFO] Tests run: {}, Failures: 0, Errors: 0, Skipped: 0\n",
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
    ours = ("--no-daemon", "--console=plain", "--continue", "--no-build-cache", f"--init-script={out}/tes.init.gradle")
    command = gradle.command(request)
    assert command.argv == ("gradle", *ours, ":core:test", "-Pa=b")
    assert "upToDateWhen { false }" in command.files[out / "tes.init.gradle"]
    request = request_for(
        tmp_path, "gradle", selection=("core::shop.CartTest::adds()", "src/test/java/shop/BTest.java")
    )
    assert gradle.command(request).argv[6:] == ("test", "--tests", "shop.CartTest.adds", "--tests", "BTest")


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


@pytest.mark.requires("maven")
async def test_the_real_maven(tmp_path: Path) -> None:
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    args = ("--offline", f"-Dmaven.repo.local={home}/.m2/repository", "-Dsurefire.rerunFailingTestsCount=1")
    request = request_for(tmp_path, "maven", args=args, timeout=250.0)
    shutil.copytree(FIXTURES / "maven" / "project", request.root, dirs_exist_ok=True)
    report = maven.parse(await execute(maven.command(request), request.out), request)
    if not report.attempts:
        pytest.skip(f"Maven has no plugins here: {report.problems[-1][-200:]}")
    assert told(report) == {
        "core::shop.CartTest::adds": "passed",
        "core::shop.CartTest::flaky": "passed",
        "web::web.PageTest::shows": "passed",
    }
    assert report.problems == () and "1 passed only on retry" in str(judge(report).reasons)
    again = request.model_copy(update={"selection": ("web::web.PageTest::shows",)})
    report = maven.parse(await execute(maven.command(again), again.out), again)
    assert told(report) == {"web::web.PageTest::shows": "passed"} and judge(report).outcome is Outcome.PASS
