"""One work pool: made of its type's template, and brought up to date without taking back what a person set."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import WorkPool
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.utilities.schema_tools import ValidationError, validate

from deployments.change import Change, Did
from deployments.pools import PROCESS, TYPES, Type, template, type_named
from domain.errors import SpecError

DESCRIPTION = "Runs the flows of the Test Execution System; kept by `tes setup`."
EMBEDDED = "Runs flows as processes of this machine; kept by the embedded runtime."


@dataclass(frozen=True)
class Wanted:
    """A pool as it is asked for. `kind` is None where the server has to know; `limit` is how many runs at once, None to
    leave it; `variables` are defaults of the template's variables by name.

    `ours`: nobody else sets defaults of this pool (the embedded runtime's), so that all of them are renewed.
    """

    name: str
    kind: Type | None
    limit: int | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    ours: bool = False

    @property
    def description(self) -> str:
        return EMBEDDED if self.ours else DESCRIPTION


async def made(client: PrefectClient, wanted: Wanted) -> tuple[Type, Change]:
    """The pool's type, and what was done. SpecError when what is asked for cannot be."""
    try:
        known = await client.read_work_pool(wanted.name)
    except ObjectNotFound:
        kind = _kind(wanted, None)
        new = WorkPoolCreate(
            name=wanted.name,
            type=kind.name,
            base_job_template=_fresh(wanted, kind),
            description=wanted.description,
            concurrency_limit=wanted.limit,
        )
        try:
            await client.create_work_pool(new)
            return kind, Change("pool", wanted.name, Did.CREATED, kind.name)
        except ObjectAlreadyExists:  # by somebody else, this moment
            known = await client.read_work_pool(wanted.name)
    kind = _kind(wanted, known)
    if known.description == DESCRIPTION:  # a team's pool, of which the embedded worker is only one
        wanted = replace(wanted, ours=False)
    mine = known.description in (DESCRIPTION, EMBEDDED)
    update: dict[str, Any] = {}
    renewed = _renewed(wanted, kind, known.base_job_template, mine)
    if renewed != known.base_job_template:
        update["base_job_template"] = renewed
    # Whether it is paused, and its limit where none is asked for, are a person's to say.
    if wanted.limit is not None and wanted.limit != known.concurrency_limit:
        update["concurrency_limit"] = wanted.limit
    if wanted.ours and known.description != wanted.description:
        update["description"] = wanted.description
    why = kind.name if mine else f"{kind.name}; not made by tes setup: its template stays, but for what was named"
    if not update:
        return kind, Change("pool", wanted.name, Did.UNCHANGED, why)
    await client.update_work_pool(wanted.name, WorkPoolUpdate(**update))
    return kind, Change("pool", wanted.name, Did.UPDATED, f"{why}: {', '.join(sorted(update))}")


def _kind(wanted: Wanted, known: WorkPool | None) -> Type:
    names = ", ".join(one.name for one in TYPES)
    if known is None:
        if wanted.kind is None:
            said = f"--pool {wanted.name}: the server has no such pool, and its type is not said"
            raise SpecError(said, fix=f"--pool {wanted.name}:TYPE with one of {names}")
        return wanted.kind
    kind = type_named(known.type)
    if kind is None or kind.name != known.type:
        said = f"--pool {wanted.name}: it is of the type {known.type}, which this system has no template for"
        raise SpecError(said, fix=f"name another pool, or a new one of the type {names}")
    if wanted.kind is not None and wanted.kind != kind:
        said = f"--pool {wanted.name}: it is of the type {kind.name} and cannot become {wanted.kind.name}"
        raise SpecError(said, fix=f"--pool {wanted.name}, or a new name with :{wanted.kind.name}")
    return kind


def _fresh(wanted: Wanted, kind: Type) -> dict[str, Any]:
    if kind.fetches and "image" not in wanted.variables:
        said = f"--image: a pool of the type {kind.name} fetches its image from a registry, and none is named"
        raise SpecError(said, fix="push the image that the Dockerfile makes, and name it: --image REGISTRY/NAME:TAG")
    return _with(template(kind.name), wanted, kind)


def _renewed(wanted: Wanted, kind: Type, known: Mapping[str, Any], mine: bool) -> dict[str, Any]:
    """The template as it should be: ours, with the defaults that a person may have set in the meantime. One that is not
    ours stays as it is."""
    if wanted.ours:
        return _with(template(kind.name), wanted, kind)
    if not mine:
        return _with(copy.deepcopy(dict(known)), wanted, kind)
    new = template(kind.name)
    theirs = known.get("variables", {}).get("properties", {})
    for name, variable in new["variables"]["properties"].items():
        if "default" in theirs.get(name, {}):
            value = theirs[name]["default"]
            # What a flow needs in its environment is added, not replaced.
            if name in ("env", "labels") and isinstance(value, dict):
                value = {**variable.get("default", {}), **value}
            variable["default"] = value
    return _with(new, wanted, kind)


def _with(made: dict[str, Any], wanted: Wanted, kind: Type) -> dict[str, Any]:
    """The template with the variables that are named. SpecError for one that is unknown or of a wrong type."""
    properties: dict[str, Any] = made.get("variables", {}).get("properties", {})
    for name, value in wanted.variables.items():
        if name not in properties:
            words = "--image" if name == "image" else f"--set {name}"
            said = f"{words}: a pool of the type {kind.name} has no variable {name!r}"
            raise SpecError(said, fix=f"one of {', '.join(sorted(properties))}")
        before = properties[name].get("default")
        if name in ("env", "labels") and isinstance(before, dict) and isinstance(value, dict):
            value = {**before, **value}
        try:
            # A reference to a block is Prefect's to look up, when it starts a run.
            if not isinstance(value, str) or "{{" not in value:
                schema = {**made["variables"], "properties": {name: properties[name]}, "required": []}
                validate({name: value}, schema, raise_on_error=True)
        except ValidationError as error:
            said = f"--set {name}={value!r} cannot be used: {' '.join(str(error).split())}"
            raise SpecError(said, fix=str(properties[name].get("description", "see the pool's type"))) from error
        properties[name]["default"] = value
    return made


def embedded(interpreter_command: str | None) -> Wanted:
    """The embedded runtime's pool; `interpreter_command` starts a flow with the Python that its workers share."""
    variables = {"command": interpreter_command} if interpreter_command else {}
    return Wanted(PROCESS.pool, PROCESS, variables=variables, ours=True)
