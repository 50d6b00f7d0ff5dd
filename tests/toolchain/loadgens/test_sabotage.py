"""Whatever happens to a load generator, its gate never says PASS: each row goes wrong in its own way."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from domain.spec import Scenario
from domain.verdict import Outcome
from tests.toolchain.loadgens.gate import verdict
from toolchain.command import Command
from toolchain.loadgens import LoadRequest
from toolchain.registry import known, module

FIXTURES = Path(__file__).with_name("fixtures")
# $CLEAN is a recorded clean summary, $REPORT where the tool is to write its own.
WAYS = {
    "dies of SIGSEGV": 'cat "$CLEAN" > "$REPORT"; kill -SEGV $$',
    "is killed": 'cat "$CLEAN" > "$REPORT"; kill -KILL $$',
    "is interrupted": 'cat "$CLEAN" > "$REPORT"; exit 105',
    "never ends": 'cat "$CLEAN" > "$REPORT"; sleep 30',
    "exits 0 and says nothing": "exit 0",
    "exits 0 with errors": 'echo \'{"level":"error","msg":"boom"}\' >&2; exit 0',
    "exits 1 with a traceback": "echo 'Traceback (most recent call last):' >&2; exit 1",
    "exits as no version does": 'cat "$CLEAN" > "$REPORT"; exit 42',
    "leaves an empty summary": ': > "$REPORT"',
    "leaves a blank summary": 'printf "\\n \\n" > "$REPORT"',
    "leaves a summary cut off": 'head -c $(($(wc -c < "$CLEAN") * 2 / 3)) "$CLEAN" > "$REPORT"',
    "leaves a huge summary": 'head -c 68000000 /dev/zero | tr "\\0" " " > "$REPORT"',
    "leaves no JSON": 'echo "all good" > "$REPORT"',
    "leaves another JSON": 'echo "{}" > "$REPORT"',
    "leaves a list": 'echo "[]" > "$REPORT"',
    "leaves JSON that explodes": 'head -c 200000 /dev/zero | tr "\\0" "[" > "$REPORT"',
}
GENERATORS = known("toolchain.loadgens")


@pytest.fixture
def request_(tmp_path: Path) -> LoadRequest:
    return LoadRequest(base_url="http://127.0.0.1:1", out=tmp_path / "out", scenario=Scenario())


def fake(generator: str, way: str, request: LoadRequest, folder: Path) -> Command:
    """The generator's command, with a tool in its place that behaves that way."""
    command: Command = module("toolchain.loadgens", generator).command(request)
    tool = folder / "fake"
    clean = FIXTURES / generator / "clean.json"
    tool.write_text(f"#!/bin/sh\nCLEAN='{clean}'\nREPORT='{command.report}'\n{way}\n")
    tool.chmod(0o755)
    slow = 0.4 if "sleep" in way else 20.0
    return command.model_copy(update={"argv": (str(tool), *command.argv[1:]), "timeout": slow})


@pytest.mark.parametrize("generator", GENERATORS)
async def test_a_clean_summary_of_a_tool_in_order_passes(generator: str, request_: LoadRequest, tmp_path: Path) -> None:
    """Without this the rows below would prove nothing."""
    command = fake(generator, 'cat "$CLEAN" > "$REPORT"', request_, tmp_path)
    said = await verdict(module("toolchain.loadgens", generator), command, request_)
    assert said.outcome is Outcome.PASS, said.reasons


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("generator", GENERATORS)
async def test_a_generator_that_goes_wrong_is_inconclusive(
    generator: str, way: str, request_: LoadRequest, tmp_path: Path
) -> None:
    command = fake(generator, WAYS[way], request_, tmp_path)
    said = await verdict(module("toolchain.loadgens", generator), command, request_)
    assert said.outcome is Outcome.INCONCLUSIVE
    assert said.reasons and all(0 < len(reason) < 1000 for reason in said.reasons)


@pytest.mark.parametrize("generator", GENERATORS)
async def test_a_generator_that_is_not_installed_is_inconclusive(
    generator: str, request_: LoadRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    tool = module("toolchain.loadgens", generator)
    said = await verdict(tool, tool.command(request_), request_)
    assert said.outcome is Outcome.INCONCLUSIVE and "not installed" in said.reasons[0]
