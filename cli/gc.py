"""`tes gc`: removes what nobody needs any more on the platforms that a project's tes.yaml names."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from cli.server_address import server_address
from domain.garbage import Piece
from tasks.spec_file import load_spec


def gc(given: argparse.Namespace) -> int:
    """Prints what is removed, or with `--plan` what would be, and returns the exit code of the verdict."""
    address = server_address(given.api) if given.runs else ""
    from tasks.garbage import collect  # Prefect comes with it: not before it is needed
    from tasks.run import holder, new_run_id

    environments = load_spec(Path(given.project).expanduser().absolute(), files=False).spec.environments
    names = sorted({place.platform for place in environments.values()})
    ended = asyncio.run(_of_runs(address, given.plan)) if address else []
    verdict, pieces = asyncio.run(collect(names, holder(new_run_id()), plan=given.plan, elsewhere=ended))
    if given.json:
        told = {
            "outcome": verdict.outcome,
            "reasons": verdict.reasons,
            "plan": given.plan,
            "platforms": names,
            "pieces": [piece.model_dump(mode="json") for piece in pieces],
        }
        print(json.dumps(told, indent=2))
        return verdict.outcome.exit_code
    for piece in pieces:
        print(f"{'removed' if piece.done else 'would remove' if given.plan else 'kept'}  {piece}")
    print(f"{verdict.outcome} gc on {', '.join(names)}: {'; '.join(verdict.reasons)}")
    if given.plan:
        print("nothing was done")
    return verdict.outcome.exit_code


async def _of_runs(address: str, plan: bool) -> list[Piece]:
    """The containers of flow runs that are over. What cannot be asked is an error: somebody named it. A container that
    did not go by us went by somebody else."""
    from deployments.leftovers import clear

    found = await clear(address, look=plan)
    return [
        Piece(platform="docker", where=one.name, why=f"its flow run {one.run} is {one.state}", done=one.removed)
        for one in found
        if plan or one.removed
    ]
