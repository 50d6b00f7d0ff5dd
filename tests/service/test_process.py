"""The real process on a real socket: it starts without a database, tells what is wrong, and opens itself to nobody."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from domain.errors import SpecError
from service.__main__ import main
from service.binding import checked, loopback


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    environment = {**os.environ, **variables}
    return subprocess.Popen(
        [sys.executable, "-m", "service", *arguments], env=environment, stderr=subprocess.PIPE, text=True
    )


@contextmanager
def _running(port: int, *arguments: str, **variables: str) -> Iterator[str]:
    process = _start(*arguments, **variables)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                if httpx.get(f"{url}/healthz").status_code == 200:
                    break
            except httpx.TransportError:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=20)[1]
    assert process.returncode in (0, -signal.SIGTERM), said
    assert "Traceback" not in said


def test_it_answers_on_loopback_at_the_port_it_was_given(database: str) -> None:
    port = _free_port()
    with _running(port, "--port", str(port), TES_DATABASE_URL=database) as url:
        assert httpx.get(f"{url}/readyz").json() == {"status": "ready"}
        assert httpx.head(f"{url}/healthz").status_code == 200
        assert httpx.get(f"{url}/api/v1/runs").json() == {"items": [], "next": None}
        assert "server" not in httpx.get(f"{url}/healthz").headers


@pytest.mark.parametrize("variable", ["PORT", "TES_SERVICE_PORT"])
def test_the_port_comes_from_the_environment_where_a_platform_gives_it(database: str, variable: str) -> None:
    port = _free_port()
    with _running(port, TES_DATABASE_URL=database, **{variable: str(port)}) as url:
        assert httpx.get(f"{url}/healthz").json() == {"status": "alive"}


def test_without_a_database_it_is_alive_and_not_ready_and_says_why() -> None:
    port = _free_port()
    broken = "postgresql://tes:s3cr3t-pw@127.0.0.1:1/records"
    with _running(port, "--port", str(port), TES_DATABASE_URL=broken) as url:
        for path in ("/readyz", "/api/v1/runs"):
            answer = httpx.get(url + path)
            assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
            told = answer.json()
            assert "127.0.0.1" in told["detail"] and "PostgreSQL" in told["fix"] and "s3cr3t-pw" not in answer.text


def test_a_database_that_comes_late_makes_it_ready(tmp_path: Path) -> None:
    port, place = _free_port(), tmp_path / "state"
    place.write_text("in the way")
    with _running(port, "--port", str(port), TES_DATABASE_URL=f"sqlite:///{place}/records.db") as url:
        assert httpx.get(f"{url}/readyz").status_code == 503
        place.unlink()
        assert httpx.get(f"{url}/readyz").status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.invalid"])
def test_it_refuses_to_be_open_to_other_machines(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.binding.in_container", lambda: False)
    with pytest.raises(SpecError, match="no access control yet"):
        checked(host)


def test_in_a_container_it_may_listen_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert checked("0.0.0.0") == "0.0.0.0"


def test_listening_everywhere_in_a_container_is_warned_about(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The socket is left out: a test opens nothing to other machines."""
    asked: list[tuple[str, int]] = []
    monkeypatch.setenv("K_SERVICE", "tes")
    monkeypatch.setenv("TES_SERVICE_HOST", "0.0.0.0")
    monkeypatch.setattr("service.__main__._listen", lambda host, port: asked.append((host, port)))
    monkeypatch.setattr("service.__main__._serve", lambda listening: None)
    assert main(["--port", "8000"]) == 0
    assert asked == [("0.0.0.0", 8000)] and "without access control" in caplog.text


def test_outside_a_container_listening_everywhere_ends_before_anything_is_opened(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("service.binding.in_container", lambda: False)
    assert main(["--host", "0.0.0.0", "--port", "0"]) == 3
    said = capsys.readouterr().err
    assert "other machines" in said and "fix:" in said


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_is_known(host: str) -> None:
    assert loopback(host)


def test_a_port_in_use_is_one_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = _start("--port", str(taken.getsockname()[1]))
        said = process.communicate(timeout=30)[1]
    assert process.returncode == 3 and "is in use" in said and "fix:" in said and "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "variables", "named"),
    [
        (["--port", "http"], {}, "--port='http'"),
        ([], {"PORT": "70000"}, "PORT='70000'"),
        ([], {"TES_SERVICE_PORT": "-1"}, "TES_SERVICE_PORT='-1'"),
    ],
)
def test_a_wrong_setting_is_named(arguments: list[str], variables: dict[str, str], named: str) -> None:
    process = _start(*arguments, **variables)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 3 and named in said and "fix:" in said and "Traceback" not in said
