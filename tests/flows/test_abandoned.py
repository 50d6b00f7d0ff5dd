"""What a killed run left behind is cleared up by the next run of its project; what a living one holds is left alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from blocks.platforms.memory import MemoryPlatform
from cli import records_view
from domain.place import Release, Target
from domain.spec import EnvironmentSpec, ReleaseSpec, Spec
from domain.supply import Artifact
from records.read.run import run as find
from tasks import recording
from tasks.abandoned import clear_up, preview_of
from tasks.lease import TTL
from tasks.run import Run

DEAD = "dead0000-1111"


def run_of(home: Path, run_id: str) -> Run:
    spec = Spec(
        name="demo", release=ReleaseSpec(command=("x",)), environments={"staging": EnvironmentSpec(platform="memory")}
    )
    return Run(
        id=run_id,
        kind="release",
        project="demo",
        root=home,
        spec=spec,
        environment="staging",
        actor="ada",
        holder=f"ada@here pid 1 run {run_id[:8]}",
        store=home / "store",
        folder=home / "runs" / run_id,
    )


def opened_by_one_that_is_gone() -> None:
    """Written by a process that has ended since."""
    code = f"from records.write.run import open_run; open_run({DEAD!r}, 'demo', 'release', environment='staging')"
    subprocess.run([sys.executable, "-c", code], check=True)


async def preview(platform: MemoryPlatform, run_id: str) -> Target:
    target = preview_of("demo", run_id)
    lease = await platform.acquire(target, f"ada@here pid 1 run {run_id[:8]}", TTL)
    artifact = Artifact(kind="bundle", digest="sha256:1", location="nowhere")
    await platform.provision(lease, Release(service="demo", version="v1", artifact=artifact))
    return target


@pytest.mark.usefixtures("tes_home")
async def test_row_lease_and_preview_of_a_killed_run(tes_home: Path) -> None:
    platform = MemoryPlatform()
    platform.forget()
    opened_by_one_that_is_gone()
    staging = Target(service="demo", environment="staging")
    await platform.acquire(staging, f"ada@here pid 1 run {DEAD[:8]}", TTL)
    left, forgotten = await preview(platform, DEAD), await preview(platform, "older000-1111")
    platform.world_state.places[forgotten].lease = None
    other = run_of(tes_home, "living00-2222")
    await recording.opened(other)
    held = await preview(platform, other.id)

    mine = run_of(tes_home, "mine0000-3333")
    await recording.opened(mine)
    await clear_up(mine)

    assert find(DEAD).run.state == "interrupted"  # type: ignore[union-attr]
    assert find(other.id).run.state == "running"  # type: ignore[union-attr]
    assert (await platform.acquire(staging, mine.holder, TTL)).holder == mine.holder
    there = await platform.targets()
    assert held in there and left not in there and forgotten not in there


def test_the_list_of_runs_does_not_say_that_a_killed_one_goes_on(
    tes_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened_by_one_that_is_gone()
    records_view.runs(None, None, 10, True)
    assert [row["state"] for row in json.loads(capsys.readouterr().out)] == ["interrupted"]
    assert find(DEAD).run.state == "interrupted"  # type: ignore[union-attr]
