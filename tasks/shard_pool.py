"""The work pool as the coordinator of shards sees it: starts a shard's run, asks how runs are, stops them."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Cancelling

from domain.errors import SpecError
from domain.shard_result import Order


class Phase(StrEnum):
    """How a run is."""

    WAITING = "waiting"
    RUNNING = "running"
    OVER = "over"


class Pool(Protocol):
    """What the coordinator needs. Each verb may be said twice."""

    async def start(self, order: Order) -> str: ...
    async def phases(self, runs: Collection[str]) -> dict[str, tuple[Phase, str]]: ...
    async def stop(self, run: str) -> None: ...


class PrefectPool:
    """Runs of a deployment. `storage` is told to each."""

    def __init__(self, deployment: str, storage: str) -> None:
        self._deployment, self._storage = deployment, storage

    async def start(self, order: Order) -> str:
        """Starts the order's run, once: the same order again is the same run. SpecError without the deployment."""
        async with get_client() as client:
            try:
                deployment = await client.read_deployment_by_name(self._deployment)
            except ObjectNotFound as error:
                raise SpecError(
                    f"tests.distribute.deployment: there is no deployment {self._deployment}",
                    fix="prefect deploy --all, or tes up",
                ) from error
            run = await client.create_flow_run_from_deployment(
                deployment.id,
                parameters={
                    "storage": self._storage,
                    "run": order.run,
                    "suite": order.suite.name,
                    "number": order.shard.number,
                    "token": order.token,
                },
                tags=["tes", "shard"],
                idempotency_key=order.folder,
            )
            return str(run.id)

    async def phases(self, runs: Collection[str]) -> dict[str, tuple[Phase, str]]:
        """Each run's phase, and Prefect's word for its state. One that Prefect does not know is over."""
        async with get_client() as client:
            ids = [UUID(run) for run in runs]
            found = await client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=ids)))
        phases = {run: (Phase.OVER, "unknown to Prefect") for run in runs}
        for one in found:
            state = one.state
            if state is None or state.type in (StateType.SCHEDULED, StateType.PENDING):
                phases[str(one.id)] = (Phase.WAITING, state.name or "" if state else "")
            else:
                phase = Phase.OVER if state.is_final() else Phase.RUNNING
                phases[str(one.id)] = (phase, f"{state.name}{': ' + state.message if state.message else ''}")
        return phases

    async def stop(self, run: str) -> None:
        """Stops a run that nobody waits for."""
        async with get_client() as client:
            found = await client.read_flow_run(UUID(run))
            if found.state is not None and not found.state.is_final():
                waiting = found.state.type in (StateType.SCHEDULED, StateType.PENDING)
                await client.set_flow_run_state(found.id, Cancelled() if waiting else Cancelling(), force=waiting)
