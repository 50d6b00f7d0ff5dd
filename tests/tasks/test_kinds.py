"""The three kinds of task: what is tried again, and what Prefect is not asked."""

from __future__ import annotations

import pytest

from tasks.kinds import RETRIES, act, derive, observe


async def nothing() -> None:
    """A task's work."""


@pytest.mark.parametrize(("kind", "retries"), [(derive, RETRIES), (observe, RETRIES), (act, 0)])
def test_a_deed_is_never_tried_again_by_prefect(kind: object, retries: int) -> None:
    assert kind("x")(nothing).retries == retries  # type: ignore[operator]


@pytest.mark.parametrize("kind", [derive, observe, act])
def test_no_stage_waits_for_a_concurrency_slot(kind: object) -> None:
    """Prefect asks its server for one for each tag, before the task and after it."""
    assert not kind("x")(nothing).tags  # type: ignore[operator]
