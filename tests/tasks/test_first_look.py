"""A release that answers wrongly is found before it has traffic; one without a way from here is left to the rest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from domain.place import CopyState, ReleaseState, ServiceState, Target
from domain.spec import Request, Thresholds, Verify
from domain.verdict import Outcome
from tasks.first_look import TRIES, first_look
from tests.tasks.test_verify import RELEASE, TARGET


class Service(ThreadingHTTPServer):
    """Answers with what is in `answers`, in turn, then with the last of it; keeps count of the paths asked."""

    answers: list[int]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.answers, self.asked = [200], list[str]()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Service)
        server.asked.append(self.path)
        self.send_response(server.answers.pop(0) if len(server.answers) > 1 else server.answers[0])
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Place:
    """A platform with one healthy copy; the public address is one that must not be asked yet."""

    def __init__(self, address: str) -> None:
        self.copy = CopyState(name="v1-1", address=address, healthy=True)

    async def inspect(self, target: Target) -> ServiceState:
        state = ReleaseState(release=RELEASE, weight=0, copies=(self.copy,))
        return ServiceState(target=target, stable="v0", releases=(state,), address="http://127.0.0.1:9")


async def said(address: str, how: Verify) -> tuple[Outcome, str]:
    verdict = await first_look(Place(address), TARGET, "v1", how, "/healthz")  # type: ignore[arg-type]
    return verdict.outcome, "; ".join(verdict.reasons)


async def test_each_smoke_request_is_sent_once_and_straight(service: Service) -> None:
    outcome, why = await said(service.address, Verify(smoke=(Request(path="/a"), Request(path="/b"))))
    assert (outcome, sorted(service.asked)) == (Outcome.PASS, ["/a", "/b"])
    assert why == "2 request(s) before any traffic answered as wanted"


async def test_without_smoke_requests_the_health_path_is_asked(service: Service) -> None:
    assert (await said(service.address, Verify()))[0] is Outcome.PASS
    assert service.asked == ["/healthz"]


async def test_what_goes_on_answering_wrongly_fails_with_its_answer(service: Service) -> None:
    service.answers = [500]
    outcome, why = await said(service.address, Verify(smoke=(Request(path="/a"),)))
    assert (outcome, len(service.asked)) == (Outcome.FAIL, TRIES)
    assert why == "GET /a: 500; 1 of 1 request(s) went wrong before any traffic, 3 times"


async def test_a_start_that_stumbles_is_asked_again(service: Service) -> None:
    service.answers = [503, 503, 200]
    assert (await said(service.address, Verify(smoke=(Request(path="/a"),))))[0] is Outcome.PASS


@pytest.mark.parametrize(("allowed", "outcome"), [(0.5, Outcome.PASS), (0.4, Outcome.FAIL)])
async def test_as_much_may_go_wrong_as_the_threshold_says(service: Service, allowed: float, outcome: Outcome) -> None:
    service.answers = [200, 500, 200, 500, 200, 500]
    how = Verify(smoke=(Request(path="/a"), Request(path="/b")), thresholds=Thresholds(error_rate=allowed))
    assert (await said(service.address, how))[0] is outcome


async def test_a_copy_that_says_it_is_well_and_does_not_listen_fails() -> None:
    outcome, why = await said("http://127.0.0.1:9", Verify())
    assert (outcome, "ConnectError" in why) == (Outcome.FAIL, True)


async def test_a_copy_without_a_way_from_here_is_left_to_its_health() -> None:
    outcome, why = await said("", Verify())
    assert (outcome, why) == (Outcome.PASS, "not asked first: no copy is reached from here")
