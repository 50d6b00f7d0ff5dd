"""Jest, Vitest, Mocha and Node for real, on small projects: every state is told, and no lie ends in PASS."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.cases import Status, SuiteReport, judge
from domain.spec import Suite
from domain.verdict import Outcome
from tasks.execute import execute
from toolchain.command import Ran
from toolchain.registry import module
from toolchain.runners import RunRequest

PROJECTS = Path(__file__).with_name("projects") / "javascript"
FRAMEWORKS = ("jest", "vitest", "mocha", "node")
LIMITED = ("jest", "vitest", "mocha")
"""They stop a case at its limit."""

pytestmark = [pytest.mark.long, pytest.mark.requires("node", "npm-registry")]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The projects with what they depend on, as their lock says; nothing of it runs a script of its own."""
    folder = tmp_path_factory.mktemp("javascript")
    shutil.copytree(PROJECTS, folder, dirs_exist_ok=True)
    npm = ["npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(npm, cwd=folder, check=True, timeout=300)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def project(installed: Path) -> Iterator[Path]:
    """An empty project beside the others, so that it finds the same node_modules."""
    root = installed / "planted"
    root.mkdir()
    yield root
    shutil.rmtree(root)


async def run(framework: str, root: Path, out: Path, **more: object) -> tuple[SuiteReport, Ran]:
    runner = module("toolchain.runners", framework)
    values: dict[str, object] = {
        "suite": Suite(name="unit", framework=framework),
        "root": root,
        "out": out,
        "timeout": 60.0,
    }
    request = RunRequest.model_validate(values | more)
    ran = await execute(runner.command(request), request.out)
    return runner.parse(ran, request), ran


def plant(root: Path, files: dict[str, str]) -> None:
    for name, text in {"package.json": '{"private": true}', **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def told(report: SuiteReport) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for attempt in sorted(report.attempts, key=lambda a: a.number):
        found.setdefault(str(attempt.case), []).append(attempt.status.value)
    return found


PASSED, FAILED, SKIPPED = ["passed"], ["failed"], ["skipped"]
STATES: dict[str, dict[str, list[str]]] = {
    "jest": {
        "test/states.test.js::outer > in ner::passes": PASSED,
        "test/states.test.js::outer > in ner::fails :: with > signs": ["failed", "failed", "failed"],
        "test/states.test.js::outer::skipped": SKIPPED,
        "test/states.test.js::outer::later": SKIPPED,
        "test/states.test.js::outer::known": ["xfailed"],
        "test/states.test.js::outer::n 1": PASSED,
        "test/states.test.js::outer::n 2": PASSED,
        "test/states.test.js::outer::same": PASSED,
        "test/states.test.js::outer::same (#2)": PASSED,
        "test/states.test.js::again::flaky": ["failed", "passed"],
        "test/broken.test.js::(file)": ["error"],
        "test/only.test.js::shown": PASSED,
        "test/only.test.js::hidden": SKIPPED,
    },
    "vitest": {
        "test/states.test.js::outer > in ner::passes": PASSED,
        "test/states.test.js::outer > in ner::fails :: with > signs": FAILED,
        "test/states.test.js::outer::skipped": SKIPPED,
        "test/states.test.js::outer::later": SKIPPED,
        "test/states.test.js::outer::known": PASSED,
        "test/states.test.js::outer::n 1": PASSED,
        "test/states.test.js::outer::n 2": PASSED,
        "test/states.test.js::outer::same": PASSED,
        "test/states.test.js::outer::same (#2)": PASSED,
        "test/states.test.js::again::flaky": ["failed", "passed"],
        "test/broken.test.js::(file)": ["error"],
        "test/only.test.js::shown": PASSED,
        "test/only.test.js::hidden": SKIPPED,
    },
    "mocha": {
        "test/states.js::outer > in ner::passes": PASSED,
        "test/states.js::outer > in ner::fails :: with > signs": FAILED,
        "test/states.js::outer::skipped": SKIPPED,
        "test/states.js::outer::later": SKIPPED,
        "test/states.js::outer::skips itself": SKIPPED,
        "test/states.js::outer::same": PASSED,
        "test/states.js::outer::same (#2)": PASSED,
        "test/states.js::again::flaky": ["failed", "passed"],
        'test/states.js::hooked::"before each" hook for "never begins"': ["error"],
    },
    "node": {
        "test/states.test.js::outer > in ner::passes": PASSED,
        "test/states.test.js::outer > in ner::fails :: with > signs": FAILED,
        "test/states.test.js::outer::skipped": SKIPPED,
        "test/states.test.js::outer::later": SKIPPED,
        "test/states.test.js::outer::known": ["xfailed"],
        "test/states.test.js::outer::same": PASSED,
        "test/states.test.js::outer::same (#2)": PASSED,
        "test/states.test.js::parent": PASSED,
        "test/states.test.js::parent::child": PASSED,
        "test/states.test.js::hooked": ["error"],
        "test/states.test.js::hooked::never begins": ["error"],
        "test/states.test.js::left out": SKIPPED,
        "test/broken.test.js::(file)": ["error"],
    },
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_every_state_under_its_own_name(framework: str, installed: Path, tmp_path: Path) -> None:
    report, ran = await run(framework, installed / framework, tmp_path / "out")
    assert told(report) == STATES[framework]
    assert report.complete and report.problems == () and ran.exit_code != 0
    assert judge(report).outcome is Outcome.FAIL
    failed = [attempt for attempt in report.attempts if "with > signs" in attempt.case.name][-1]
    assert "\x1b" not in failed.output and "states" in failed.output
    hidden = ("test/only.test.js: an .only hides cases",) if framework in ("jest", "vitest") else ()
    assert report.notes == hidden + (("test/helper.js holds no case",) if framework == "node" else ())


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_a_failed_case_is_run_again_by_its_id(framework: str, installed: Path, tmp_path: Path) -> None:
    """And nothing else is told: neither its neighbours nor a file that was not asked for."""
    [name] = [name for name in STATES[framework] if "with > signs" in name]
    report, _ = await run(framework, installed / framework, tmp_path / "out", selection=(name,))
    assert {case: states[-1] for case, states in told(report).items() if "broken" not in case} | {name: "failed"} == {
        case: states[-1]
        for case, states in STATES[framework].items()
        if case == name or (framework == "node" and states == ["error"] and "states" in case)
    }
    assert not [case for case in told(report) if "broken" in case]


HEAD = {
    "jest": "",
    "vitest": "import {test, expect, afterAll} from 'vitest';\n",
    "mocha": "const test = it; const afterAll = after;\n",
    "node": "const {test, after: afterAll} = require('node:test');\n",
}
GOOD = "test('good', () => {});\n"
SLOW = "test('waits', () => new Promise((done) => setTimeout(done, 300)));\n"
ESM = '{"private": true, "type": "module"}'


def good(framework: str) -> dict[str, str]:
    more = {"package.json": ESM} if framework == "vitest" else {}
    return {"test/a.test.js": HEAD[framework] + GOOD, **more}


# name → (what a second file holds, what must be told somewhere among reasons, notes and messages)
SABOTAGE: dict[str, tuple[str, str]] = {
    "a case fails": ("test('bad', () => { throw new Error('so bad'); });", "so bad"),
    "a rejected promise": ("test('bad', async () => { throw new Error('so bad'); });", "so bad"),
    "process.exit(0) at once": (GOOD + "test('exits', () => { process.exit(0); }); test('never', () => {});", ""),
    "process.exit(0) later": (GOOD + SLOW + "test('exits', () => { process.exit(0); }); test('never', () => {});", ""),
    "reallyExit(0)": (GOOD + SLOW + "test('exits', () => { process.reallyExit(0); });", ""),
    "it kills itself": (GOOD + SLOW + "test('dies', () => { process.kill(process.pid, 'SIGKILL'); });", ""),
    "a segmentation fault": (GOOD + SLOW + "test('dies', () => { process.kill(process.pid, 'SIGSEGV'); });", ""),
    "an exception after the end": (
        GOOD + "test('late', () => { setTimeout(() => { throw new Error('too late'); }, 30); });\n" + SLOW,
        "too late",
    ),
    "the last hook fails": (GOOD + "afterAll(() => { throw new Error('no end'); });", "no end"),
    "it cannot be parsed": ("test('bad', () => {", ""),
    "it imports what is not there": ("const x = require('./nowhere');" + GOOD, ""),
    "the exit code is taken away": ("test('bad', () => { process.on('exit', () => { process.exitCode = 0; }); "
                                    "throw new Error('so bad'); });", "so bad"),
}  # fmt: skip


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", SABOTAGE)
async def test_no_sabotage_passes(framework: str, name: str, project: Path, tmp_path: Path) -> None:
    text, words = SABOTAGE[name]
    plant(project, {**good(framework), "test/b.test.js": HEAD[framework] + text})
    report, ran = await run(framework, project, tmp_path / "out")
    verdict = judge(report)
    assert verdict.outcome is not Outcome.PASS, (report, ran.tail())
    everything = " ".join([*verdict.reasons, *report.problems, *(f"{a.message} {a.output}" for a in report.attempts)])
    assert words in everything, (report, ran.tail())


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_a_good_project_passes_and_a_stale_report_is_never_read(
    framework: str, project: Path, tmp_path: Path
) -> None:
    plant(project, good(framework))
    report, ran = await run(framework, project, tmp_path / "out")
    assert judge(report).outcome is Outcome.PASS, (report, ran.tail())
    assert told(report) == {"test/a.test.js::good": PASSED}
    # The same folder again; now the tool dies before it can write.
    args = {"jest": "--config=nowhere.json", "mocha": "--require=./nowhere.js"}.get(framework, "--no-such-option")
    more = {"suite": Suite(name="unit", framework=framework, args=(args,))}
    again, ran = await run(framework, project, tmp_path / "out", **more)
    assert judge(again).outcome is Outcome.INCONCLUSIVE and not again.attempts, (again, ran.tail())


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_where_nothing_is_collected_nothing_is_proved(framework: str, project: Path, tmp_path: Path) -> None:
    plant(project, {"readme.md": "no tests"})
    report, _ = await run(framework, project, tmp_path / "out")
    assert judge(report).outcome is Outcome.INCONCLUSIVE and not report.attempts


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_one_that_hangs_is_stopped_and_what_had_ended_is_kept(
    framework: str, project: Path, tmp_path: Path
) -> None:
    """A busy loop, which no limit of a case can stop, ends at the limit of the suite."""
    hangs = "test('hangs', () => { for (;;) {} });"
    plant(project, {**good(framework), "test/b.test.js": HEAD[framework] + hangs})
    suite = Suite(name="unit", framework=framework, case_timeout=0.5 if framework in LIMITED else None)
    report, ran = await run(framework, project, tmp_path / "out", suite=suite, timeout=4.0)
    assert ran.timed_out and not report.complete and judge(report).outcome is Outcome.INCONCLUSIVE
    assert "time-out" in report.problems[0]
    if framework in ("mocha", "node"):
        assert told(report)["test/a.test.js::good"] == PASSED and "test/b.test.js" in report.problems[0]


# Nothing, a timer that holds the process for an hour, and one that comes back for ever.
HANGING = """
test('before', () => {});
test('for ever', () => new Promise(() => {}));
test('an hour', () => new Promise((done) => setTimeout(done, 3600000)));
test('again and again', () => new Promise(() => { setInterval(() => {}, 100); }));
test('after', () => {});
"""


@pytest.mark.parametrize("framework", LIMITED)
async def test_a_case_that_hangs_is_stopped_at_its_limit_and_the_rest_runs(
    framework: str, project: Path, tmp_path: Path
) -> None:
    """The tool ends then, although what the case had begun goes on."""
    plant(project, {**good(framework), "test/b.test.js": HEAD[framework] + HANGING})
    suite = Suite(name="unit", framework=framework, case_timeout=0.4)
    report, ran = await run(framework, project, tmp_path / "out", suite=suite)
    assert not ran.timed_out and report.complete and report.problems == (), (report, ran.tail())
    hung = dict.fromkeys(("for ever", "an hour", "again and again"), FAILED)
    wanted = {"before": PASSED, **hung, "after": PASSED}
    assert told(report) == {
        "test/a.test.js::good": PASSED,
        **{f"test/b.test.js::{name}": state for name, state in wanted.items()},
    }
    messages = [attempt.message for attempt in report.attempts if attempt.status.bad]
    assert all(re.search(r"(?i)timed? ?out.* \d+ ?ms", message) for message in messages), messages
    assert judge(report).outcome is Outcome.FAIL


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_its_shards_are_together_the_whole(framework: str, project: Path, tmp_path: Path) -> None:
    files = {f"test/f{n}.test.js": HEAD[framework] + f"test('case {n}', () => {{}});" for n in range(3)}
    plant(project, {**good(framework), **files})
    whole, _ = await run(framework, project, tmp_path / "whole")
    parts = [(await run(framework, project, tmp_path / f"{n}", shard=(n, 2)))[0] for n in (1, 2)]
    assert all(part.problems == () and len(part.attempts) == 2 for part in parts), parts
    assert {**told(parts[0]), **told(parts[1])} == told(whole) and len(whole.attempts) == 4


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_more_shards_than_files_are_no_trouble(framework: str, project: Path, tmp_path: Path) -> None:
    plant(project, good(framework))
    parts = [(await run(framework, project, tmp_path / f"{n}", shard=(n, 2)))[0] for n in (1, 2)]
    assert sorted(len(part.attempts) for part in parts) == [0, 1]
    assert all(part.complete and part.problems == () for part in parts), parts


async def test_an_only_of_mocha_that_hides_others_is_told(project: Path, tmp_path: Path) -> None:
    plant(project, {**good("mocha"), "test/b.test.js": "it.only('shown', () => {}); it('hidden', () => {});"})
    report, _ = await run("mocha", project, tmp_path / "out")
    assert told(report) == {"test/b.test.js::shown": PASSED}
    assert report.notes == ("an .only hides 2 case(s)",)


async def test_done_called_twice_in_mocha_is_no_pass(project: Path, tmp_path: Path) -> None:
    plant(
        project,
        {**good("mocha"), "test/b.test.js": "it('twice', (done) => { done(); done(); });" + "it('x', () => {});"},
    )
    report, _ = await run("mocha", project, tmp_path / "out")
    assert judge(report).outcome is Outcome.FAIL
    assert [a.status for a in report.attempts if a.case.name == "twice"] == [Status.FAILED]


@pytest.mark.parametrize("framework", ("jest", "vitest", "node"))
async def test_the_number_of_workers_is_an_option_that_the_tool_knows(
    framework: str, project: Path, tmp_path: Path
) -> None:
    plant(project, good(framework))
    suite = Suite(name="unit", framework=framework, workers=2)
    report, ran = await run(framework, project, tmp_path / "out", suite=suite)
    assert judge(report).outcome is Outcome.PASS, ran.tail()
