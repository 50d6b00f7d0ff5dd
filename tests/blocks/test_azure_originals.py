"""What is asked of Microsoft's own software: a charter's store of their emulator, tokens of their library over TLS."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import SecretStr

from blocks.platforms.aci_parts.arm import Arm
from blocks.platforms.aci_parts.credentials import Credentials
from blocks.platforms.aci_parts.notebook import Document, Notebook
from blocks.platforms.chartered import Stale
from domain.charter import Charter
from domain.errors import Rejected, Unavailable
from domain.place import Target

pytestmark = pytest.mark.timeout(120)
TARGET = Target(service="shop", environment="staging")


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """For 127.0.0.1, believed by this process."""
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    made += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
    subprocess.run(made, check=True, capture_output=True)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):  # of httpx, and of azure-identity
        monkeypatch.setenv(name, str(tmp_path / "cert"))
    return tmp_path


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Signed(Credentials):
    """Tokens that the emulator takes: it looks at their claims, not at their signature."""

    def token(self, scope: str, *, anew: bool = False) -> str:
        now = int(time.time())
        claims = {
            "aud": scope.removesuffix("/.default"),
            "iss": "https://sts.windows.net/tests/",
            "iat": now,
            "nbf": now,
        }
        parts = ({"alg": "HS256", "typ": "JWT"}, {**claims, "exp": now + 3600, "ver": "1.0"})
        return ".".join(
            [*(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in parts), "x"]
        )


@pytest.fixture
async def notebook(certificate: Path) -> AsyncIterator[Notebook]:
    port = free_port()
    argv = ["azurite-blob", "--blobHost", "127.0.0.1", "--blobPort", str(port), "--oauth", "basic"]
    argv += [
        "--cert",
        str(certificate / "cert"),
        "--key",
        str(certificate / "key"),
        "--inMemoryPersistence",
        "--silent",
    ]
    emulator = subprocess.Popen(argv, cwd=certificate, env={**os.environ, "AZURITE_ACCOUNTS": "shop:c2VjcmV0"})
    arm = Arm("https://nowhere.test", Signed(), timeout=5.0, patience=20.0)
    yield Notebook(arm, f"https://127.0.0.1:{port}/shop", "tes", "tes")
    emulator.terminate()
    await asyncio.to_thread(emulator.wait)


@pytest.mark.requires("azurite")
async def test_microsofts_emulator_keeps_a_charter_by_compare_and_swap(notebook: Notebook) -> None:
    assert await notebook.read(TARGET) is None and await notebook.targets() == []
    await asyncio.gather(*(notebook.begin(TARGET) for _ in range(3)))
    first = await notebook.read(TARGET)
    assert first is not None and first.charter == Charter(target=TARGET)
    one, two = (Document(charter=first.charter.noted("who", name), left={3: 1.5}) for name in ("one", "two ☃"))
    etag = await notebook.swap(TARGET, first.etag, one)
    with pytest.raises(Stale):
        await notebook.swap(TARGET, first.etag, two)
    assert await notebook.swap(TARGET, first.etag, one) == etag, "its own, said again"
    await notebook.swap(TARGET, etag, two)
    last = await notebook.read(TARGET)
    assert last is not None and last.document == two
    others = [Target(service=name, environment="pr/7 ä") for name in ("a%2Fb", "c.json", "x/y")]
    for target in others:
        await notebook.begin(target)
    assert await notebook.targets() == sorted([TARGET, *others], key=str)
    for target in (*others, TARGET, TARGET):
        await notebook.delete(target)
    assert await notebook.targets() == []
    with pytest.raises(Stale):
        await notebook.swap(TARGET, etag, one)


@pytest.mark.requires("azure-mgmt")
async def test_a_client_secret_is_changed_for_a_token_at_another_authority(certificate: Path) -> None:
    """And one that is refused is a definite no, which does not hold the secret."""
    app = FastAPI(openapi_url=None)
    said: list[str] = []

    async def answer(request: Request) -> Response:
        base = f"https://127.0.0.1:{port}/tenant"
        if request.method == "GET":
            paths = {"token_endpoint": "token", "authorization_endpoint": "authorize"}
            found = {name: f"{base}/oauth2/v2.0/{path}" for name, path in paths.items()}
            return Response(json.dumps({**found, "issuer": f"{base}/v2.0"}), media_type="application/json")
        form = (await request.body()).decode()
        said.append(form)
        if "client_secret=right" in form:
            body = {"token_type": "Bearer", "expires_in": 3600, "access_token": "the-token"}
            return Response(json.dumps(body), media_type="application/json")
        body = {"error": "invalid_client", "error_description": "AADSTS7000222: the client secret keys are expired."}
        return Response(json.dumps(body), 401, media_type="application/json")

    app.add_api_route("/{path:path}", answer, methods=["GET", "POST"])
    port = free_port()
    files: dict[str, Any] = {"ssl_certfile": certificate / "cert", "ssl_keyfile": certificate / "key"}
    config = uvicorn.Config(app, port=port, log_level="critical", timeout_graceful_shutdown=1, **files)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())

    def token(secret: str, at: int) -> str:
        made = Credentials("tenant", "client", SecretStr(secret), authority=f"https://127.0.0.1:{at}")
        return made.token("https://management.test/.default")

    try:
        while not server.started:
            await asyncio.sleep(0.01)
        assert await asyncio.to_thread(token, "right", port) == "the-token"
        assert "scope=https%3A%2F%2Fmanagement.test%2F.default" in said[0]
        with pytest.raises(Rejected, match="AADSTS7000222") as error:
            await asyncio.to_thread(token, "wrong-secret", port)
        assert "renew the client secret" in error.value.fix and "wrong-secret" not in str(error.value)
        with pytest.raises(Unavailable, match="the authority gives no token"):
            await asyncio.to_thread(token, "right", free_port())
    finally:
        server.should_exit = True
        await serving
