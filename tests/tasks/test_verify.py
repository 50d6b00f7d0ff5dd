"""What verification says of a service that answers well, badly, slowly or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from domain.place import CopyState, Release, ReleaseState, ServiceState, Target
from domain.spec import Request, Thresholds, Verify
from domain.supply import Artifact
from domain.verdict import Outcome
from tasks.smoke import problem
from tasks.verify import hopeless, unhealthy, verify

TARGET = Target(service="shop", environment="test")
RELEASE = Release(service="shop", version="v1", artifact=Artifact(kind="bundle", digest="sha256:0", location=""))


class Answers(BaseHTTPRequestHandler):
    """200 at every path but /broken."""

    def do_GET(self) -> None:
        self.send_response(500 if self.path == "/broken" else 200)
        self.end_headers()
        self.wfile.write(b"coffee")

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


class Place:
    """A platform that says of one release what it is told to say."""

    def __init__(self, address: str) -> None:
        self.copy = CopyState(name="v1-1", address=address, healthy=True)
        self.failed = False

    async def inspect(self, target: Target) -> ServiceState:
        state = ReleaseState(release=RELEASE, weight=100, copies=(self.copy,), failed=self.failed, reason="it crashed")
        return ServiceState(target=target, stable="v1", releases=(state,), address=self.copy.address)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


async def said(place: Place, how: Verify, seconds: float = 0.3) -> tuple[Outcome, str]:
    verdict = await verify(place, TARGET, "v1", how, seconds, "/healthz", public=True)  # type: ignore[arg-type]
    return verdict.outcome, "; ".join(verdict.reasons)


async def test_good_answers_pass_with_their_numbers(address: str) -> None:
    how = Verify(smoke=(Request(path="/", status=200, contains="coffee"),), rate=20)
    outcome, why = await said(Place(address), how)
    assert (outcome, "error rate 0.00%" in why) == (Outcome.PASS, True)


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (Request(path="/broken"), "/broken: 500"),
        (Request(path="/", status=201), "200, wanted 201"),
        (Request(path="/", contains="tea"), "lacks 'tea'"),
    ],
)
async def test_a_bad_answer_fails_and_is_quoted(address: str, request_: Request, told: str) -> None:
    outcome, why = await said(Place(address), Verify(smoke=(request_,), rate=20))
    assert outcome is Outcome.FAIL
    assert told in why


async def test_a_sure_failure_does_not_wait_for_the_end_of_the_bake(address: str) -> None:
    """Every second more is a second of errors for somebody."""
    began = time.monotonic()
    outcome, _ = await said(Place(address), Verify(smoke=(Request(path="/broken"),), rate=5), seconds=60)
    assert (outcome, time.monotonic() - began < 30) == (Outcome.FAIL, True)


async def test_nobody_there_fails() -> None:
    outcome, why = await said(Place("http://127.0.0.1:9"), Verify(rate=20))
    assert (outcome, "ConnectError" in why) == (Outcome.FAIL, True)


async def test_a_copy_that_falls_ill_ends_the_bake_at_once(address: str) -> None:
    place = Place(address)
    place.failed = True
    outcome, why = await said(place, Verify(rate=5), seconds=60)
    assert (outcome, why) == (Outcome.FAIL, "v1 failed: it crashed")


async def test_too_few_requests_prove_nothing(address: str) -> None:
    outcome, why = await said(Place(address), Verify(rate=10, thresholds=Thresholds(min_requests=1000)))
    assert (outcome, "needed" in why) == (Outcome.INCONCLUSIVE, True)


@pytest.mark.requires("k6")
@pytest.mark.parametrize(("path", "outcome"), [("/", Outcome.PASS), ("/broken", Outcome.FAIL)])
async def test_a_k6_script_has_its_say(address: str, tmp_path: Path, path: str, outcome: Outcome) -> None:
    script = tmp_path / "look.js"
    script.write_text(
        "import http from 'k6/http'; import { check } from 'k6';\n"
        "export const options = { vus: 1, iterations: 3 };\n"
        f"export default () => {{ check(http.get(__ENV.BASE_URL + '{path}'), {{ ok: (r) => r.status === 200 }}); }}\n"
    )
    how = Verify(script=str(script), rate=5, thresholds=Thresholds(error_rate=0, checks=1.0))
    assert (await said(Place(address), how))[0] is outcome


async def test_a_script_without_k6_proves_nothing(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.execute.find", lambda tool: None)
    outcome, why = await said(Place(address), Verify(script="look.js", rate=5))
    assert (outcome, "not installed" in why) == (Outcome.INCONCLUSIVE, True)


def test_restarts_and_missing_copies_are_ill_health() -> None:
    copy = CopyState(name="v1-1", healthy=True, restarts=1)
    state = ReleaseState(release=RELEASE, copies=(copy,))
    assert unhealthy(state, "v1", restarts=1) is None
    assert unhealthy(state, "v1", restarts=0) == "1 restart(s) while it was being verified"
    assert "not there" in str(unhealthy(None, "v1", 0))
    assert "0 of 1" in str(unhealthy(ReleaseState(release=RELEASE), "v1", 0))


def test_a_limit_is_hopeless_only_when_nothing_can_mend_it() -> None:
    assert not hopeless(1, 100, 0.01)
    assert hopeless(2, 100, 0.01)
    assert hopeless(1, 100, 0.0)
    assert not hopeless(100, 100, None)


def test_any_2xx_or_3xx_will_do_where_no_status_is_asked_for() -> None:
    assert problem(Request(), 204, "") is None
    assert problem(Request(), 404, "") == "GET /: 404"


@pytest.mark.parametrize("path", ["/broken", "/with\x00nul"])
async def test_a_limit_on_latency_alone_lets_no_wrong_answer_pass(address: str, path: str) -> None:
    how = Verify(smoke=(Request(path="/"), Request(path=path)), rate=20, thresholds=Thresholds(p95=5))
    outcome, why = await said(Place(address), how)
    assert (outcome, "error rate" in why) == (Outcome.FAIL, True)
