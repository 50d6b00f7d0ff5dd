"""The embedded runtime: a Prefect server on SQLite, one process worker and the API service, on loopback.

`up` starts one detached supervisor a home; whoever comes second gets the answer of the first. Nothing here imports
Prefect: a command that a person waits for cannot afford the 2 s that this takes.
"""

from __future__ import annotations

from cli.runtime.environment import environment
from cli.runtime.lifecycle import down, ensure, up, wait_for_api
from cli.runtime.state import Runtime
from cli.runtime.status import ChildStatus, RuntimeStatus, status

__all__ = ["ChildStatus", "Runtime", "RuntimeStatus", "down", "ensure", "environment", "status", "up", "wait_for_api"]
