"""Runs whose process died without a word: Prefect leaves them Running (its issue 16746), this marks them Crashed.

The method is Prefect's own ("detect zombie flows" in its manual): a run that has sent a heartbeat must send another
one, or end, in time. Needs `PREFECT_FLOWS_HEARTBEAT_FREQUENCY=30` where flows run, as the runtime and the images set.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import State, StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.states import Cancelled, Crashed

SILENCE_S = 90
MISSED_S = 300
NAME = "tes: crash runs without a heartbeat"
AGAIN = "Run the flow again: it goes on where this one ended."
# A run that waits (approval, retry, suspension) sends no heartbeat, and is no zombie.
SIGNS_OF_LIFE = {"heartbeat", "Completed", "Failed", "Cancelled", "Crashed", "Paused", "Suspended", "AwaitingRetry"}


def automation(silence: float = SILENCE_S) -> AutomationCore:
    """The automation; `silence` in seconds, three heartbeats of 30 s by default."""
    trigger = EventTrigger(
        after={"prefect.flow-run.heartbeat"},
        expect={f"prefect.flow-run.{sign}" for sign in SIGNS_OF_LIFE},
        match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=silence),
    )
    message = f"no heartbeat for {silence:.0f} s: the process is gone. {AGAIN}"
    action = ChangeFlowRunState(state=StateType.CRASHED, message=message)
    description = f"Marks a flow run Crashed when its heartbeat stopped for {silence:.0f} s."
    return AutomationCore(name=NAME, description=description, trigger=trigger, actions=[action])


def same(one: AutomationCore, other: AutomationCore) -> bool:
    """Whether they do the same, whatever the server has added to what it was sent."""

    def told(of: AutomationCore) -> object:
        trigger = of.trigger.model_dump(mode="json", exclude={"id"})
        trigger = {key: sorted(value) if isinstance(value, list) else value for key, value in trigger.items()}
        return [of.description, of.enabled, trigger, [action.model_dump(mode="json") for action in of.actions]]

    return told(one) == told(other)


async def bury(api_url: str, pool: str) -> int:
    """Mark the pool's unfinished runs Crashed, and say how many; only for a pool of which nothing can be running.

    That is known when the embedded runtime starts: whatever ran before was ended with the runtime before.
    """
    unfinished = FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING, StateType.CANCELLING])
    async with PrefectClient(api_url) as client:
        runs = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=unfinished)),
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
        )
        for run in runs:
            crashed: State[None] = Crashed(message=f"the runtime that ran it was stopped or killed. {AGAIN}")
            await client.set_flow_run_state(run.id, crashed, force=True)
    return len(runs)


async def skip_missed(api_url: str, pool: str) -> int:
    """Cancel the pool's scheduled runs whose time came while nothing ran, and say how many: a laptop that was off for a
    week should not begin with seven nights. What a person asked for stays."""
    late = datetime.now(UTC) - timedelta(seconds=MISSED_S)
    async with PrefectClient(api_url) as client:
        runs = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
                expected_start_time=FlowRunFilterExpectedStartTime(before_=late),
            ),
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
        )
        missed = [run for run in runs if run.auto_scheduled]
        for run in missed:
            gone: State[None] = Cancelled(message="its time came while the runtime was off; the next one will run")
            await client.set_flow_run_state(run.id, gone, force=True)
    return len(missed)
