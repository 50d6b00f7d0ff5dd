"""The platform `cloud_run`: a target is one Cloud Run service, a release one of its revisions.

There is no agent. What an environment is to be (`domain/charter.py`) lies in the service's annotations, and changes in
one update with the traffic (`cloud_run_parts/notes.py` says why).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field, PrivateAttr, SecretStr

from blocks.platforms.chartered import Splits
from blocks.platforms.cloud_run_parts import notes
from blocks.platforms.cloud_run_parts.api import Api, Patience
from blocks.platforms.cloud_run_parts.credentials import Token
from blocks.platforms.cloud_run_parts.litter import Litter
from blocks.platforms.cloud_run_parts.logs import Logs
from blocks.platforms.cloud_run_parts.manifest import Options
from blocks.platforms.cloud_run_parts.names import Names, ours
from blocks.platforms.cloud_run_parts.place import CloudRunPlace
from blocks.platforms.cloud_run_parts.secrets import Secrets
from domain.errors import SpecError
from domain.place import Capability, Target

_INGRESS = {
    "all": "INGRESS_TRAFFIC_ALL",
    "internal": "INGRESS_TRAFFIC_INTERNAL_ONLY",
    "internal-and-load-balancer": "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER",
}
_EGRESS = {"private-ranges": "PRIVATE_RANGES_ONLY", "all": "ALL_TRAFFIC"}


class CloudRunPlatform(Splits):
    """Runs services on Google Cloud Run.

    Example:
        ```python
        from blocks.platforms.cloud_run import CloudRunPlatform

        platform = CloudRunPlatform.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "Cloud Run Platform"
    _block_type_slug = "cloud-run-platform"
    _documentation_url = (
        "https://github.com/test-execution-system/test-execution-system/"  # type: ignore[assignment]
        "blob/main/docs/reference/cloud-run-platform.md"
    )

    capabilities: ClassVar[frozenset[Capability]] = frozenset(Capability) - {Capability.OBSERVES_TRAFFIC}
    poll: ClassVar[float] = 1.0
    patience: ClassVar[Patience] = Patience()
    log_patience: ClassVar[float] = 10.0
    """Seconds until what a container said can be read in Cloud Logging."""

    project: str | None = Field(
        default=None, description="The Google Cloud project's id. GOOGLE_CLOUD_PROJECT when it is not set."
    )
    region: str = Field(default="us-central1", description="The region that services and jobs run in.")
    installation: str = Field(
        default="tes",
        pattern=r"^[a-z][a-z0-9-]{0,15}$",
        description="Begins every name, and is a label. Installations in one project and region see nothing of each "
        "other.",
    )
    credentials: SecretStr | None = Field(
        default=None,
        description="A service account's key (JSON). As Google's libraries find credentials when it is not set.",
    )
    anonymous: bool = Field(default=False, description="No credentials at all, for an `endpoint` that asks for none.")
    endpoint: str = Field(default="https://run.googleapis.com", description="The Cloud Run Admin API.")
    secrets_endpoint: str = Field(default="https://secretmanager.googleapis.com", description="Secret Manager's API.")
    logging_endpoint: str = Field(default="https://logging.googleapis.com", description="Cloud Logging's API.")
    service_account: str | None = Field(
        default=None, description="The e-mail address of whom services and jobs run as. The project's default account."
    )
    public: bool = Field(default=False, description="Anybody may call; else only who has roles/run.invoker.")
    ingress: Literal["all", "internal", "internal-and-load-balancer"] = Field(
        default="all", description="From where services are reached."
    )
    vpc_connector: str | None = Field(default=None, description="A Serverless VPC Access connector's name.")
    network: str | None = Field(default=None, description="A VPC network to send into, without a connector.")
    subnetwork: str | None = Field(default=None, description="The subnetwork of that.")
    egress: Literal["private-ranges", "all"] = Field(
        default="private-ranges", description="Which requests go through the VPC."
    )
    neutral_image: str = Field(
        default="us-docker.pkg.dev/cloudrun/container/hello",
        description="Runs where a service has no release yet, with no instance kept. It must listen on $PORT.",
    )
    request_timeout: int = Field(default=300, ge=1, le=3600, description="Seconds that one request may take.")
    concurrency: int = Field(default=80, ge=1, le=1000, description="Requests that one instance has at a time.")
    max_instances: int = Field(default=100, ge=1, le=1000, description="Of one release; replicas is how many are kept.")
    cpu_always: bool = Field(default=False, description="Instances have their CPU between requests as well.")
    secrets_region: str | None = Field(default=None, description="Where secrets are kept; everywhere when not set.")
    start_slack: float = Field(
        default=60.0, ge=0, description="Seconds that Cloud Run may take to begin before a release's grace counts."
    )

    _kept: dict[str, Api] = PrivateAttr(default_factory=dict)  # one connection for all verbs

    @property
    def pulls(self) -> bool:
        """As PullsImages.pulls: Google's does, in each of its regions; a stand-in may run what its engine has."""
        return ".googleapis.com" in self.endpoint

    def place(self, target: Target) -> CloudRunPlace:
        return CloudRunPlace(
            Names(target, self.installation),
            self._api(self.endpoint),
            self._parent(),
            self._options(),
            self._secrets(),
            Logs(self._api(self.logging_endpoint), self._project(), self.log_patience),
            self.start_slack,
        )

    async def targets(self) -> Sequence[Target]:
        """Every target of this installation, in this project and region."""
        path = f"v2/{self._parent()}/services"
        services = await self._api(self.endpoint).every(path, "services", "looking for services")
        found = (
            notes.target(one.get("annotations", {})) for one in services if ours(one, self.installation, "service")
        )
        return sorted((one for one in found if one is not None), key=str)

    async def garbage(self) -> Sequence[str]:
        """Full names of jobs, secrets and revisions with this installation's labels that no charter wants any more."""
        return await self._litter().found(await self.targets())

    async def collect(self) -> Sequence[str]:
        """Removes them; returns the names of those that are gone."""
        return await self._litter().removed(await self.targets())

    def _litter(self) -> Litter:
        return Litter(self._api(self.endpoint), self._parent(), self.installation, self._secrets(), self.place)

    def _secrets(self) -> Secrets:
        return Secrets(self._api(self.secrets_endpoint), self._project(), self.secrets_region)

    def _project(self) -> str:
        project = self.project or os.environ.get("GOOGLE_CLOUD_PROJECT")
        if not project:
            raise SpecError(
                "the platform cloud_run has no project",
                fix="set `project` in the block, or GOOGLE_CLOUD_PROJECT",
            )
        return project

    def _parent(self) -> str:
        return f"projects/{self._project()}/locations/{self.region}"

    def _options(self) -> Options:
        return Options(
            neutral_image=self.neutral_image,
            service_account=self.service_account,
            ingress=_INGRESS[self.ingress],
            public=self.public,
            connector=self.vpc_connector,
            network=self.network,
            subnetwork=self.subnetwork,
            egress=_EGRESS[self.egress],
            request_timeout=self.request_timeout,
            concurrency=self.concurrency,
            most=self.max_instances,
            cpu_always=self.cpu_always,
        )

    def _api(self, url: str) -> Api:
        if url not in self._kept:
            key = self.credentials.get_secret_value() if self.credentials else None
            self._kept[url] = Api(url, Token(key, self.anonymous), self.patience)
        return self._kept[url]


PLATFORM = CloudRunPlatform
