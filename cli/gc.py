"""`tes gc`: removes what nobody needs any more on the platforms that a project's tes.yaml names."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from tasks.spec_file import load_spec


def gc(given: argparse.Namespace) -> int:
    """Prints what is removed, or with `--plan` what would be, and returns the exit code of the verdict."""
    from tasks.garbage import collect  # Prefect comes with it: not before it is needed
    from tasks.run import holder, new_run_id

    environments = load_spec(Path(given.project).expanduser().absolute(), files=False).spec.environments
    names = sorted({place.platform for place in environments.values()})
    verdict, pieces = asyncio.run(collect(names, holder(new_run_id()), plan=given.plan))
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
