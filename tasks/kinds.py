"""The whole retry and cache policy of the system: three kinds of task.

`derive` computes something from content: retried, and its result reused by the digest of its inputs. (The reuse is in
`tasks/stage.py`, over the records; docs/decisions/0001-reuse-lives-in-the-records.md says why.)
`observe` looks at the world: retried when the world did not answer, never reused.
`act` changes it: never retried by Prefect; the verb is idempotent and the rollout machine decides.

No task has a tag: for each one that has, Prefect asks its server for a concurrency slot before the task and gives it
back after it, and waits while the server is busy (seconds, while a runtime starts).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

from domain.errors import Unavailable

P = ParamSpec("P")
R = TypeVar("R")

RETRIES = 2


def _no_answer(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    return isinstance(state.data, Unavailable)


def _kind(run_name: str, retries: int) -> Callable[[Callable[P, R]], Task[P, R]]:
    def decorate(function: Callable[P, R]) -> Task[P, R]:
        return Task(
            fn=function,
            task_run_name=run_name or None,
            cache_policy=NO_CACHE,
            persist_result=False,
            retries=retries,
            retry_delay_seconds=exponential_backoff(backoff_factor=1) if retries else None,
            retry_jitter_factor=0.5 if retries else None,
            retry_condition_fn=_no_answer if retries else None,
        )

    return decorate


def derive(run_name: str = "") -> Callable[[Callable[P, R]], Task[P, R]]:
    """Computes from content: build, scan, a shard's result."""
    return _kind(run_name, RETRIES)


def observe(run_name: str = "") -> Callable[[Callable[P, R]], Task[P, R]]:
    """Looks at the world: inspect, measure."""
    return _kind(run_name, RETRIES)


def act(run_name: str = "") -> Callable[[Callable[P, R]], Task[P, R]]:
    """Changes the world: shift traffic, promote."""
    return _kind(run_name, 0)
