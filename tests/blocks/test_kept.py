"""A saved platform is had from Prefect's server, and while that is away as it was last seen here. Against a real
Prefect server."""

from __future__ import annotations

import asyncio
import socket
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.testing.utilities import prefect_test_harness
from pydantic import SecretStr

from blocks import kept
from blocks.platforms import platform_named
from blocks.platforms.ecs import EcsPlatform
from domain.errors import SpecError, Unavailable

NAMED = "ecs-platform/prod"
SECRET = "a-secret-that-is-long"
SECRETS = {"include_secrets": True}
AWAY = {PREFECT_API_URL: "http://127.0.0.1:9/api"}


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=240):  # a busy machine is slow to start one
        yield


@pytest.fixture
async def saved(tes_home: Path, monkeypatch: pytest.MonkeyPatch) -> EcsPlatform:
    """A block with a secret and settings of its own, that was used here once."""
    monkeypatch.setattr(kept, "WITHIN_S", 60.0)  # a busy machine
    kept._away.clear()
    block = EcsPlatform(region="eu-west-1", cluster="shop", access_key_id="AK", secret_access_key=SecretStr(SECRET))
    await block.save("prod", overwrite=True)
    await platform_named(NAMED)
    return block


def said(block: object) -> dict[str, object]:
    """All that it says, but for the document that Prefect has it in."""
    assert isinstance(block, EcsPlatform)
    return {name: value for name, value in block.model_dump(context=SECRETS).items() if not name.startswith("_")}


def same(found: object, block: EcsPlatform) -> bool:
    assert said(found) == said(block)
    return True


async def test_while_the_server_is_away_the_platform_is_as_it_was_and_that_is_said(
    saved: EcsPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(kept.log, "warning", lambda text, *words: told.append(text % words))
    with temporary_settings(AWAY):
        for _ in range(2):
            assert same(await platform_named(NAMED), saved)
    (line,) = told  # and the server was not asked a second time
    assert line.startswith("Prefect's server does not answer") and f"{NAMED} is as it was on 20" in line
    assert SECRET not in line


async def test_a_server_that_keeps_silent_is_waited_for_a_while_only(
    saved: EcsPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "WITHIN_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        silent = {PREFECT_API_URL: f"http://127.0.0.1:{mute.getsockname()[1]}/api"}
        with temporary_settings(silent):
            assert same(await asyncio.wait_for(platform_named(NAMED), 30), saved)


async def test_without_a_server_none_is_started(saved: EcsPlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    async def started(*_: object, **__: object) -> None:
        raise AssertionError("Prefect was asked, and would have started a server of its own")

    monkeypatch.setattr(EcsPlatform, "aload", started)
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert same(await platform_named(NAMED), saved)


async def test_the_server_s_word_replaces_the_copy(saved: EcsPlatform) -> None:
    later = saved.model_copy(update={"cluster": "another"})
    await EcsPlatform.model_validate(said(later)).save("prod", overwrite=True)
    assert same(await platform_named(NAMED), later)
    with temporary_settings(AWAY):
        assert same(await platform_named(NAMED), later)


async def test_a_copy_is_its_owners_alone(saved: EcsPlatform, tes_home: Path) -> None:
    (copy,) = (tes_home / "blocks").iterdir()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600 and stat.S_IMODE(copy.parent.stat().st_mode) == 0o700


async def test_a_block_that_was_deleted_is_forgotten(saved: EcsPlatform, tes_home: Path) -> None:
    await EcsPlatform.adelete("prod")
    with pytest.raises(SpecError, match=f"there is no block {NAMED}"):
        await platform_named(NAMED)
    assert list((tes_home / "blocks").iterdir()) == []


class Garbage(BaseHTTPRequestHandler):
    """What a proxy says in place of the server behind it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>we are back soon</html>")

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


async def test_an_answer_that_is_none_takes_no_copy_away(saved: EcsPlatform) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Garbage)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{server.server_port}/api"}):
        assert same(await platform_named(NAMED), saved)
    server.shutdown()
    server.server_close()
    kept._away.clear()
    with temporary_settings(AWAY):
        assert same(await platform_named(NAMED), saved)


async def test_a_copy_that_is_cut_off_is_no_platform(saved: EcsPlatform, tes_home: Path) -> None:
    (copy,) = (tes_home / "blocks").iterdir()
    copy.write_text(copy.read_text()[:40])
    with temporary_settings(AWAY), pytest.raises(SpecError, match="is of no use") as told:
        await platform_named(NAMED)
    assert SECRET not in str(told.value)


async def test_a_block_never_used_here_is_not_to_be_had_while_the_server_is_away(tes_home: Path) -> None:
    once = {**AWAY, PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(once), pytest.raises(Unavailable, match=f"the platform {NAMED} is not known here"):
        await platform_named(NAMED)


async def test_a_machine_that_can_keep_nothing_goes_on(saved: EcsPlatform, tes_home: Path) -> None:
    (copy,) = (tes_home / "blocks").iterdir()
    copy.unlink()
    copy.parent.rmdir()
    copy.parent.write_text("a file where the folder would be")
    assert same(await platform_named(NAMED), saved)
