"""`tes deploy --environment development`, where tes.yaml does not say otherwise: compose on this machine."""

from __future__ import annotations

import asyncio
import json
import shlex
from pathlib import Path

from domain.development import NAME
from domain.errors import SpecError
from tasks.spec_file import load_spec


def development(project: Path, ref: str | None, *, plan: bool, as_json: bool) -> int | None:
    """Brings the project up by compose and returns the exit code; None where it is not for compose to run: tes.yaml has
    an environment of that name, or there is no Docker and no compose file. `plan` prints it and does nothing."""
    root = project.expanduser().absolute()
    spec = load_spec(root).spec
    if NAME in spec.environments:
        return None
    from tasks import development as work

    one = asyncio.run(work.development(root, spec))
    if one is None:
        return None
    if ref is not None:
        raise SpecError(
            f"--ref {ref}: development runs the work tree by compose", fix="leave it out, or check the revision out"
        )
    told = {
        "by": "compose",
        "argv": one.argv,
        "file": str(one.file),
        "made": json.loads(one.made) if one.made else None,
    }
    if not plan:
        asyncio.run(work.bring_up(one, spec))
    if as_json:
        print(json.dumps({**told, "done": not plan}, indent=2))
        return 0
    print(shlex.join(one.argv))
    if plan and one.made:
        print(f"with {one.file}, made from tes.yaml:\n{one.made}")
    print("nothing was done" if plan else f"{one.name} is up; `tes down` ends it")
    return 0
