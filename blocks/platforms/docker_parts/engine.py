"""The Docker Engine's API, off the event loop, with its failures in our words."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from domain.errors import CapabilityError, PlatformError, Rejected, Unavailable

if TYPE_CHECKING:
    from docker import DockerClient

T = TypeVar("T")
TIMEOUT = 30.0  # seconds that one call may take; what lasts longer is asked for in pieces

# Answers 500 that are a definite no, by a part of what they say.
_DEFINITE = ("port is already allocated", "address already in use", "executable file not found", "no such file",
             "manifest unknown", "pull access denied", "unauthorized", "invalid reference")  # fmt: skip


class Engine:
    """One engine, found as the `docker` command finds it where `url` is None. Remote ones by TCP with TLS, or SSH."""

    def __init__(self, url: str | None = None, tls_folder: Path | None = None, timeout: float = TIMEOUT) -> None:
        self.url, self.tls_folder, self.timeout = url, tls_folder, timeout
        self._client: DockerClient | None = None
        self._connecting = threading.Lock()

    async def do(self, work: Callable[[DockerClient], T]) -> T:
        """What `work` returns, in a thread. Unavailable when there is no answer, Rejected for a definite no."""
        return await asyncio.to_thread(self._do, work)

    def _do(self, work: Callable[[DockerClient], T]) -> T:
        try:
            from docker.errors import APIError, DockerException
            from requests.exceptions import RequestException
        except ImportError as error:
            raise CapabilityError(
                "the docker platform needs the extra `docker`, which is not installed",
                fix="pip install 'test-execution-system[docker]'",
            ) from error
        try:
            return work(self._connected())
        except APIError as error:
            raise translated(error.status_code or 0, str(error.explanation or error)) from error
        except (DockerException, RequestException, OSError) as error:
            raise Unavailable(
                f"the Docker engine at {self.url or 'the default address'} does not answer: {error}",
                fix="start it (scripts/start-docker.sh), or correct the block's `engine`",
            ) from error

    def _connected(self) -> DockerClient:
        with self._connecting:
            if self._client is None:
                self._client = self._connect()
                weakref.finalize(self, self._client.close)
            return self._client

    def _connect(self) -> DockerClient:
        import docker

        class Direct(docker.APIClient):  # type: ignore[misc]
            """Trusts the certificates that it was given, whatever bundle or proxy the environment names for the web
            (REQUESTS_CA_BUNDLE and its like would win over them)."""

            trust_env = property(lambda self: False, lambda self, value: None)

        class Client(docker.DockerClient):  # type: ignore[misc]
            def __init__(self, **given: Any) -> None:
                self.api = Direct(**given)

        given: dict[str, Any] = {"base_url": self.url} if self.url else docker.utils.kwargs_from_env()
        if self.url and self.tls_folder is not None:
            folder = self.tls_folder.expanduser()
            pair = (str(folder / "cert.pem"), str(folder / "key.pem"))
            given["tls"] = docker.tls.TLSConfig(client_cert=pair, ca_cert=str(folder / "ca.pem"), verify=True)
        return Client(timeout=self.timeout, use_ssh_client=True, **given)


def translated(status: int, explanation: str) -> PlatformError:
    """An answer of the engine that says no, as what it means for whoever asked."""
    said = f"the Docker engine says {status}: {explanation}"
    if status in (401, 403):
        return Rejected(said, fix="give the block credentials that may do this")
    if status == 429 or status >= 500 and not any(words in explanation for words in _DEFINITE):
        return Unavailable(said)
    if "port is already allocated" in explanation or "address already in use" in explanation:
        return Rejected(said, fix="set environments.<name>.port to a free one, or stop what uses it")
    return Rejected(said)
