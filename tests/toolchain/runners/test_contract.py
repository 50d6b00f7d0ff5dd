"""Adding a test framework is adding a file; this tells what has to come with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from domain.cases import SuiteReport, judge
from domain.errors import MissingTool, TesError
from domain.verdict import Outcome
from tasks.execute import execute
from tests.toolchain.runners.recorded import request_for
from toolchain.command import Command
from toolchain.registry import known, module

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
RUNNERS = known("toolchain.runners")
OURS = ("cargo", "command", "go", "gradle", "maven", "unittest")


def test_the_runners_of_the_documentation_are_there() -> None:
    assert {"pytest", "unittest", "jest", "vitest", "mocha", "node", *OURS} <= set(RUNNERS)


@pytest.mark.parametrize("name", RUNNERS)
def test_a_runner_fulfils_its_protocol_is_documented_and_tested(name: str) -> None:
    runner = module("toolchain.runners", name)
    assert isinstance(runner.TOOL, str) and callable(runner.command) and callable(runner.parse)
    reference = ROOT / "docs" / "reference" / "runners.md"
    assert f"`{name}`" in reference.read_text(), f"{reference.relative_to(ROOT)} does not name it"
    tests = [path for path in HERE.glob("test_*.py") if path.name != "test_contract.py"]
    naming = [path for path in tests if re.search(rf"\b{name}\b", path.read_text())]
    assert naming, f"no test below {HERE.relative_to(ROOT)} is about it"


XML = (
    '<testsuite tests="2" failures="0"><testcase classname="s.A" name="a"/>'
    '<testcase classname="s.A" name="b"/></testsuite>'
)
GO = "".join(
    f'{{"Action":"{action}","Package":"p"{test}}}\n'
    for action, test in (("run", ',"Test":"A"'), ("pass", ',"Test":"A"'), ("pass", ""))
)
CARGO = (
    "running 1 test\ntest a ... ok\n\n"
    "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n"
)
UNITTEST = "".join(
    line + "\n"
    for line in (
        '{"e":"collected","n":1}',
        '{"e":"start","f":"a.py","c":"A","name":"a"}',
        '{"e":"result","f":"a.py","c":"A","name":"a","o":"passed","s":0.1,"t":9.0}',
        '{"e":"end","ran":1,"ok":true}',
    )
)
# What a good run leaves, and where: relative to the project, "-" for standard output, "!" for the command's own report.
GOOD = {
    "cargo": (CARGO, "-"),
    "command": (XML, "out/a.xml"),
    "go": (GO, "-"),
    "gradle": (XML, "build/test-results/test/TEST-a.xml"),
    "maven": (XML, "target/surefire-reports/TEST-a.xml"),
    "unittest": (UNITTEST, "!"),
}
FAILED = {
    "cargo": CARGO.replace("a ... ok", "a ... FAILED").replace("1 passed; 0 failed", "0 passed; 1 failed"),
    "command": XML.replace('name="b"/>', 'name="b"><failure/></testcase>'),
    "go": GO.replace('"pass"', '"fail"'),
    "gradle": XML.replace('name="b"/>', 'name="b"><failure/></testcase>'),
    "maven": XML.replace('name="b"/>', 'name="b"><failure/></testcase>'),
    "unittest": UNITTEST.replace('"passed"', '"failed"'),
}
NOTHING = {
    "unittest": '{"e":"collected","n":0}\n{"e":"end","ran":0,"ok":true}\n',
    "go": "",
    "cargo": "running 0 tests\n",
}
# $GOOD and $FAILED are files, $REPORT where the tool leaves its own.
WAYS = {
    "dies of SIGSEGV": 'cat "$GOOD" > "$REPORT"; kill -SEGV $$',
    "is killed": 'cat "$GOOD" > "$REPORT"; kill -KILL $$',
    "never ends": 'cat "$GOOD" > "$REPORT"; sleep 30',
    "exits 0 and says nothing": "exit 0",
    "exits 0 with a failure in its report": 'cat "$FAILED" > "$REPORT"; exit 0',
    "exits 1 with none": 'cat "$GOOD" > "$REPORT"; exit 1',
    "exits as no version does": 'cat "$GOOD" > "$REPORT"; exit 42',
    "leaves an empty report": ': > "$REPORT"',
    "leaves a report cut off": 'head -c $(($(wc -c < "$GOOD") * 2 / 3)) "$GOOD" > "$REPORT"',
    "leaves a huge report of nothing": 'head -c 68000000 /dev/zero | tr "\\0" " " > "$REPORT"',
    "leaves text": 'echo "all good, 12 passed" > "$REPORT"',
    "collects nothing": 'cat "$NOTHING" > "$REPORT"',
}


def fake(name: str, way: str, tmp_path: Path) -> tuple[Command, object]:
    """The runner's command, with a tool in its place that behaves that way."""
    request = request_for(tmp_path, name, command=("run-tests",), report="out/*.xml")
    command: Command = module("toolchain.runners", name).command(request)
    good, place = GOOD[name]
    files = {"GOOD": good, "FAILED": FAILED[name], "NOTHING": NOTHING.get(name, '<testsuite tests="0"/>')}
    report = {"-": "/dev/stdout", "!": str(command.report)}.get(place, str(request.root / place))
    lines = ["#!/bin/sh", f"REPORT='{report}'"]
    for variable, text in files.items():
        (tmp_path / variable).write_text(text)
        lines.append(f"{variable}='{tmp_path / variable}'")
    if name == "maven":
        lines.append('echo "[INFO] BUILD SUCCESS"')
    if report != "/dev/stdout":
        lines.append('mkdir -p "$(dirname "$REPORT")"')
    tool = tmp_path / "fake"
    tool.write_text("\n".join([*lines, way, ""]))
    tool.chmod(0o755)
    slow = 0.5 if "sleep" in way else 20.0
    return command.model_copy(update={"argv": (str(tool), *command.argv[1:]), "timeout": slow}), request


