"""`tes status`: what runs here, and where each environment stands."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cli import runtime
from cli.runtime.status import RuntimeStatus
from domain.errors import EXIT_INCONCLUSIVE, EXIT_PASS, SpecError
from domain.standing import Standing


def status(given: argparse.Namespace) -> int:
    """Prints the runtime's parts, every environment of the local platform, and the project's own elsewhere. The exit
    code is INCONCLUSIVE's where a platform could not be asked."""
    from tasks.standing import standings  # Prefect comes with it: not before it is needed

    found = runtime.status()
    service, places, problem = _project(Path(given.project).expanduser().absolute())
    told = asyncio.run(standings(service, places, given.wait))
    silent = bool(problem) or any(one.problem for one in told)
    if given.json:
        parts = dataclasses.asdict(found) if found else None
        document: dict[str, Any] = {"runtime": parts, "environments": [one.model_dump(mode="json") for one in told]}
        print(json.dumps({**document, "problem": problem}, default=str, indent=2))
    else:
        for line in (*_runtime(found), *([problem] if problem else []), *(text for one in told for text in lines(one))):
            print(line)
    return EXIT_INCONCLUSIVE if silent else EXIT_PASS


def _project(root: Path) -> tuple[str, dict[str, str], str]:
    """The service, its environments' platforms, and why they are not known. A status is also asked for outside of
    every project."""
    from tasks.spec_file import find, load_spec

    if not root.is_dir() or find(root) is None:
        return root.name, {}, "" if root.is_dir() else f"{root} is no folder"
    try:
        spec = load_spec(root, files=False).spec
    except SpecError as error:
        return root.name, {}, f"the environments of {root} are not known: {error.message}"
    return spec.name or root.name, {name: place.platform for name, place in spec.environments.items()}, ""


def _runtime(found: RuntimeStatus | None) -> Iterator[str]:
    if found is None:
        yield "the runtime is not running; `tes up` starts it"
        return
    for child in found.children:
        yield f"{child.name:9} {child.status:10} pid {child.pid} since {child.since} restarts {child.restarts}"
    yield f"Prefect   {found.runtime.prefect_ui_url}"
    yield f"service   {found.runtime.service_url}"


def lines(one: Standing) -> Iterator[str]:
    """An environment as a person reads it."""
    if one.problem:
        yield f"{one.target}: {one.problem}"
        return
    yield f"{one.standing}  {one.address}".rstrip()
    for share in one.releases:
        warm = f", kept for {_long(share.warm_left)} more" if share.role == "warm" and share.warm_left else ""
        why = f": {share.reason}" if share.reason else ""
        healthy = f"{share.healthy} of {share.replicas} copies healthy"
        yield f"  {share.role:10} {share.version}  {share.weight} %, {healthy}{warm}{why}"
    if one.lease is not None:
        since = f" since {_at(one.lease.since)}" if one.lease.since else ""
        yield (
            f"  held       by {one.lease.holder}{since}, fencing token {one.lease.token}, "
            f"expires in {one.lease.expires_in:.0f} s"
        )
    if (under_way := one.rollout) is not None:
        how = "under way" if under_way.running else "left half-way"
        yield (
            f"  rollout    {under_way.id} of {under_way.version}: {how}, {under_way.status} at {under_way.step}, "
            f"{under_way.done} of {under_way.steps} steps done"
        )
        yield f"             {under_way.finish}"
    if one.together:
        yield f"  {one.together}"
    if one.frozen:
        yield f"  {one.frozen}"
    for name, told in (("last", one.verdict), ("drift", one.drift)):
        if told is not None:
            rest = "; ".join(filter(None, (told.version, told.why)))
            yield f"  {name:10} {told.outcome} {told.what} {_at(told.at)} by {told.by}{rest and f': {rest}'}"
    for remark in one.remarks:
        yield f"  {remark}"


def _at(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


def _long(seconds: float) -> str:
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
