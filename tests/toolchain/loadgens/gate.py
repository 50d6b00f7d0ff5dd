"""A gate as the load stage makes it of a generator module: what breaks is INCONCLUSIVE, the rest is judged."""

from __future__ import annotations

from types import ModuleType

from domain.errors import ReportError, ToolError
from domain.load import judge
from domain.spec import Load
from domain.verdict import Outcome, Verdict
from tasks.execute import execute
from toolchain.command import Command
from toolchain.loadgens import LoadRequest


async def verdict(generator: ModuleType, command: Command, request: LoadRequest) -> Verdict:
    """Runs the command, parses, judges by the shipped thresholds."""
    try:
        ran = await execute(command, request.out)
        return judge(generator.parse(ran, request), Load().thresholds)
    except (ToolError, ReportError) as error:
        return Verdict(gate="load", outcome=Outcome.INCONCLUSIVE, reasons=(error.message,))
