"""What selection would have missed: our own `tes test --changed --all` as a tool, whose answer is checked."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from prefect.artifacts import acreate_markdown_artifact
from pydantic import BaseModel, Field, ValidationError

from domain.report import silent
from domain.verdict import Outcome, Verdict
from tasks.execute import execute
from tasks.kinds import act
from tasks.publish import in_prefect, key
from tasks.state_folder import home
from toolchain.command import Command, Ran
from toolchain.reports.markdown import escaped

GATE = "tests.selection"
LONGEST_S = 6 * 3600.0
SHOWN = 200
_OURS = Path(__file__).resolve().parents[1]


class _Told(BaseModel):
    """The part of `--json` that is needed here."""

    outcome: Outcome
    reasons: tuple[str, ...]
    misses: int | None = Field(ge=0)
    missed: tuple[str, ...]
    compared: int = Field(ge=0)


def command(project: Path) -> Command:
    """Everything with recording, under a memory of its own: a tool's environment is not a person's terminal, and in
    one memory the two would throw each other's away. Hence a night is compared with the night before."""
    return Command(
        argv=(sys.executable, "-m", "cli.main", "test", str(project), "--changed", "--all", "--json"),
        cwd=_OURS,
        environment={"TES_HOME": os.path.join(home(), "selection"), "TES_RECORD": "0"},
        timeout=LONGEST_S,
    )


def parse(ran: Ran) -> Verdict:
    """The tests' verdict, with `misses` and `compared`; INCONCLUSIVE when there is no answer, or it contradicts the
    exit code or itself."""
    try:
        told = _Told.model_validate_json(ran.stdout.read_bytes())
    except ValidationError:
        return silent(GATE, f"tes test gave no answer (exit code {ran.exit_code}): {ran.tail()}")
    if ran.exit_code != told.outcome.exit_code or len(told.missed) != (told.misses or 0):
        return silent(GATE, f"tes test contradicts itself: exit code {ran.exit_code} and {told.outcome}")
    if told.misses is None:
        nothing = "no suite's selection could be compared"
        return Verdict(gate=GATE, outcome=told.outcome, reasons=(*told.reasons, nothing))
    reasons = (f"selection would have missed {told.misses} of {told.compared} results", *told.missed[:SHOWN])
    metrics = {"misses": float(told.misses), "compared": float(told.compared)}
    return Verdict(gate=GATE, outcome=told.outcome, reasons=(*told.reasons, *reasons), metrics=metrics)


@act("selection of {project}")
async def compared(project: str) -> Verdict:
    """Runs all of it once. ToolError when the command cannot be started."""
    root = Path(project).expanduser().absolute()
    with tempfile.TemporaryDirectory(prefix="tes-selection-") as out:
        ran = await execute(command(root), Path(out))
        return await asyncio.to_thread(parse, ran)


@act("page of {project}")
async def published(project: str, verdict: Verdict) -> None:
    """The numbers and what was missed, in the Prefect UI."""
    if in_prefect():
        name = Path(project).expanduser().absolute().name
        page = [f"# {verdict.outcome}", *(f"- {escaped(reason)}" for reason in verdict.reasons)]
        told = f"misses: {verdict.metrics.get('misses', 'unknown')}"
        await acreate_markdown_artifact(key=key(name, "selection"), markdown="\n".join(page), description=told)
