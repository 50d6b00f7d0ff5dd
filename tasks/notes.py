"""Takes a rollout down while it goes on, in the evidence of its run and in the records. The audit log is written below,
in `tasks/rollout.py`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from domain.place import Target
from domain.rollout import Action, Rollout
from domain.verdict import Verdict
from tasks import recording
from tasks.rollout import Said
from tasks.run import Run

STEPS = "steps.jsonl"


def noted(folder: Path, rollout: Rollout, action: Action, verdict: Verdict, began: float) -> None:
    """A line of the evidence: what was done, when, and what came of it."""
    (folder / "deploy").mkdir(parents=True, exist_ok=True)
    line = {"at": began, "rollout": rollout.id, "step": str(action), **verdict.model_dump(mode="json")}
    with (folder / "deploy" / STEPS).open("a") as file:
        file.write(json.dumps(line) + "\n")


class Notes:
    """The notes of one or several rollouts at once. One whose target has no run here, since a killed process left it
    behind, is in the evidence of the first run. `said` are the steps of each target, in order."""

    def __init__(self, runs: Mapping[Target, Run]) -> None:
        self.runs = runs
        self.said: dict[Target, list[Said]] = {}

    def _run(self, target: Target) -> Run:
        return self.runs.get(target) or next(iter(self.runs.values()))

    async def begun(self, rollouts: Sequence[Rollout]) -> None:
        """Rollouts that are about to move."""
        for one in rollouts:
            self.said[one.target] = []
            await recording.release(one.release, one.target.environment)
            await recording.rollout(one)

    async def kept(self, now: Rollout, action: Action, verdict: Verdict, began: float) -> None:
        """A step that is done."""
        if now.target not in self.said:
            await self.begun([now])
        self.said[now.target].append((action, verdict, time.time() - began))
        await asyncio.to_thread(noted, self._run(now.target).folder, now, action, verdict, began)
        await recording.rollout_step(now, action, verdict, began)

    async def ended(self, rollouts: Sequence[Rollout]) -> None:
        """Rollouts that are over."""
        for one in rollouts:
            await recording.rollout(one)
