"""A real registry on this machine, for the tests that push; with a password where one is given."""

from __future__ import annotations

import crypt
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def registry(folder: Path, password: str = "") -> Iterator[str]:
    """Its host:port. User `ci` has the password."""
    folder.mkdir(parents=True)
    port, auth = free_port(), ""
    if password:
        salt = crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)
        (folder / "users").write_text(f"ci:{crypt.crypt(password, salt)}\n")
        auth = f"auth:\n  htpasswd:\n    realm: tests\n    path: {folder}/users\n"
    (folder / "config.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {folder}/data}}\n"
        f"http: {{addr: 127.0.0.1:{port}}}\n{auth}"
    )
    log = (folder / "log").open("wb")
    argv = ["docker-registry", "serve", str(folder / "config.yml")]
    process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        _until_it_answers(f"http://127.0.0.1:{port}/v2/", folder / "log")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
        log.close()


def _until_it_answers(url: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
