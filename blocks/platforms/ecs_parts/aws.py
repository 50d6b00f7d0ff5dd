"""The APIs of AWS, off the event loop."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blocks.platforms.ecs_parts.errors import translated, unreached
from domain.errors import CapabilityError, Unavailable

# As policies name them, where that is not the client's name.
_PREFIXES = {"elbv2": "elasticloadbalancing"}


class CutOff(Exception):
    """A success without the body that belongs to it."""


class Answer(dict[str, Any]):
    """What AWS answered. What it always tells and did not is no answer, rather than nothing there."""

    action = ""

    def __missing__(self, key: str) -> Any:
        raise Unavailable(f"AWS gave no whole answer to {self.action}: no {key} in it")


@dataclass(frozen=True)
class Connection:
    """How AWS is reached. `endpoints` by client name; `keys` are boto3's own arguments, and hidden in its repr."""

    region: str
    profile: str | None = None
    endpoint: str | None = None
    endpoints: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    attempts: int = 5

    def url(self, service: str) -> str | None:
        return self.endpoints.get(service) or self.endpoint


class Aws:
    """One client a service, made when it is first asked."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()

    async def call(self, service: str, operation: str, /, **request: Any) -> Answer:
        """AWS's answer to one operation, named as in its API. Unavailable when there was none, or one that says: try
        again; Rejected for a definite no, with AWS's code in `Said`."""
        return await asyncio.to_thread(self._call, service, operation, request)

    async def pages(self, service: str, operation: str, key: str, /, **request: Any) -> list[Any]:
        """All that is under `key` in all of an operation's pages."""
        found: list[Any] = []
        while True:
            answer = await self.call(service, operation, **request)
            found += answer.get(key, []) if service == "elbv2" else answer[key]  # XML may leave an empty list out
            given = next((one for one in _TOKENS if answer.get(one)), None)
            if given is None:
                return found
            request[_TOKENS[given]] = answer[given]

    def _call(self, service: str, operation: str, request: Mapping[str, Any]) -> Answer:
        try:
            from botocore import xform_name
            from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
            from botocore.parsers import ResponseParserError
        except ImportError as error:
            raise CapabilityError(
                "the platform ecs needs the extra `aws`, which is not installed",
                fix="pip install 'test-execution-system[aws]'",
            ) from error
        action = f"{_PREFIXES.get(service, service)}:{operation}"
        try:
            answer = Answer(getattr(self._client(service), xform_name(operation))(**request))
            answer.action = action
            return answer
        except ClientError as error:
            said = error.response.get("Error", {})
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            raise translated(action, str(said.get("Code", "")), str(said.get("Message", "")), status) from error
        except (BotoCoreError, HTTPClientError, ResponseParserError, CutOff, OSError, ValueError, LookupError) as error:
            raise unreached(action, error) from error

    def _client(self, service: str) -> Any:
        with self._making:
            if service not in self._clients:
                self._clients[service] = self._made(service)
            return self._clients[service]

    def _made(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        told = self.connection
        config = Config(
            connect_timeout=told.connect_timeout,
            read_timeout=told.read_timeout,
            retries={"mode": "standard", "total_max_attempts": told.attempts},
        )
        session = boto3.Session(profile_name=told.profile, region_name=told.region, **told.keys)
        client = session.client(service, endpoint_url=told.url(service), config=config)
        client.meta.events.register("after-call", _whole)
        return client


# Where an answer says that there is more: the request's word for it.
_TOKENS = {
    "nextToken": "nextToken",
    "NextToken": "NextToken",
    "NextMarker": "Marker",
    "LastEvaluatedKey": "ExclusiveStartKey",
}


def _whole(http_response: Any, model: Any, **_: Any) -> None:
    """botocore reads a body that is no JSON, or another document, as an empty answer: "nothing is there"."""
    if http_response.status_code >= 300 or model.output_shape is None or not model.output_shape.members:
        return
    if model.service_model.resolved_protocol == "query":
        whole = f"<{model.name}Response".encode() in http_response.content
    else:
        try:
            whole = isinstance(json.loads(http_response.content), dict)
        except ValueError:
            whole = False
    if not whole:
        raise CutOff(f"status {http_response.status_code}, and a body that is none of {model.name}")
