"""The agent's ear: one JSON line in, one out, on loopback, with a token that only the owner of the folder can read."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, ValidationError

from blocks.platforms.local_agent.arbiter import Arbiter
from domain.errors import TesError
from domain.place import Job, Lease, Release

LINE = 16 << 20  # bytes
_log = logging.getLogger(__name__)


class Control:
    """Verbs by name; arguments and results are JSON."""

    def __init__(self, arbiter: Arbiter, token: str) -> None:
        self._token = token
        a = arbiter
        self._verbs: dict[str, Callable[..., Awaitable[Any]]] = {
            "acquire": self._acquire,
            "give_back": self._give_back,
            "inspect": a.inspect,
            "provision": lambda lease, release, secrets: a.provision(_lease(lease), _release(release), secrets),
            "readiness": a.readiness,
            "shift": lambda lease, version, weight: a.shift(_lease(lease), version, weight),
            "promote": lambda lease, version: a.promote(_lease(lease), version),
            "abort": lambda lease, stable: a.abort(_lease(lease), stable),
            "retire": lambda lease, version: a.retire(_lease(lease), version),
            "remember": lambda lease, key, text: a.remember(_lease(lease), key, text),
            "run": lambda lease, release, job, secrets: a.run(
                _lease(lease), _release(release), Job.model_validate(job), secrets
            ),
            "traffic": a.traffic,
            "shutdown": a.shutdown,
        }
        self._arbiter = arbiter

    async def _acquire(self, holder: str, ttl: float) -> Lease:
        return await self._arbiter.leases.acquire(holder, ttl)

    async def _give_back(self, lease: Any) -> None:
        await self._arbiter.leases.give_back(_lease(lease))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of one connection. A verb goes on when its caller has gone."""
        try:
            answer = await self._answer(await reader.readline())
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except (OSError, ValueError) as error:
            _log.warning("a caller was lost: %s", error)
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            if not hmac.compare_digest(str(request["token"]).encode(), self._token.encode()):
                return {"error": "Rejected", "message": "the agent does not know this token", "fix": ""}
            verb = self._verbs[request["verb"]]
            result = await verb(**request["arguments"])
        except TesError as error:
            return {"error": type(error).__name__, "message": error.message, "fix": error.fix}
        except (KeyError, TypeError, ValidationError, json.JSONDecodeError) as error:
            _log.exception("a request that is not understood")
            return {
                "error": "Rejected",
                "message": f"the agent does not understand this request: {type(error).__name__}: {error}",
                "fix": "it may be of another version: `tes down`, then again",
            }
        except Exception as error:
            _log.exception("a verb broke")
            return {
                "error": "PlatformError",
                "message": f"the agent broke: {type(error).__name__}: {error}",
                "fix": "its agent.log has the rest",
            }
        return {"result": result.model_dump(mode="json") if isinstance(result, BaseModel) else result}


def _lease(value: Any) -> Lease:
    return Lease.model_validate(value)


def _release(value: Any) -> Release:
    return Release.model_validate(value)
