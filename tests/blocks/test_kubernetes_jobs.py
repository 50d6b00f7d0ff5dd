"""What of a Job and of garbage needs no cluster to be decided."""

from __future__ import annotations

from typing import Any

import pytest

from blocks.platforms.kubernetes_parts.garbage import _wanted
from blocks.platforms.kubernetes_parts.jobs import Jobs


@pytest.mark.parametrize("state", [{"waiting": {"reason": "ContainerCreating"}}, {}])
async def test_a_container_that_has_not_begun_has_no_log_and_none_is_asked_for(state: dict[str, Any]) -> None:
    pod = {"metadata": {"name": "p"}, "status": {"containerStatuses": [{"state": state}]}}
    jobs: Any = Jobs(None, None, None)  # type: ignore[arg-type]
    assert await jobs._output(pod) == "" and await jobs._output(None) == ""


def test_only_what_somebody_asked_for_is_a_change() -> None:
    seen: dict[str, Any] = {
        "metadata": {"name": "a", "uid": "1", "resourceVersion": "7", "managedFields": []},
        "spec": {"replicas": 1},
    }
    noted = {**seen, "metadata": {**seen["metadata"], "resourceVersion": "8"}, "status": {"ready": 1}}
    assert _wanted(noted) == _wanted(seen)
    for changed in (
        {**seen, "spec": {"replicas": 2}},
        {**seen, "metadata": {**seen["metadata"], "annotations": {"a": "b"}}},
        {**seen, "metadata": {**seen["metadata"], "uid": "2"}},
    ):
        assert _wanted(changed) != _wanted(seen)
