"""Runs whose process died without a word: Prefect leaves them Running (its issue 16746), this marks them Crashed.

The method is Prefect's own ("detect zombie flows" in its manual): a run that has sent a heartbeat must send another
one, or end, in time. Needs `PREFECT_FLOWS_HEARTBEAT_FREQUENCY=30` where flows run, as the runtime and the images set.
"""

from __future__ import annotations

from datetime import timedelta

from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

SILENCE_S = 90
NAME = "tes: crash runs without a heartbeat"
# A run that waits (approval, retry, suspension) sends no heartbeat, and is no zombie.
SIGNS_OF_LIFE = {"heartbeat", "Completed", "Failed", "Cancelled", "Crashed", "Paused", "Suspended", "AwaitingRetry"}


def automation() -> AutomationCore:
    """The automation; three heartbeats of 30 s missed."""
    trigger = EventTrigger(
        after={"prefect.flow-run.heartbeat"},
        expect={f"prefect.flow-run.{sign}" for sign in SIGNS_OF_LIFE},
        match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=SILENCE_S),
    )
    message = (
        f"no heartbeat for {SILENCE_S} s: the process is gone. Run the flow again: it goes on where this one ended."
    )
    action = ChangeFlowRunState(state=StateType.CRASHED, message=message)
    description = f"Marks a flow run Crashed when its heartbeat stopped for {SILENCE_S} s."
    return AutomationCore(name=NAME, description=description, trigger=trigger, actions=[action])