async def outcome(name: str, way: str, tmp_path: Path) -> tuple[Outcome, SuiteReport]:
    command, request = fake(name, way, tmp_path)
    ran = await execute(command, tmp_path / "out")
    report: SuiteReport = module("toolchain.runners", name).parse(ran, request)
    return judge(report).outcome, report


@pytest.mark.parametrize("name", OURS)
async def test_a_good_report_of_a_tool_in_order_passes(name: str, tmp_path: Path) -> None:
    """Without this the rows below would prove nothing."""
    said, report = await outcome(name, 'cat "$GOOD" > "$REPORT"', tmp_path)
    assert said is Outcome.PASS, report.problems


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", OURS)
async def test_a_run_that_goes_wrong_never_passes_and_says_why(name: str, way: str, tmp_path: Path) -> None:
    said, report = await outcome(name, WAYS[way], tmp_path)
    assert said is not Outcome.PASS
    assert report.problems and all(0 < len(problem) < 1000 for problem in report.problems)


@pytest.mark.parametrize("name", OURS)
async def test_a_report_of_an_earlier_run_is_never_believed(name: str, tmp_path: Path) -> None:
    await outcome(name, 'cat "$GOOD" > "$REPORT"; touch -d "1 hour ago" "$REPORT"', tmp_path)
    said, report = await outcome(name, "exit 0", tmp_path)
    assert said is Outcome.INCONCLUSIVE and report.attempts == ()


@pytest.mark.parametrize("name", OURS)
async def test_a_tool_that_is_not_installed_breaks_before_it_starts(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    more = {"interpreter": tmp_path / "no-python"} if name == "unittest" else {}
    request = request_for(tmp_path, name, command=("run-tests",), report="out/*.xml", **more)
    with pytest.raises(TesError) as told:
        await execute(module("toolchain.runners", name).command(request), request.out)
    assert isinstance(told.value, MissingTool) and "not installed" in told.value.message
