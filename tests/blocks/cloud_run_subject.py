"""The Cloud Run platform under test: our stand-in for the API, real containers behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from blocks.platforms.cloud_run import CloudRunPlatform
from blocks.platforms.cloud_run_parts.api import Patience
from domain.spec import Health
from tests.blocks.image_contract import ImageSubject
from tests.blocks.images import BASE

if TYPE_CHECKING:
    from tests.blocks.cloud_run_server import StandIn


class QuickCloudRunPlatform(CloudRunPlatform):
    """Looks often, and gives up soon."""

    _block_type_name = "Quick Cloud Run Platform"
    _block_type_slug = "quick-cloud-run-platform"

    poll: ClassVar[float] = 0.1
    patience: ClassVar[Patience] = Patience(call=2.0, first=0.05, most=3.0, operation=30.0, poll=0.05)
    log_patience: ClassVar[float] = 0.5


class CloudRunSubject(ImageSubject):
    patience = 20.0
    health = Health(grace=6.0, interval=0.1, timeout=1.0)

    def __init__(self, server: StandIn, **options: Any) -> None:
        self.server = server
        urls = dict.fromkeys(("endpoint", "secrets_endpoint", "logging_endpoint"), server.url)
        settings = {"project": "shop-1", "region": "europe-west1", "anonymous": True, "neutral_image": BASE}
        self.platform = QuickCloudRunPlatform(**(settings | urls | options))

    def twin(self, **options: Any) -> Self:
        return type(self)(self.server, **options)

    async def jobs_left(self) -> list[str]:
        return [*self.server.jobs.jobs, *self.server.world.secrets]
