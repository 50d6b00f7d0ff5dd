"""What a block says about its place on AWS, as one value for those who do the work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.place import Target

CONTAINER = "app"
PORT = 8000  # where a release listens that names no port


@dataclass(frozen=True)
class Setup:
    """The fields of `EcsPlatform` of the same names; their meaning is told there."""

    region: str
    cluster: str
    listener_arn: str
    subnets: tuple[str, ...]
    installation: str = "tes"
    table: str = "tes-charters"
    host: str = ""
    path: str = "/*"
    public_address: str = ""
    security_groups: tuple[str, ...] = ()
    assign_public_ip: bool = False
    launch_type: str = "FARGATE"
    capacity_provider_strategy: tuple[Mapping[str, Any], ...] = ()
    job_capacity_provider_strategy: tuple[Mapping[str, Any], ...] = ()
    execution_role_arn: str = ""
    task_role_arn: str = ""
    registry_secret_arn: str = ""
    log_group: str = ""
    architecture: str = "X86_64"
    container_health: tuple[str, ...] = ()
    start_seconds: float = 300.0

    def network(self) -> dict[str, Any]:
        """Where tasks get their addresses."""
        return {
            "awsvpcConfiguration": {
                "subnets": list(self.subnets),
                "securityGroups": list(self.security_groups),
                "assignPublicIp": "ENABLED" if self.assign_public_ip else "DISABLED",
            }
        }

    def capacity(self, job: bool = False) -> dict[str, Any]:
        """What tasks run on: a strategy where the block has one, else the launch type; AWS takes only one of them."""
        strategy = self.job_capacity_provider_strategy if job else ()
        strategy = strategy or self.capacity_provider_strategy
        return {"capacityProviderStrategy": [dict(one) for one in strategy]} if strategy else self._launch()

    def _launch(self) -> dict[str, Any]:
        return {"launchType": self.launch_type}

    def conditions(self, target: Target) -> list[dict[str, Any]]:
        """Which requests are this target's. `{service}` and `{environment}` are replaced."""
        words = {"{service}": target.service, "{environment}": target.environment}
        conditions = []
        for field, text, key in (
            ("host-header", self.host, "HostHeaderConfig"),
            ("path-pattern", self.path, "PathPatternConfig"),
        ):
            for word, value in words.items():
                text = text.replace(word, value)
            if text:
                conditions.append({"Field": field, key: {"Values": [text]}})
        return conditions
