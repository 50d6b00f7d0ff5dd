"""The JavaScript runners without JavaScript: the exact argv, and recorded reports, whole, damaged and lying."""

from __future__ import annotations

import copy
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.cases import Status, SuiteReport, judge
from domain.detect_suites import test_suites as detect
from domain.errors import MissingTool, SpecError
from domain.spec import Suite
from domain.verdict import Outcome
from tests.toolchain.test_mutation import places, values
from toolchain.command import Ran
from toolchain.registry import module
from toolchain.runners import Runner, RunRequest, _javascript

FIXTURES = Path(__file__).with_name("fixtures")
PROJECTS = Path(__file__).with_name("projects") / "javascript"
RECORDED = {"jest": "states.json", "vitest": "states.json", "mocha": "states.jsonl", "node": "states.jsonl"}
ROOT = Path("/project")


def request_for(framework: str, root: Path = ROOT, **more: object) -> RunRequest:
    suite = {"name": "unit", "framework": framework, **(more.pop("suite", {}) or {})}  # type: ignore[dict-item]
    given = {"suite": Suite.model_validate(suite), "root": root, "out": root / "out", "timeout": 9.0}
    return RunRequest.model_validate(given | more)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project in which each of the tools seems to be installed."""
    (tmp_path / "node_modules" / ".bin").mkdir(parents=True)
    for name in RECORDED:
        (tmp_path / "node_modules" / ".bin" / name).touch()
    return tmp_path


@pytest.fixture
def parsed(tmp_path: Path) -> Any:
    def parse(framework: str, content: bytes | None, exit_code: int | None = 1, **more: object) -> SuiteReport:
        report, empty = tmp_path / "report", tmp_path / "log"
        empty.touch()
        if content is not None:
            report.write_bytes(content)
        ran = Ran(argv=("x",), exit_code=exit_code, seconds=2, stdout=empty, stderr=empty, report=report)
        ran = ran.model_copy(update={"timed_out": exit_code is None})
        if framework == "node":  # it looks into a file that told no case
            more.setdefault("root", PROJECTS / "node")
        request = request_for(framework, **more)  # type: ignore[arg-type]
        found = module("toolchain.runners", framework).parse(ran, request)
        assert isinstance(found, SuiteReport)
        return found

    return parse


def recorded(framework: str, name: str = "") -> bytes:
    return (FIXTURES / framework / (name or RECORDED[framework])).read_bytes()


OURS = {
    "jest": (
        "--ci",
        "--json",
        "--outputFile={out}/report.json",
        "--shard=2/3",
        "--passWithNoTests",
        "--maxWorkers=2",
        "^{root}\\/src(/|$)",
    ),
    "vitest": (
        *("--allowOnly", "--reporter=default", "--reporter=json", "--outputFile.json={out}/report.json"),
        *("--shard=2/3", "--passWithNoTests", "--maxWorkers=2", "src"),
    ),
    "mocha": (
        "--reporter={tools}/_mocha_reporter.cjs",
        "--reporter-option=tes-journal={out}/journal/main.jsonl",
        *("--reporter-option=tes-shard=2/3", "src"),
    ),
    "node": (
        *("--test-reporter={tools}/_node_reporter.cjs", "--test-reporter-destination={out}/journal/main.jsonl"),
        *("--test-reporter=spec", "--test-reporter-destination=stdout"),
        *("--test-shard=2/3", "--test-concurrency=2", "src"),
    ),
}
VERB = {"vitest": ("run",), "node": ("--test",)}


@pytest.mark.parametrize(
    "framework, word", [("jest", "--testTimeout"), ("vitest", "--testTimeout"), ("mocha", "--timeout")]
)
def test_the_limit_of_a_case_is_the_frameworks_own_option_and_only_where_it_is_asked_for(
    framework: str, word: str, root: Path
) -> None:
    def argv(**more: float) -> tuple[str, ...]:
        runner: Runner = module("toolchain.runners", framework)
        return runner.command(request_for(framework, root, suite=more)).argv

    assert not any(one.startswith(word) for one in argv())
    assert f"{word}=2500" in argv(case_timeout=2.5)
    # What a stopped case began would keep the process; Vitest ends its workers by itself.
    end = {"jest": {"--forceExit"}, "mocha": {"--exit"}, "vitest": set()}[framework]
    assert end <= set(argv(case_timeout=2.5)) and not end & set(argv())


@pytest.mark.parametrize("framework", RECORDED)
def test_the_exact_argv(framework: str, root: Path) -> None:
    suite = {"paths": ("src",), "args": ("--colors",), "environment": {"MODE": "test"}, "workers": 2}
    request = request_for(framework, root, suite=suite, shard=(2, 3))
    command = module("toolchain.runners", framework).command(request)
    tools = Path(_javascript.__file__).parent
    shown = {"out": request.out, "root": re.sub("/", r"\/", str(root)), "tools": tools}
    ours = tuple(argument.format(**shown) for argument in OURS[framework])
    binary = str(root / "node_modules" / ".bin" / framework)
    assert command.argv == (binary, *VERB.get(framework, ()), "--colors", *ours)
    assert (command.cwd, command.timeout) == (root, 9.0)
    assert command.environment == {"CI": "1", "MODE": "test"}
    assert command.report is not None and str(command.report) in " ".join(command.argv)


@pytest.mark.parametrize("framework", RECORDED)
def test_a_runner_fulfils_its_protocol_divides_itself_and_is_what_detection_names(framework: str) -> None:
    runner = module("toolchain.runners", framework)
    assert runner.TOOL == framework and runner.DIVIDES is True
    package = {"devDependencies": {framework: "1"}, "scripts": {"test": "node --test"}}
    found, _ = detect(frozenset({"package.json"}), {}, {}, package)
    assert [suite.framework for suite in found] == [framework]


def test_the_tool_of_a_workspace_lies_above_the_project(root: Path) -> None:
    (root / "packages" / "a").mkdir(parents=True)
    assert _javascript.binary(root / "packages" / "a", "jest") == str(root / "node_modules" / ".bin" / "jest")


def test_a_tool_that_is_not_installed_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingTool, match=r"jest is not installed: there is no .*node_modules/.bin/jest") as caught:
        module("toolchain.runners", "jest").command(request_for("jest", tmp_path))
    assert "npm ci" in caught.value.fix
    (tmp_path / "jest").touch(mode=0o755)
    assert _javascript.binary(tmp_path, "jest") == "jest"


@pytest.mark.parametrize("framework", RECORDED)
def test_a_path_cannot_smuggle_an_option_in(framework: str, root: Path) -> None:
    with pytest.raises(SpecError, match="is an option"):
        module("toolchain.runners", framework).command(request_for(framework, root, selection=("--watch",)))


def test_a_selection_names_files_and_matches_their_cases_and_no_other() -> None:
    chosen = ("a.js::outer > in ner::f(x) :: y > z (#2)", "b.js::one", "a.js::two\nlines")
    assert _javascript.paths(Suite(paths=("src",)), chosen) == ("a.js", "b.js")
    expression = re.compile(_javascript.pattern(chosen))
    for full in ("outer in ner f(x) :: y > z", "one", "two\nlines"):
        assert expression.search(full)
    for other in ("outer in ner f(x)", "one more", "someone", "twoXlines"):
        assert not expression.search(other)


@pytest.mark.parametrize(
    "chosen", [("a.js",), ("a.js::one", "b.js"), ("a.js::(file)",), ("a.js::" + "x" * 70_000,), ()]
)
def test_whole_files_are_run_where_one_is_meant_or_names_do_not_fit(chosen: tuple[str, ...]) -> None:
    assert _javascript.pattern(chosen) == ""


@pytest.mark.parametrize("framework", RECORDED)
def test_a_recorded_report_is_read_whole(framework: str, parsed: Any) -> None:
    report = parsed(framework, recorded(framework))
    assert report.complete and report.problems == () and judge(report).outcome is Outcome.FAIL
    by_name = {attempt.case.name: attempt for attempt in report.attempts}
    failed = by_name["fails :: with > signs"]
    assert (failed.case.classname, failed.status) == ("outer > in ner", Status.FAILED)
    assert failed.message and "\x1b" not in failed.output
    assert all(0 <= attempt.seconds < 5 for attempt in report.attempts)
    if framework in ("jest", "mocha"):
        assert by_name["passes"].started > 1_700_000_000
    if framework != "node":
        again = [(a.number, a.status) for a in report.attempts if a.case.name == "flaky"]
        assert again == [(1, Status.FAILED), (2, Status.PASSED)]


@pytest.mark.parametrize("framework", RECORDED)
def test_exit_code_and_report_have_to_agree(framework: str, parsed: Any) -> None:
    [problem] = parsed(framework, recorded(framework), 0).problems
    assert problem == f"{framework} ended with exit code 0, although cases failed"
    [problem] = parsed(framework, recorded(framework), -9).problems
    assert problem == f"{framework} was killed by signal 9"
    stopped = parsed(framework, recorded(framework), None)
    assert not stopped.complete and "time-out" in stopped.problems[0]


@pytest.mark.parametrize("framework", RECORDED)
@pytest.mark.parametrize("content", [None, b"", b"\n", b"[]", b"null", b"{}", b"not JSON", b"\xff\xfe"])
def test_without_a_report_nothing_is_believed(framework: str, content: bytes | None, parsed: Any) -> None:
    report = parsed(framework, content, 0)
    assert judge(report).outcome is Outcome.INCONCLUSIVE and report.problems and not report.attempts


def test_a_vitest_that_lost_its_worker_says_success_and_is_not_believed(parsed: Any) -> None:
    content = recorded("vitest", "died.json")
    assert json.loads(content)["success"] is True
    report = parsed("vitest", content, 0)
    assert {attempt.status for attempt in report.attempts} == {Status.CRASHED}
    assert judge(report).outcome is Outcome.FAIL


@pytest.mark.parametrize("framework", ["mocha", "node"])
def test_what_had_ended_is_kept_when_a_test_exits_with_0(framework: str, parsed: Any) -> None:
    report = parsed(framework, recorded(framework, "exited.jsonl"), 0)
    assert [(a.case.name, a.status.value) for a in report.attempts] == [("good", "passed"), ("exits", "crashed")]
    assert judge(report).outcome is Outcome.FAIL


@pytest.mark.parametrize("framework", ["jest", "vitest"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"success": False}, "the run failed, and no case did"),
        ({"numTotalTests": 2}, "claims 2 cases and holds 1"),
        ({"wasInterrupted": True}, "was interrupted"),
    ],
)
def test_a_report_that_contradicts_itself_is_not_believed(
    framework: str, change: dict[str, Any], words: str, parsed: Any
) -> None:
    case = {"title": "good", "ancestorTitles": [], "status": "passed"}
    file = {"name": "/project/a.test.js", "status": "passed", "assertionResults": [case]}
    whole = {"success": True, "numTotalTests": 1, "numTotalTestSuites": 1, "testResults": [file]}
    assert judge(parsed(framework, json.dumps(whole).encode(), 0)).outcome is Outcome.PASS
    verdict = judge(parsed(framework, json.dumps(whole | change).encode(), 0))
    assert verdict.outcome is Outcome.INCONCLUSIVE and words in verdict.reasons[-1]


def test_a_file_that_jest_counts_and_does_not_show_is_missed(parsed: Any) -> None:
    whole = json.loads(recorded("jest")) | {"numTotalTestSuites": 4}
    assert parsed("jest", json.dumps(whole).encode()).problems == ("1 file(s) are not in the report",)


def test_a_status_that_is_not_known_is_no_pass(parsed: Any) -> None:
    text = recorded("jest").replace(b'"status":"passed","title":"passes"', b'"status":"swallowed","title":"passes"')
    [odd] = [a for a in parsed("jest", text).attempts if a.case.name == "passes"]
    assert odd.status is Status.ERROR and "'swallowed' is not known" in odd.message


def test_a_file_of_node_that_tells_no_case_is_doubted_if_it_asks_for_them(tmp_path: Path, parsed: Any) -> None:
    lines = [
        {"e": "result", "id": "a.js::good", "f": "a.js", "name": "good", "o": "passed"},
        *({"e": "file", "f": name, "n": 0} for name in ("exits.js", "helper.js")),
        {"e": "end", "collected": 3, "ran": 3},
    ]
    (tmp_path / "exits.js").write_text("const { test } = require('node:test');")
    (tmp_path / "helper.js").write_text("exports.x = 1;")
    report = parsed("node", "".join(json.dumps(line) + "\n" for line in lines).encode(), 0, root=tmp_path)
    assert judge(report).outcome is Outcome.INCONCLUSIVE
    assert report.problems == ("exits.js asks for node:test and reported no case: did it call process.exit()?",)
    assert report.notes == ("helper.js holds no case",)


def test_a_damaged_line_is_told_and_the_others_are_read(parsed: Any) -> None:
    lines = recorded("mocha").splitlines(keepends=True)
    report = parsed("mocha", b"".join([*lines[:3], b'{"e": 1}\n', *lines[3:]]))
    assert report.problems == ("line 4 of the report cannot be read",)
    assert len(report.attempts) == len(parsed("mocha", recorded("mocha")).attempts)


def test_fewer_cases_than_were_found_are_no_pass(parsed: Any) -> None:
    good = b'{"e":"result","id":"g","f":"a.js","name":"g","o":"passed"}\n'
    assert judge(parsed("mocha", good + b'{"e":"end","collected":1,"ran":1}\n', 0)).outcome is Outcome.PASS
    verdict = judge(parsed("mocha", good + b'{"e":"end","collected":2,"ran":1}\n', 0))
    assert verdict.outcome is Outcome.INCONCLUSIVE and verdict.reasons[-1] == "2 cases were found and 1 reported"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def _parse(framework: str, content: bytes, folder: Path, exit_code: int) -> SuiteReport:
    report, silent = folder / "report", folder / "log"
    report.write_bytes(content)
    silent.touch()
    ran = Ran(argv=("x",), exit_code=exit_code, seconds=1, stdout=silent, stderr=silent, report=report)
    found = module("toolchain.runners", framework).parse(ran, request_for(framework, folder))
    assert isinstance(found, SuiteReport)
    return found


@pytest.mark.parametrize("framework", RECORDED)
@settings(max_examples=40)
@given(share=st.floats(0, 1))
def test_a_report_cut_anywhere_is_not_complete(framework: str, share: float, folder: Path) -> None:
    whole = recorded(framework).rstrip()
    report = _parse(framework, whole[: int(share * (len(whole) - 1))], folder, 0)
    assert not report.complete and report.problems and judge(report).outcome is not Outcome.PASS


@pytest.mark.parametrize("framework", RECORDED)
@settings(max_examples=80)
@given(data=st.data())
def test_one_value_replaced_is_read_or_refused_and_never_raises(
    framework: str, data: st.DataObject, folder: Path
) -> None:
    text = recorded(framework)
    lines = RECORDED[framework].endswith("l")
    changed = copy.deepcopy([json.loads(line) for line in text.splitlines()] if lines else json.loads(text))
    *way, last = data.draw(st.sampled_from([place for place in places(changed) if len(place) > lines]))
    target = changed
    for key in way:
        target = target[key]
    target[last] = data.draw(values)
    damaged = "".join(json.dumps(one) + "\n" for one in changed) if lines else json.dumps(changed)
    report = _parse(framework, damaged.encode("utf-8", "replace"), folder, 1)
    assert judge(report).outcome is not Outcome.PASS
    assert all(len(problem) < 1000 for problem in report.problems)


def test_a_case_that_did_not_end_because_we_stopped_the_run_is_named_and_no_failure(parsed: Any) -> None:
    """Node's runner still writes it down when it is told to end; whether it does depends on the moment."""
    lines = [
        {"e": "result", "id": "a.js::good", "f": "a.js", "name": "good", "o": "passed"},
        {"e": "result", "id": "b.js::x", "f": "b.js", "name": "x", "o": "crashed", "msg": "%s"},
        {"e": "end", "collected": 2, "ran": 1},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    report = parsed("node", (text % "its process ended before the case did").encode(), None)
    assert [str(attempt.case) for attempt in report.attempts] == ["a.js::good"]
    assert judge(report).outcome is Outcome.INCONCLUSIVE and "b.js::x" in report.problems[0]
    # What died before is a failure at the time-out, too.
    died = parsed("node", (text % "its process died of SIGSEGV").encode(), None)
    assert judge(died).outcome is Outcome.FAIL
