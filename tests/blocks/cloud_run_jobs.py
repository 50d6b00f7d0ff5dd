"""Jobs of the stand-in: a real container an execution."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from tests.blocks.cloud_run_containers import CannotStart
from tests.blocks.cloud_run_world import FAILED, OK, WAITING, Refused, StandInWorld, condition, now


class StandInJobs:
    def __init__(self, world: StandInWorld) -> None:
        self.world = world
        self.jobs: dict[str, dict[str, Any]] = {}
        self.executions: dict[str, dict[str, Any]] = {}
        self.attempts: dict[str, dict[str, Any]] = {}
        self._cancelled: set[str] = set()

    def create(self, parent: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        full = f"{parent}/jobs/{name}"
        if full in self.jobs:
            raise Refused(409, f"Resource '{name}' already exists.", "ALREADY_EXISTS")
        self.jobs[full] = {**body, "name": full, "createTime": now(), "etag": '"1"'}
        operation = self.world.operation(parent, {"name": full}, "Job")
        self.world.finish(operation, "Job", self.jobs[full])
        return operation

    def job(self, name: str) -> dict[str, Any]:
        if name not in self.jobs:
            raise Refused(404, f"Resource '{name.rpartition('/')[2]}' of kind 'JOB' does not exist.")
        return self.jobs[name]

    def delete(self, name: str) -> dict[str, Any]:
        shown = self.job(name)
        del self.jobs[name]
        operation = self.world.operation(name.rpartition("/jobs/")[0], {"name": name}, "Job")
        self.world.finish(operation, "Job", shown)
        return operation

    def run(self, name: str) -> dict[str, Any]:
        job = self.job(name)
        execution = f"{name}/executions/{name.rpartition('/')[2]}-{uuid.uuid4().hex[:5]}"
        self.executions[execution] = {
            "name": execution,
            "job": name,
            "createTime": now(),
            "runningCount": 1,
            "taskCount": 1,
            "conditions": [condition("Completed", WAITING)],
        }
        operation = self.world.operation(name.rpartition("/jobs/")[0], {"name": execution}, "Execution")
        self.world.background(self._run(execution, job["template"]["template"]))
        return operation

    def execution(self, name: str) -> dict[str, Any]:
        if name not in self.executions:
            raise Refused(404, f"Execution '{name}' does not exist.")
        return self.executions[name]

    def cancel(self, name: str) -> dict[str, Any]:
        self._cancelled.add(self.execution(name)["name"])
        operation = self.world.operation(name.rpartition("/jobs/")[0], {"name": name}, "Execution")
        self.world.finish(operation, "Execution", self.executions[name])
        return operation

    async def _run(self, execution: str, task: dict[str, Any]) -> None:
        short = execution.rpartition("/")[2]
        container, attempt = task["containers"][0], {}
        message = ""
        try:
            told = self.world.environment(container)
            made = await self.world.containers.start(container, told, {"CLOUD_RUN_EXECUTION": short}, None)
            deadline = asyncio.get_running_loop().time() + float(task["timeout"].rstrip("s"))
            while made.status not in ("exited", "dead"):
                if execution in self._cancelled or asyncio.get_running_loop().time() > deadline:
                    message = "The configured timeout was reached." if execution not in self._cancelled else "Cancelled"
                    await asyncio.to_thread(made.kill)
                await asyncio.sleep(0.05)
                await asyncio.to_thread(made.reload)
            attempt = {"exitCode": made.attrs["State"]["ExitCode"]}
            self.world.said += [(short, line) for line in (await self.world.containers.output(made)).splitlines()]
            await self.world.containers.remove(made, 0)
        except CannotStart as error:
            message = error.message
        if message:
            attempt = {"status": {"code": 9, "message": message}}
        good = attempt.get("exitCode") == 0
        if not good and not message:
            attempt["status"] = {"code": 2, "message": f"The container exited with an error: {attempt['exitCode']}"}
        self.attempts[execution] = attempt
        self.executions[execution] |= {
            "completionTime": now(),
            "runningCount": 0,
            "succeededCount": int(good),
            "failedCount": int(not good),
            "conditions": [condition("Completed", OK if good else FAILED, **({"message": message} if message else {}))],
        }

    def tasks(self, execution: str) -> list[dict[str, Any]]:
        self.execution(execution)
        return [{"name": f"{execution}/tasks/0", "lastAttemptResult": self.attempts.get(execution, {})}]
