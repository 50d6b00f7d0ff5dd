"""A real registry on this machine, for the tests that push; closed to strangers where that is wanted."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "hunter2hunter2"
# Of that word, as htpasswd -B writes it.
_BCRYPT = "$2b$04$pma8k5z4Sj2mPe/iRv0R2uElr0Z8XmItsaEBBg1Obnvld9V5MpnFy"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def registry(folder: Path, *, closed: bool = False) -> Iterator[str]:
    """Its host:port. A closed one lets nobody in but user `ci` with PASSWORD."""
    folder.mkdir(parents=True)
    port, auth = free_port(), ""
    if closed:
        (folder / "users").write_text(f"ci:{_BCRYPT}\n")
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
