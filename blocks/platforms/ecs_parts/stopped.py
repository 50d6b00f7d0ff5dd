"""Why a task ended, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from blocks.platforms.ecs_parts.setup import CONTAINER

LOOPS = 3  # ended tasks after which a release is not expected to come up any more
_KILLED = 137
# What AWS says when the same definition will fail again, and what to do.
_FOR_GOOD = {
    "CannotPullContainerError": "does the image exist, and may the execution role pull it?",
    "CannotCreateContainerError": "correct the release's command or configuration",
    "ResourceInitializationError": "may the execution role read the secret and write the logs, and does the subnet "
    "reach AWS's APIs?",
    "InvalidParameterException": "correct the release's configuration",
}


def words(task: Mapping[str, Any]) -> str:
    """From a DescribeTasks: the exit code, AWS's reason, a hint."""
    container: Mapping[str, Any] = next((one for one in task.get("containers", []) if one.get("name") == CONTAINER), {})
    reasons = [str(task.get("stoppedReason") or ""), str(container.get("reason") or "")]
    code = container.get("exitCode")
    told = "; ".join(dict.fromkeys(one for one in reasons if one)) or str(task.get("stopCode") or "AWS says no reason")
    if "OutOfMemory" in told or code == _KILLED and "health" not in told.lower():
        return f"it was killed for want of memory (exit code {code}; {told}): raise release.resources.memory_mb"
    if "Spot" in told or task.get("stopCode") == "SpotInterruption":
        return f"AWS took its Spot capacity back: {told}"
    hint = next((f": {hint}" for name, hint in _FOR_GOOD.items() if name in told), "")
    ended = "it could not be started" if code is None else f"it ended with exit code {code}"
    return f"{ended}: {told}{hint}"


def hopeless(tasks: Sequence[Mapping[str, Any]]) -> str:
    """Why a release will not come up, from its ended tasks, newest first; empty while it may."""
    for task in tasks:
        told = f"{task.get('stoppedReason')} {[one.get('reason') for one in task.get('containers', [])]}"
        if task.get("stopCode") == "TaskFailedToStart" and any(name in told for name in _FOR_GOOD):
            return words(task)
    ended = [task for task in tasks if task.get("stopCode") in ("EssentialContainerExited", "TaskFailedToStart")]
    return f"{len(ended)} tasks ended: {words(ended[0])}" if len(ended) >= LOOPS else ""
