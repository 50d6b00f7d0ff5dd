"""The stage push: an image goes to the registry that tes.yaml names, and is known by that registry's digest afterwards.

After the scan and before anything moves in an environment. A tag is one image: where the registry has another one under
it, nothing is overwritten, and this one has a tag of its own.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blocks.platforms.secret_references import resolve
from domain.report import Stage
from domain.spec import Build
from domain.supply import Artifact
from domain.verdict import Outcome, Verdict
from tasks.image import push_image
from tasks.kinds import derive
from tasks.run import Run
from tasks.stage import perform

GATE = "push"


def goes_to_a_registry(run: Run, artifact: Artifact) -> bool:
    """Whether there is anything to push: an image that no registry has given us."""
    return run.spec.build.registry is not None and artifact.kind == "image" and "@" not in artifact.location


@derive("push")
async def push(run: Run, artifact: Artifact) -> Stage:
    """The image is in the registry; payload `artifact` is what the registry made of it: `host/name@sha256:...`.

    INCONCLUSIVE when the registry refuses us or cannot be reached.
    """
    build = run.spec.build
    assert build.registry is not None
    repository = build.registry

    async def work(out: Path) -> tuple[Verdict, dict[str, Any]]:
        with _credentials(build, await _password(build)) as environment:
            there = await push_image(artifact, repository, out, build.platforms, environment, build.timeout)
        told = f"{there.location}, from image {artifact.digest[:19]}"
        payload = {"artifact": there.model_dump(mode="json")}
        return Verdict(gate=GATE, outcome=Outcome.PASS, reasons=(told,)), payload

    inputs = {"artifact": artifact.digest, "location": artifact.location, "registry": repository}
    # Not quoted: whether the registry still has it is seen there, and what is there already costs nothing.
    return await perform(run, "push", inputs, work, reusable=False)


async def _password(build: Build) -> str:
    if build.registry_password is None:
        return ""
    return (await resolve({"registry_password": build.registry_password}, "build"))["registry_password"]


@contextlib.contextmanager
def _credentials(build: Build, password: str) -> Iterator[dict[str, str]]:
    """Docker's environment with these credentials in a file of their own; Docker's own ones where tes.yaml names none.
    Never in an argv, which every user of the machine can read."""
    if not password:
        yield {}
        return
    assert build.registry is not None
    user = build.registry_username or ""
    with tempfile.TemporaryDirectory(prefix="tes-registry-") as folder:
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        said = {"auths": {build.registry.partition("/")[0]: {"auth": token}}}
        path = Path(folder) / "config.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(said))
        yield {"DOCKER_CONFIG": os.fspath(folder)}
