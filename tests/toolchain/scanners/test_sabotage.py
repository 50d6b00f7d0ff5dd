"""Whatever happens to a scanner, its gate never says PASS: each row is a tool that goes wrong in its own way."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.verdict import Outcome
from tests.toolchain.scanners import tree, trivy_db
from tests.toolchain.scanners.gate import verdict
from toolchain.command import Command
from toolchain.registry import known, module
from toolchain.scanners import ScanRequest

FIXTURES = Path(__file__).with_name("fixtures")
# $CLEAN is a recorded clean report, $REPORT where the tool is to write its own.
WAYS = {
    "dies of SIGSEGV": 'cat "$CLEAN" > "$REPORT"; kill -SEGV $$',
    "is killed": 'cat "$CLEAN" > "$REPORT"; kill -KILL $$',
    "never ends": 'cat "$CLEAN" > "$REPORT"; sleep 30',
    "exits 0 and says nothing": "exit 0",
    "exits 0 with errors": "echo 'ERROR: could not reach the service' >&2; exit 0",
    "exits 1 with a traceback": "echo 'Traceback (most recent call last):' >&2; exit 1",
    "exits 1 with a clean report": 'cat "$CLEAN" > "$REPORT"; exit 1',
    "exits as no version does": 'cat "$CLEAN" > "$REPORT"; exit 42',
    "leaves an empty report": ': > "$REPORT"',
    "leaves a blank report": 'printf "\\n \\n" > "$REPORT"',
    "leaves a report cut off": 'head -c $(($(wc -c < "$CLEAN") * 2 / 3)) "$CLEAN" > "$REPORT"',
    "leaves a huge report": 'head -c 68000000 /dev/zero | tr "\\0" " " > "$REPORT"',
    "leaves no JSON": 'echo "all good, 0 findings" > "$REPORT"',
    "leaves another JSON": 'echo "{}" > "$REPORT"',
    "leaves a list": 'echo "[]" > "$REPORT"',
    "leaves null": 'echo null > "$REPORT"',
    "leaves JSON that explodes": 'head -c 200000 /dev/zero | tr "\\0" "[" > "$REPORT"',
}
SCANNERS = known("toolchain.scanners")


@pytest.fixture
def request_(tmp_path: Path) -> ScanRequest:
    root = tree.clean(tmp_path / "source")
    trivy_db.write(tmp_path / "cache", "requests", "2.20.0", datetime.now(UTC))
    return ScanRequest(
        root=root,
        out=tmp_path / "out",
        lock=root / "requirements.txt",
        options={"cache_dir": str(tmp_path / "cache")},
    )


def fake(scanner: str, way: str, request: ScanRequest, folder: Path) -> Command:
    """The scanner's command, with a tool in its place that behaves that way."""
    command: Command = module("toolchain.scanners", scanner).command(request)
    tool = folder / "fake"
    report = command.report or "/dev/stdout"
    tool.write_text(f"#!/bin/sh\nCLEAN='{FIXTURES / scanner / 'clean.json'}'\nREPORT='{report}'\n{way}\n")
    tool.chmod(0o755)
    slow = 0.4 if "sleep" in way else 20.0
    return command.model_copy(update={"argv": (str(tool), *command.argv[1:]), "timeout": slow})


@pytest.mark.parametrize("scanner", SCANNERS)
async def test_a_clean_report_of_a_tool_in_order_passes(scanner: str, request_: ScanRequest, tmp_path: Path) -> None:
    """Without this the rows below would prove nothing."""
    command = fake(scanner, 'cat "$CLEAN" > "$REPORT"', request_, tmp_path)
    said = await verdict(module("toolchain.scanners", scanner), command, request_)
    assert said.outcome is Outcome.PASS, said.reasons


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scanner", SCANNERS)
async def test_a_scanner_that_goes_wrong_is_inconclusive(
    scanner: str, way: str, request_: ScanRequest, tmp_path: Path
) -> None:
    command = fake(scanner, WAYS[way], request_, tmp_path)
    said = await verdict(module("toolchain.scanners", scanner), command, request_)
    assert said.outcome is Outcome.INCONCLUSIVE
    assert said.reasons and all(0 < len(reason) < 1000 for reason in said.reasons)


@pytest.mark.parametrize("scanner", SCANNERS)
async def test_a_scanner_that_is_not_installed_is_inconclusive(
    scanner: str, request_: ScanRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    tools = module("toolchain.scanners", scanner)
    said = await verdict(tools, tools.command(request_), request_)
    assert said.outcome is Outcome.INCONCLUSIVE and "not installed" in said.reasons[0]


@pytest.mark.parametrize(("scanner", "report"), [("bandit", "nothing"), ("pip_audit", "nothing"), ("trivy", "clean")])
async def test_a_scanner_that_examined_nothing_is_inconclusive(scanner: str, report: str, tmp_path: Path) -> None:
    root = tmp_path / "source"
    root.mkdir()
    lock = tmp_path / "request.lock"
    lock.touch()
    trivy_db.write(tmp_path / "cache", "requests", "2.20.0", datetime.now(UTC))
    options = {"cache_dir": str(tmp_path / "cache")}
    request = ScanRequest(root=root, out=tmp_path / "out", lock=lock, options=options)
    command = fake(scanner, f"cat '{FIXTURES / scanner / report}.json' > \"$REPORT\"", request, tmp_path)
    said = await verdict(module("toolchain.scanners", scanner), command, request)
    assert (said.outcome, said.reasons[0]) == (Outcome.INCONCLUSIVE, "examined nothing")


async def test_a_report_of_an_earlier_run_is_not_read(request_: ScanRequest, tmp_path: Path) -> None:
    command = fake("bandit", "exit 0", request_, tmp_path)
    assert command.report is not None
    command.report.parent.mkdir()
    command.report.write_bytes((FIXTURES / "bandit" / "clean.json").read_bytes())
    said = await verdict(module("toolchain.scanners", "bandit"), command, request_)
    assert said.outcome is Outcome.INCONCLUSIVE
