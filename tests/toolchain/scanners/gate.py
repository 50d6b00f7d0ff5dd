"""A gate as the scan stage makes it of a scanner module: what breaks is INCONCLUSIVE, the rest is judged."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import ModuleType

from domain.errors import ReportError, ToolError
from domain.findings import Severity, judge
from domain.verdict import Outcome, Verdict
from tasks.execute import execute
from toolchain.command import Command, Ran
from toolchain.scanners import ScanRequest

TODAY = date(2026, 11, 23)


async def verdict(scanner: ModuleType, command: Command, request: ScanRequest) -> Verdict:
    """Runs the command, parses, judges with the shipped threshold."""
    try:
        return judged(scanner, await execute(command, request.out), request)
    except (ToolError, ReportError) as error:
        return Verdict(gate=scanner.TOOL, outcome=Outcome.INCONCLUSIVE, reasons=(error.message,))


def judged(scanner: ModuleType, ran: Ran, request: ScanRequest) -> Verdict:
    return judge(scanner.parse(ran, request), Severity.HIGH, (), TODAY)


def recorded(path: Path, request: ScanRequest, exit_code: int, argv: tuple[str, ...] = ("tool",)) -> Ran:
    """As if the tool had just written that report."""
    silent = request.out / "silent.log"
    silent.parent.mkdir(parents=True, exist_ok=True)
    silent.touch()
    return Ran(argv=argv, exit_code=exit_code, seconds=1.0, stdout=path, stderr=silent, report=path)
