"""An engine elsewhere: over TCP with TLS, both sides known to each other, and by SSH. It is the real one of here."""

from __future__ import annotations

import os
import select
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.platforms.docker import DockerPlatform
from domain.errors import Unavailable
from tests.blocks.docker_subject import INSTALLATION, DockerSubject
from tests.blocks.image_contract import ImageContract
from tests.blocks.images import PROXY, can_make_images, make_images
from tests.blocks.platform_contract import TARGET

pytestmark = [
    pytest.mark.requires("docker"),
    pytest.mark.skipif(not can_make_images(), reason="making images needs root and debootstrap"),
    pytest.mark.timeout(180),
]
ENGINE = "/var/run/docker.sock"
suite = ImageContract()


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)


def certificates(folder: Path) -> Path:
    """An authority, a server that is 127.0.0.1, a client; another folder has a client that nobody vouches for."""
    stranger = folder / "stranger"
    stranger.mkdir()
    new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    openssl(folder, *new, "-subj", "/CN=authority", "-keyout", "ca-key.pem", "-out", "ca.pem")
    openssl(stranger, *new, "-subj", "/CN=stranger", "-keyout", "key.pem", "-out", "cert.pem")
    (stranger / "ca.pem").write_bytes((folder / "ca.pem").read_bytes())
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    for name, more in (("server-", ("-extfile", "names")), ("", ())):
        request = ("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name or 'client'}")
        openssl(folder, *request, "-keyout", f"{name}key.pem", "-out", f"{name}request.pem")
        signed = ("x509", "-req", "-days", "2", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", *more)
        openssl(folder, *signed, "-in", f"{name}request.pem", "-out", f"{name}cert.pem")
    return folder


def _carry(client: ssl.SSLSocket) -> None:
    """Bytes both ways between a client and the engine, until either has no more."""
    with client, socket.socket(socket.AF_UNIX) as engine:
        engine.connect(ENGINE)
        ends: dict[socket.socket, socket.socket] = {client: engine, engine: client}
        while True:
            for end in [client] if client.pending() else select.select(list(ends), [], [])[0]:
                if not (data := end.recv(65536)):
                    return
                ends[end].sendall(data)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The engine's address with TLS, and the folder of whoever may use it."""
    make_images()
    folder = certificates(tmp_path_factory.mktemp("tls"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.pem"))
    context.load_cert_chain(folder / "server-cert.pem", folder / "server-key.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    listening = socket.create_server(("127.0.0.1", 0))

    def met(plain: socket.socket) -> None:
        try:
            _carry(context.wrap_socket(plain, server_side=True))
        except OSError:
            plain.close()  # a stranger, or somebody who has left

    def serve() -> None:
        while True:
            try:
                plain = listening.accept()[0]
            except OSError:
                return  # closed: the tests are over
            threading.Thread(target=met, args=[plain], daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield f"tcp://127.0.0.1:{listening.getsockname()[1]}", folder
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


async def test_a_release_goes_to_an_engine_over_tls(door: tuple[str, Path]) -> None:
    subject = DockerSubject(engine=door[0], tls_folder=door[1])
    try:
        lease = await suite.lease(subject)
        await suite.stable(subject, lease)
        await suite.stable(subject, lease, "v2")
        assert await subject.send(5) == {"v2": 5}
        await subject.platform.promote(lease, "v1")
        assert await subject.send(5) == {"v1": 5}
    finally:
        await subject.clean()


@pytest.mark.parametrize("who", ["stranger", "nobody"])
async def test_an_engine_with_tls_refuses_whom_it_does_not_know(door: tuple[str, Path], who: str) -> None:
    platform = DockerPlatform(engine=door[0], tls_folder=door[1] / "stranger" if who == "stranger" else None)
    with pytest.raises(Unavailable, match=f"the Docker engine at {door[0]} does not answer") as error:
        await platform.inspect(TARGET)
    assert "engine" in error.value.fix


SSH = """#!/bin/sh
printf '%s\\n' "$*" >>"$0.said"
for last; do :; done
exec sh -c "$last"
"""


async def test_an_engine_by_ssh_is_asked_through_the_ssh_command_which_a_stand_in_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_images()
    ssh = tmp_path / "ssh"
    ssh.write_text(SSH)
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    engine = "ssh://deploy@shop.example"
    platform = DockerPlatform(engine=engine, installation=INSTALLATION, proxy_image=PROXY, bind="0.0.0.0")
    assert list(await platform.targets()) == []
    said = (tmp_path / "ssh.said").read_text().splitlines()
    assert said and all("-l deploy " in line and "shop.example docker system dial-stdio" in line for line in said)
    assert platform._host() == "shop.example", "where its services are reached"
