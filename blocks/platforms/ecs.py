"""The platform `ecs`: services run as tasks of Amazon ECS, behind a rule of an Application Load Balancer.

There is no agent. What an environment is to be (`domain/charter.py`) lies in a table of DynamoDB, which alone of these
services can compare and swap. The rule's weights are made to agree with it after each verb, and by whoever looks next.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, PrivateAttr, SecretStr

from blocks.platforms.chartered import Splits
from blocks.platforms.ecs_parts import belongings, notebook, target_groups, traffic
from blocks.platforms.ecs_parts.aws import Aws, Connection
from blocks.platforms.ecs_parts.names import Names, installed
from blocks.platforms.ecs_parts.place import EcsPlace, Known
from blocks.platforms.ecs_parts.setup import Setup
from domain.charter import Charter
from domain.errors import SpecError
from domain.place import Capability, Target, Traffic

Arn = str
_NEEDED = ("region", "cluster", "listener_arn", "subnets")


class EcsPlatform(Splits):
    """Runs services on Amazon ECS, Fargate or EC2, behind an Application Load Balancer.

    Example:
        ```python
        from blocks.platforms.ecs import EcsPlatform

        platform = EcsPlatform.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "ECS Platform"
    _block_type_slug = "ecs-platform"
    _documentation_url = (
        "https://github.com/test-execution-system/test-execution-system/"  # type: ignore[assignment]
        "blob/main/docs/reference/ecs-platform.md"
    )

    capabilities: ClassVar[frozenset[Capability]] = frozenset(Capability)
    poll: ClassVar[float] = 2.0

    region: str | None = Field(default=None, description="The AWS region. Needed.")
    cluster: str | None = Field(default=None, description="The ECS cluster, by name. Needed.")
    listener_arn: Arn | None = Field(default=None, description="A listener of an Application Load Balancer. Needed.")
    subnets: tuple[str, ...] = Field(default=(), description="Where tasks run. Needed.")
    host: str = Field(
        default="", description="The requests that are a target's, by host: {service}.{environment}.example.com."
    )
    path: str = Field(default="/*", description="The same by path. {service} and {environment} are replaced.")
    public_address: str = Field(
        default="", description="Where the public reaches a target; from the host, or the load balancer's name."
    )
    installation: str = Field(
        default="tes",
        pattern=r"^[a-z0-9][a-z0-9-]{0,15}$",
        description="Installations that share an account see nothing of each other.",
    )
    table: str = Field(default="tes-charters", description="The DynamoDB table that charters lie in.")
    security_groups: tuple[str, ...] = Field(default=(), description="Of tasks; they must let the load balancer in.")
    assign_public_ip: bool = Field(default=False, description="For subnets that reach registries by no other way.")
    launch_type: Literal["FARGATE", "EC2"] = Field(default="FARGATE", description="What tasks run on.")
    capacity_provider_strategy: tuple[dict[str, Any], ...] = Field(
        default=(), description="Instead of the launch type, as ECS writes it."
    )
    job_capacity_provider_strategy: tuple[dict[str, Any], ...] = Field(
        default=(), description="The same for jobs: FARGATE_SPOT, where they may be interrupted."
    )
    execution_role_arn: Arn = Field(default="", description="With it ECS pulls images, reads secrets, writes logs.")
    task_role_arn: Arn = Field(default="", description="What the services themselves may do on AWS.")
    registry_secret_arn: Arn = Field(default="", description="A private registry's user and password, for ECS.")
    log_group: str = Field(default="", description="CloudWatch Logs, for services and jobs; it must exist.")
    architecture: Literal["X86_64", "ARM64"] = Field(default="X86_64", description="Of Fargate's processors.")
    container_health: tuple[str, ...] = Field(
        default=(),
        description="A health check inside the container, as ECS writes it; ${PORT} and ${PATH} are replaced. The "
        "image must have what it runs.",
    )
    start_seconds: float = Field(default=300.0, gt=0, description="How long a task may take until it runs.")
    profile: str | None = Field(default=None, description="Of the AWS configuration. Else as boto3 finds credentials.")
    access_key_id: str | None = Field(default=None, description="A key of its own, instead of boto3's search.")
    secret_access_key: SecretStr | None = Field(default=None, description="Belongs to the key.")
    session_token: SecretStr | None = Field(default=None, description="Belongs to a temporary key.")
    endpoint_url: str | None = Field(default=None, description="Another place than AWS's own, for all services.")
    endpoints: dict[str, str] = Field(
        default_factory=dict,
        description="The same for one: ecs, elbv2, dynamodb, logs, secretsmanager, cloudwatch.",
    )
    connect_timeout: float = Field(default=5.0, gt=0, description="Seconds.")
    read_timeout: float = Field(default=30.0, gt=0, description="Seconds.")
    attempts: int = Field(default=5, ge=1, description="Of one call, throttled ones included.")

    _aws: Aws | None = PrivateAttr(default=None)  # one client a service for all verbs
    _known: Known = PrivateAttr(default_factory=Known)

    @property
    def pulls(self) -> bool:
        """As PullsImages.pulls: AWS does; an emulator may run what its engine has."""
        asked = self.endpoints.get("ecs") or self.endpoint_url
        return asked is None or ".amazonaws.com" in asked

    def place(self, target: Target) -> EcsPlace:
        return EcsPlace(self._connected(), self._setup(), target, self._known)

    async def targets(self) -> Sequence[Target]:
        """As HostsServices.targets."""
        return sorted((charter.target for charter in await self._charters()), key=str)

    async def traffic(self, target: Target, version: str, since: float) -> Traffic:
        """As ObservesTraffic.traffic, from CloudWatch: to the minute, and some minutes late."""
        place, now = self.place(target), time.time()
        placed = (await place.charter()).of(version) if await place.begun() else None
        group = await target_groups.arn_of(place.aws, place.names.of(placed.release)) if placed is not None else None
        if group is None:
            return Traffic(version=version)
        request = traffic.queries((await place.balancer()).arn, group, since, now)
        results = await place.aws.pages("cloudwatch", "GetMetricData", "MetricDataResults", **request)
        return traffic.told(version, results, now - since)

    async def garbage(self) -> Sequence[str]:
        """What has this installation's tags, and no charter wants: one line each. Nothing is changed."""
        return (await self._garbage()).told()

    async def collect(self) -> Sequence[str]:
        """It is removed; what was, one line each."""
        for charter in await self._charters():
            await self.place(charter.target).tell(charter)  # a rule that was not told may name what is to go
        left = await self._garbage()
        await belongings.remove(self._connected(), self._setup(), left)
        return left.told()

    async def _garbage(self) -> belongings.Belongings:
        aws, setup = self._connected(), self._setup()
        charters = {Names(charter.target, self.installation): charter for charter in await self._charters()}
        wanted = {names.of(placed.release) for names, charter in charters.items() for placed in charter.releases}
        left = await belongings.found(aws, setup, "tes-", lambda tags: installed(tags) == self.installation, wanted)
        left.rules = await belongings.lost_rules(aws, setup, list(charters))
        return left

    async def _charters(self) -> list[Charter]:
        return await notebook.charters(self._connected(), self._setup().table, self.installation)

    def _connected(self) -> Aws:
        if self._aws is None:
            keys = {
                "aws_access_key_id": self.access_key_id,
                "aws_secret_access_key": self.secret_access_key and self.secret_access_key.get_secret_value(),
                "aws_session_token": self.session_token and self.session_token.get_secret_value(),
            }
            self._aws = Aws(
                Connection(
                    region=self._setup().region,
                    profile=self.profile,
                    endpoint=self.endpoint_url,
                    endpoints=self.endpoints,
                    keys={name: value for name, value in keys.items() if value},
                    connect_timeout=self.connect_timeout,
                    read_timeout=self.read_timeout,
                    attempts=self.attempts,
                )
            )
        return self._aws

    def _setup(self) -> Setup:
        """SpecError for a block without what every target needs."""
        missing = [name for name in _NEEDED if not getattr(self, name)]
        if missing:
            raise SpecError(
                f"the platform ecs is not configured: {', '.join(missing)} not set",
                fix="save a block ecs-platform with these fields, and name it: platform: ecs-platform/my-block",
            )
        return Setup(**{name: getattr(self, name) for name in Setup.__dataclass_fields__})


PLATFORM = EcsPlatform
