"""The real tools on tiny projects, a table a tool: the right cases and verdict, and nothing sabotaged passes."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from domain.cases import SuiteReport, final, judge
from domain.spec import Suite
from domain.verdict import Outcome
from tasks.execute import execute
from toolchain.registry import module
from toolchain.runners import RunRequest

pytestmark = pytest.mark.long

PROJECTS = Path(__file__).with_name("projects")
PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE


class Row(NamedTuple):
    """What is run and what has to be told: each case's last status, the verdict, and words among the reasons.

    `suite` holds keys of the suite or the request; `{here}` is the folder of the project. `cases` None: whichever.
    """

    suite: dict[str, Any]
    cases: dict[str, str] | None
    outcome: Outcome
    words: str = ""


# A Java that compiles less of itself: these processes are short.
JAVA = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC", "GRADLE_USER_HOME": "{here}/gradle-home"}
GRADLE = {"framework": "gradle", "args": ["--offline"], "environment": JAVA}
# Within Maven's own process: it is quicker, and Debian's Surefire waits for ten seconds after each one it starts.
HERE = ["--settings={here}/settings.xml", "-Dmaven.repo.local={here}/repository", "-DforkCount=0"]
MAVEN = {"framework": "maven", "args": HERE, "environment": JAVA}
CORE = {
    "core::shop.CartTest::adds": "passed",
    "core::shop.CartTest::removes": "failed",
    "core::shop.CartTest::skipped": "skipped",
    "core::shop.CartTest::assumed": "skipped",
    "core::shop.ManyTest::many[0]": "passed",
    "core::shop.ManyTest::many[1]": "failed",
    "broken::(build)": "error",
}


def php(where: str, **more: object) -> dict[str, object]:
    return {"command": ["phpunit", "--log-junit", "out.xml", where], "report": "out.xml", **more}


def gotestsum(*where: str) -> dict[str, object]:
    argv = ["gotestsum", "--junitfile=out.xml", "--", *where]
    return {"command": argv, "report": "out.xml", "environment": {"GOCACHE": "{here}/cache"}}


def go(*where: str) -> dict[str, object]:
    return {"framework": "go", "paths": where, "environment": {"GOCACHE": "{here}/cache"}}


def catch2(which: str, **more: object) -> dict[str, object]:
    return {"command": ["./tests", "--reporter=junit", "--out=out.xml", which], "report": "out.xml", **more}


def cargo(*target: str, **more: object) -> dict[str, object]:
    return {"framework": "cargo", "args": ["--offline", *target], **more}


def nextest(*target: str, **more: object) -> dict[str, object]:
    return cargo(**more) | {"args": ["nextest", "run", "--offline", *target]}


# component → project → what happens → row
TABLE: dict[tuple[str, str], dict[str, Row]] = {
    ("gradle", "jvm"): {
        "every state, a module that does not compile, one without tests": Row(
            GRADLE | {"paths": [":core", ":broken", ":empty"]},
            CORE | {"core::shop.CartTest::throwsUp": "failed", "core::shop.BrokenTest::classMethod": "failed"},
            FAIL,
        ),
        "one case by its id": Row(
            GRADLE | {"args": ["--offline", ":core:test"], "selection": ["core::shop.CartTest::adds"]},
            {"core::shop.CartTest::adds": "passed"},
            PASS,
        ),
        "System.exit(0), of which Gradle says BUILD SUCCESSFUL": Row(
            GRADLE | {"paths": [":dies"]},
            {"dies::CalmTest::calm": "passed", "dies::DiesTest::a": "passed", "dies::DiesTest::dies": "crashed"},
            FAIL,
            "before it had run all its tests",
        ),
        "nothing to run": Row(GRADLE | {"paths": [":empty"]}, {}, INCONCLUSIVE, "no case was run"),
    },
    ("maven", "jvm"): {
        "every state, a module that does not compile, one without tests": Row(
            MAVEN | {"paths": ["core", "broken", "empty"]},
            CORE | {"core::shop.CartTest::throwsUp": "error", "core::shop.BrokenTest::(class)": "error"},
            FAIL,
        ),
        "one case by its id": Row(
            MAVEN | {"args": [*HERE, "--projects=core"], "selection": ["core::shop.CartTest::adds"]},
            {"core::shop.CartTest::adds": "passed"},
            PASS,
        ),
        "a case that passes when it is run again": Row(
            MAVEN | {"args": [*HERE, "-Dsurefire.rerunFailingTestsCount=1"], "paths": ["flaky"]},
            {"flaky::FlakyTest::flaky": "passed"},
            PASS,
            "1 passed only on retry",
        ),
        "System.exit(0) in a process of Surefire's": Row(
            MAVEN | {"args": HERE[:2], "paths": ["dies"]},
            {"dies::CalmTest::calm": "passed", "dies::DiesTest::(class)": "crashed"},
            FAIL,
        ),
        "System.exit(0) in Maven's own process, which ends with 0": Row(
            MAVEN | {"paths": ["dies"]}, None, INCONCLUSIVE, "without BUILD SUCCESS"
        ),
        "nothing to run": Row(MAVEN | {"paths": ["empty"]}, {}, INCONCLUSIVE, "no case was run"),
        "a module that is not there": Row(MAVEN | {"paths": ["nowhere"]}, {}, INCONCLUSIVE, "nowhere"),
    },
    ("phpunit", "phpunit"): {
        "every state": Row(
            php("states"),
            {
                "states/CartTest.php::CartTest::testAdds": "passed",
                "states/CartTest.php::CartTest::testRemoves": "failed",
                "states/CartTest.php::CartTest::testThrows": "error",
                "states/CartTest.php::CartTest::testSkipped": "skipped",
                "states/CartTest.php::CartTest::testIncomplete": "skipped",
                "states/CartTest.php::CartTest::testRisky": "error",
                "states/CartTest.php::CartTest::testUndefined": "error",
                'states/CartTest.php::CartTest::testMany with data set "one"': "passed",
                'states/CartTest.php::CartTest::testMany with data set "two"': "failed",
                "states/CartTest.php::CartTest::testMany with data set #0": "passed",
                "states/CartTest.php::CartTest::testDepends": "skipped",
            },
            FAIL,
            "one left",
        ),
        "all is well": Row(php("good"), {"good/GoodTest.php::GoodTest::testGood": "passed"}, PASS),
        "exit(0) in a case": Row(php("exits"), {}, INCONCLUSIVE, "is empty"),
        "what cannot be parsed": Row(php("broken"), {}, INCONCLUSIVE, "Unclosed"),
        "nothing to run": Row(php("empty"), {}, INCONCLUSIVE, "no case was run"),
        "one that hangs": Row(php("hangs", timeout=2.0), {}, INCONCLUSIVE, "time-out"),
    },
    ("cargo", "cargo"): {
        "every state": Row(
            cargo("--lib", "--test=many"),
            {
                "src/lib.rs::shop::tests::adds": "passed",
                "src/lib.rs::shop::tests::removes": "failed",
                "src/lib.rs::shop::tests::later": "skipped",
                "src/lib.rs::shop::tests::panics": "passed",
                "src/lib.rs::shop::tests::calm": "failed",
                "src/lib.rs::shop::tests::result": "failed",
                "tests/many.rs::many::one": "passed",
                "tests/many.rs::many::two": "failed",
            },
            FAIL,
        ),
        "examples in the documentation": Row(cargo("--doc"), {"shop (doc)::src/lib.rs - add (line 3)": "passed"}, PASS),
        "one case by its id": Row(
            cargo("--test=many", selection=["tests/many.rs::many::one"]), {"tests/many.rs::many::one": "passed"}, PASS
        ),
        "what does not compile": Row(cargo("--test=broken"), {"shop::(build)": "error"}, FAIL),
        "exit(0) in a case": Row(cargo("--test=exits"), None, FAIL, "without a result"),
        "abort() in a case": Row(cargo("--test=aborts"), None, FAIL, "without a result"),
        "nothing to run": Row(cargo("--test=empty"), {}, INCONCLUSIVE, "no case was run"),
        "one that hangs": Row(cargo("--test=hangs", timeout=3.0), None, INCONCLUSIVE, "time-out"),
    },
    ("nextest", "cargo"): {
        "every state": Row(
            nextest("--lib", "--test=many"),
            {
                "shop::tests::adds": "passed",
                "shop::tests::removes": "failed",
                "shop::tests::panics": "passed",
                "shop::tests::calm": "failed",
                "shop::tests::result": "failed",
                "shop::many::one": "passed",
                "shop::many::two": "failed",
            },
            FAIL,
        ),
        "one case by its id": Row(
            nextest("--test=many", selection=["shop::many::one"]), {"shop::many::one": "passed"}, PASS
        ),
        "what does not compile": Row(nextest("--test=broken"), {"shop::(build)": "error"}, FAIL),
        "exit(0) in a case, which nextest takes for passed": Row(
            nextest("--test=exits"), {"shop::exits::good": "passed", "shop::exits::exits": "crashed"}, FAIL
        ),
        "abort() in a case": Row(
            nextest("--test=aborts"),
            {"shop::aborts::good": "passed", "shop::aborts::aborts": "failed"},
            FAIL,
            "SIGABRT",
        ),
        "nothing to run": Row(nextest("--test=empty"), {}, INCONCLUSIVE, "no case was run"),
        "one that hangs, at its own limit": Row(
            nextest("--test=hangs", case_timeout=1.0),
            {"shop::hangs::good": "passed", "shop::hangs::hangs": "failed"},
            FAIL,
            "test timeout",
        ),
    },
    ("go", "go"): {
        "every state, and a package that does not compile": Row(
            go("cart", "broken"),
            {
                "example.org/shop/cart::TestAdds": "passed",
                "example.org/shop/cart::TestRemoves": "failed",
                "example.org/shop/cart::TestLater": "skipped",
                "example.org/shop/cart::TestMany": "failed",
                "example.org/shop/cart::TestMany/one": "passed",
                "example.org/shop/cart::TestMany/two": "failed",
                "example.org/shop/broken::(build)": "error",
            },
            FAIL,
        ),
        "os.Exit(0) in a case": Row(go("good", "dies"), None, FAIL, "TestDies"),
        "a system call that exits": Row(go("good", "quits"), None, INCONCLUSIVE, "quits has no result"),
        "os.Exit(0) before all cases": Row(
            go("good", "never"), {"example.org/shop/good::TestGood": "passed"}, INCONCLUSIVE, "TestMain"
        ),
        "nothing to run": Row(go("empty"), {}, INCONCLUSIVE, "no case was run"),
    },
    ("gotestsum", "go"): {
        "every state": Row(
            gotestsum("./cart"),
            {
                "example.org/shop/cart::TestAdds": "passed",
                "example.org/shop/cart::TestRemoves": "failed",
                "example.org/shop/cart::TestLater": "skipped",
                "example.org/shop/cart::TestMany": "failed",
                "example.org/shop/cart::TestMany/one": "passed",
                "example.org/shop/cart::TestMany/two": "failed",
            },
            FAIL,
            "cart_test.go",
        ),
        "all is well": Row(gotestsum("./good"), {"example.org/shop/good::TestGood": "passed"}, PASS),
        "what does not compile": Row(
            gotestsum("./good", "./broken"),
            {"example.org/shop/good::TestGood": "passed"},
            INCONCLUSIVE,
            "1 error(s) outside of its cases",
        ),
        "os.Exit(0) in a case": Row(gotestsum("./good", "./dies"), None, FAIL, "TestDies"),
        "nothing to run": Row(gotestsum("./empty"), {}, INCONCLUSIVE, "no case was run"),
        "no such package": Row(gotestsum("./nowhere"), {}, INCONCLUSIVE),
    },
    ("catch2", "catch2"): {
        "every state": Row(
            catch2("[states]"),
            {
                "tests.global::adds": "passed",
                "tests.global::removes": "failed",
                "tests.global::throws": "error",
                "tests.global::may fail": "xfailed",
                "tests.global::many/below": "failed",
                "tests.global::many/above": "passed",
                "tests.global::of a type - char": "passed",
                "tests.global::of a type - short": "failed",
            },
            FAIL,
            "1 == 0",
        ),
        "all is well": Row(catch2("[good]"), {"tests.global::adds": "passed"}, PASS),
        "what does not compile": Row(
            {"command": ["sh", "-c", "g++ broken.cpp -o broken && ./broken"], "report": "out.xml"},
            {},
            INCONCLUSIVE,
            "it left no report",
        ),
        "exit(0) in a case": Row(catch2("[good],[exits]"), {}, INCONCLUSIVE, "is empty"),
        "_Exit(0) in a case": Row(catch2("[good],[quick]"), {}, INCONCLUSIVE, "is empty"),
        "abort() in a case": Row(
            catch2("[good],[aborts]"),
            {"tests.global::adds": "passed", "tests.global::aborts": "error"},
            FAIL,
            "signal 6",
        ),
        "a segmentation fault": Row(
            catch2("[good],[crashes]"),
            {"tests.global::adds": "passed", "tests.global::crashes": "error"},
            FAIL,
            "signal 11",
        ),
        "one that hangs": Row(catch2("[hangs]", timeout=2.0), None, FAIL, "time-out"),
        "nothing to run": Row(catch2("[nowhere]"), {}, INCONCLUSIVE, "no case was run"),
    },
}
ROWS = [
    pytest.param(
        project,
        row,
        id=f"{tool}: {what}",
        marks=pytest.mark.requires(*(("cargo", tool) if project == "cargo" else (tool,))),
    )
    for (tool, project), rows in TABLE.items()
    for what, row in rows.items()
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """Copies of the projects, one each: what a row compiled, the next one finds compiled."""
    base = tmp_path_factory.mktemp("real-tools")

    def copied(name: str) -> Path:
        if not (base / name).exists():
            shutil.copytree(PROJECTS / name, base / name)
            if name == "catch2":
                build = ["g++", "-O0", "main.cpp", "tests.cpp", "-o", "tests"]
                subprocess.run(build, cwd=base / name, check=True, timeout=300)
        return base / name

    yield copied
    shutil.rmtree(base, ignore_errors=True)


def at(here: Path, value: Any) -> Any:
    """The value with `{here}` replaced, however deep."""
    if isinstance(value, dict):
        return {key: at(here, one) for key, one in value.items()}
    if isinstance(value, list):
        return [at(here, one) for one in value]
    return value.replace("{here}", str(here)) if isinstance(value, str) else value


async def run(here: Path, row: Row, out: Path) -> SuiteReport:
    told = {"framework": "command", **at(here, row.suite)}
    if told["framework"] == "cargo":
        # The tests have a HOME of their own, and rustup looks for its toolchains at home.
        rustup = os.environ.get("RUSTUP_HOME", str(Path(pwd.getpwuid(os.getuid()).pw_dir) / ".rustup"))
        told["environment"] = {"RUSTUP_HOME": rustup} if Path(rustup).is_dir() else {}
    of_request = {key: told.pop(key) for key in ("selection", "timeout") if key in told}
    values = {"suite": Suite(name="unit", **told), "root": here, "out": out, "timeout": 250.0, **of_request}
    request = RunRequest.model_validate(values)
    runner = module("toolchain.runners", told["framework"])
    report: SuiteReport = runner.parse(await execute(runner.command(request), out), request)
    return report


@pytest.mark.parametrize(("name", "row"), ROWS)
async def test_the_cases_and_the_verdict_are_right(
    name: str, row: Row, project: Callable[[str], Path], tmp_path: Path
) -> None:
    report = await run(project(name), row, tmp_path / "out")
    verdict = judge(report)
    assert verdict.outcome is row.outcome, report
    if row.cases is not None:
        assert {str(case): one.status.value for case, one in final(report.attempts).items()} == row.cases
    reasons = [*verdict.reasons, *report.problems, *(attempt.message for attempt in report.attempts)]
    assert any(row.words in reason for reason in reasons), reasons
    if row.outcome is PASS:
        assert report.complete and report.problems == ()


def test_each_tool_is_seen_to_pass_to_fail_and_to_prove_nothing() -> None:
    """A table that never passes proves nothing of the rows that must not."""
    for (tool, _), rows in TABLE.items():
        wanted = {PASS, FAIL, INCONCLUSIVE} if tool != "go" else {FAIL, INCONCLUSIVE}
        assert wanted <= {row.outcome for row in rows.values()}, tool
