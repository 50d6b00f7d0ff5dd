"""How long each case of a suite is expected to take here, kept beside the project's name below TES_HOME.

`history/<project>/<suite>.json` is {node id: seconds}; the engine hands out the longest first, and the picture knows
how much there is still to do. What it holds is only ever about order and display, never about a verdict.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from tasks.state_folder import home, project_key, read_json, write_json

# A quarter of the cases not seen in a run of everything: renamed or gone. More than that: somebody ran a part.
_GONE = 0.25
_LARGEST = 1_000_000


def path(project: str, suite: str) -> str:
    """The file."""
    return os.path.join(home(), "history", project_key(project), f"{suite}.json")


def read(project: str, suite: str) -> dict[str, float]:
    """What is known; nothing of a file that is not what it should be."""
    found = read_json(path(project, suite))
    if not isinstance(found, dict):
        return {}
    return {node: float(seconds) for node, seconds in found.items() if isinstance(seconds, int | float)}


def learn(project: str, suite: str, known: Mapping[str, float], seen: Mapping[str, float], *, whole: bool) -> None:
    """Adds a run's times. `whole`: all cases were run, so that those not seen are gone."""
    if not seen:
        return
    from domain.durations import expected

    times = dict(known)
    if whole and len(seen) >= (1 - _GONE) * len(known):
        times = {node: seconds for node, seconds in known.items() if node in seen}
    for node, seconds in seen.items():
        before = known.get(node)
        now = expected([seconds] if before is None else [seconds, before])
        times[node] = round(seconds if now is None else now, 4)
    if len(times) <= _LARGEST:
        write_json(path(project, suite), times)
