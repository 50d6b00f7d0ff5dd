"""What the kubernetes platform sends and understands, without a cluster."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.platforms.kubernetes import KubernetesPlatform
from blocks.platforms.kubernetes_parts import manifests, pods, routes
from blocks.platforms.kubernetes_parts.api import Api, Conflict
from blocks.platforms.kubernetes_parts.manifests import Wishes
from blocks.platforms.kubernetes_parts.names import POOL, RELEASE, TRACK, Names, token
from blocks.platforms.kubernetes_parts.shares import shared
from domain.charter import Charter, Placed
from domain.errors import PlatformError, Rejected, Unavailable
from domain.place import Release, Target
from domain.supply import Artifact
from tests.blocks.kubernetes_account import REFERENCE, account, documents

TARGET = Target(service="shop", environment="staging")
NAMES = Names(TARGET, "shops", "tes")


def release(version: str = "v1", **changes: Any) -> Release:
    artifact = Artifact(kind="image", digest="sha256:0", location="registry.example/shop:1")
    return Release(service="shop", version=version, artifact=artifact, **changes)


def charter(stable: str | None, **weights: int) -> Charter:
    placed = tuple(Placed(release=release(version), weight=weight) for version, weight in weights.items())
    return Charter(target=TARGET, stable=stable, releases=placed)


@given(stable=st.integers(1, 30), weight=st.integers(1, 99), most=st.integers(2, 100))
def test_no_other_numbers_of_copies_are_nearer_to_the_share(stable: int, weight: int, most: int) -> None:
    found = shared(stable, weight, most)
    total = stable + found.more + found.candidate
    assert found.candidate >= 1 and found.more >= 0 and total <= max(stable + 1, most)
    off = abs(100 * found.candidate / total - weight)
    for other in range(stable + 1, max(stable + 1, most) + 1):
        assert all(abs(100 * n / other - weight) >= off - 1e-6 for n in range(1, other - stable + 1))


def test_ten_percent_beside_one_copy_is_one_of_ten() -> None:
    assert shared(1, 10, 10) == (1, 8)


def test_nobody_has_requests_before_the_first_promotion() -> None:
    assert routes.selector(NAMES, charter(None, v1=0))[POOL] == "none"


def test_the_service_means_one_releases_own_copies_or_all_in_stables_pool() -> None:
    alone = routes.selector(NAMES, charter("v1", v1=100, v2=0))
    assert (alone[POOL], alone[TRACK]) == (token("v1"), "main")
    mixed = routes.selector(NAMES, charter("v1", v1=75, v2=25))
    assert mixed[POOL] == token("v1") and TRACK not in mixed


def test_the_copies_of_a_share_are_in_the_pool_and_no_other_copies_are() -> None:
    spec = manifests.pod(release("v2"), Wishes(), {}, "s")
    own = manifests.deployment(NAMES, release("v2"), spec, 3)["spec"]["template"]["metadata"]["labels"]
    share = manifests.deployment(NAMES, release("v2"), spec, 1, token("v1"))["spec"]["template"]["metadata"]["labels"]
    wanted = routes.selector(NAMES, charter("v1", v1=75, v2=25))
    assert wanted.items() <= share.items() and not wanted.items() <= own.items()
    assert not routes.selector(NAMES, charter("v1", v1=100)).items() <= share.items()


@pytest.mark.parametrize(
    ("routing", "weights"),
    [
        ("gateway", lambda one: {b["name"]: b["weight"] for b in one["spec"]["rules"][0]["backendRefs"]}),
        ("istio", lambda one: {r["destination"]["host"]: r["weight"] for r in one["spec"]["http"][0]["route"]}),
    ],
)
def test_a_route_has_the_weights(routing: routes.Routing, weights: Any) -> None:
    wishes = {"host": "shop.example", "gateway": "edge/public"}
    (one,) = routes.documents(NAMES, charter("v1", v1=75, v2=25), routing, wishes)
    assert weights(one) == {NAMES.release("v1"): 75, NAMES.release("v2"): 25}
    assert len(routes.paths(NAMES, routing)) == 1


def test_nginx_gives_the_candidate_its_share_by_a_second_ingress() -> None:
    wishes = {"host": "shop.example"}
    first, second = routes.documents(NAMES, charter("v1", v1=75, v2=25), "nginx", wishes)
    assert second["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"] == "25"
    assert [_backend(one) for one in (first, second)] == [NAMES.release("v1"), NAMES.release("v2")]
    _, alone = routes.documents(NAMES, charter("v2", v2=100), "nginx", wishes)
    assert alone["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"] == "0"


def _backend(ingress: dict[str, Any]) -> str:
    return str(ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"])


def test_a_secrets_value_is_in_no_pod() -> None:
    spec = manifests.pod(release(secrets={"KEY": "env:KEY"}), Wishes(), {"KEY": "hunter2"}, "tes-x")
    assert "hunter2" not in json.dumps(spec)
    reference = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "tes-x", "key": "KEY"}}}
    assert reference in spec["containers"][0]["env"]


def test_what_looks_like_a_variable_is_told_as_it_stands() -> None:
    spec = manifests.pod(release(environment={"A": "$(PORT)"}, command=("echo", "${PORT}")), Wishes(), {}, "s")
    container = spec["containers"][0]
    assert {"name": "A", "value": "$$(PORT)"} in container["env"] and container["command"] == ["echo", "8000"]


def test_what_the_block_says_of_pods_lies_over_ours() -> None:
    over = {"nodeSelector": {"disk": "fast"}, "containers": [{"volumeMounts": [{"name": "v", "mountPath": "/v"}]}]}
    spec = manifests.pod(release(), Wishes(pod=over), {}, "s")
    assert spec["nodeSelector"] == {"disk": "fast"}
    assert spec["containers"][0]["volumeMounts"] and spec["containers"][0]["image"] == "registry.example/shop@sha256:0"


def test_a_cluster_that_can_wait_by_itself_needs_no_sleep_of_the_image() -> None:
    waits = [
        manifests.pod(release(), Wishes(), {}, "s", can_sleep=can)["containers"][0]["lifecycle"]["preStop"]
        for can in (False, True)
    ]
    assert waits == [{"exec": {"command": ["sleep", "3"]}}, {"sleep": {"seconds": 3}}]


def pod(container: dict[str, Any], ready: str = "False") -> dict[str, Any]:
    status = {"conditions": [{"type": "Ready", "status": ready}], "containerStatuses": [container]}
    spec = {"containers": [{"ports": [{"containerPort": 8000}]}]}
    return {"metadata": {"name": "p", "labels": {RELEASE: "r"}}, "spec": spec, "status": status}


OOM = {"exitCode": 137, "reason": "OOMKilled"}
TROUBLES: dict[str, tuple[dict[str, Any], str]] = {
    "no image": (
        {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}},
        "ImagePullBackOff: not",
    ),
    "no secret": ({"state": {"waiting": {"reason": "CreateContainerConfigError"}}}, "CreateContainerConfigError"),
    "memory": ({"restartCount": 1, "state": {}, "lastState": {"terminated": OOM}}, "want of memory"),
    "crash loop": (
        {"restartCount": 3, "lastState": {"terminated": {"exitCode": 7, "message": "no database\n"}}},
        "exit code 7: no database",
    ),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_a_copy_that_cannot_come_up_says_why(name: str) -> None:
    container, words = TROUBLES[name]
    state, trouble = pods.copy(pod(container), ())
    assert not state.healthy and words in trouble and words in state.reason


def test_a_probe_that_fails_is_told_with_its_status_and_is_no_end() -> None:
    event = {"type": "Warning", "message": "Readiness probe failed: HTTP probe failed with statuscode: 500"}
    state, trouble = pods.copy(pod({"state": {"running": {}}}), [event])
    assert "500" in state.reason and trouble == ""


# Failures of the API, against a stand-in that answers as it is told.

Answer = tuple[int, dict[str, str], bytes]
OK: Answer = (200, {}, b'{"kind": "ConfigMap"}')


class StandIn(ThreadingHTTPServer):
    """Gives the answers in turn, the last one for ever. A negative status: closed in the middle; 0: never."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers, self.asked = list(answers), 0
        self.over = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: StandIn

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked += 1
        status, headers, body = self.server.answers[min(self.server.asked, len(self.server.answers)) - 1]
        if status == 0:
            self.server.over.wait(5)
            return
        self.send_response(abs(status))
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body) if status > 0 else len(body) + 100))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_PATCH = do_DELETE = do_POST = _answer

    def log_message(self, *_: object) -> None:
        """Tests say what went wrong."""


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[Any]:
    begun: list[StandIn] = []

    def begin(*answers: Answer, timeout: float = 5.0) -> tuple[Api, StandIn]:
        server = StandIn(*answers)
        begun.append(server)
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "k", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "users": [{"name": "u", "user": {"token": "t0p"}}],
        }
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(config))
        return Api(str(path), timeout=timeout), server

    yield begin
    for server in begun:
        server.over.set()
        server.shutdown()
        server.server_close()


FORBIDDEN = b'{"message": "configmaps \\"x\\" is forbidden: User \\"ci\\" cannot get resource \\"configmaps\\""}'
FAULTS: dict[str, tuple[Answer, type[PlatformError], str]] = {
    "500": ((500, {}, b"{}"), Unavailable, "answers 500"),
    "503": ((503, {}, b"down"), Unavailable, "answers 503"),
    "throttled for ever": ((429, {"Retry-After": "0"}, b"{}"), Unavailable, "answers 429"),
    "cut off": ((-200, {}, b'{"kind"'), Unavailable, "does not answer"),
    "not JSON": ((200, {}, b"<html>"), Unavailable, "not whole"),
    "no object": ((200, {}, b"[]"), Unavailable, "no object"),
    "hangs": ((0, {}, b""), Unavailable, "does not answer: ReadTimeout"),
    "denied": ((403, {}, FORBIDDEN), Rejected, "cannot get resource"),
    "expired": ((401, {}, b'{"message": "Unauthorized"}'), Rejected, "does not know who asks"),
    "invalid": ((422, {}, b'{"message": "spec.replicas: must be positive"}'), Rejected, "must be positive"),
}


@pytest.mark.requires("kubernetes-asyncio")
@pytest.mark.parametrize("name", FAULTS)
async def test_a_failing_api_is_told_and_never_taken_for_an_answer(stand_in: Any, name: str) -> None:
    answer, kind, words = FAULTS[name]
    api, _ = stand_in(answer, timeout=0.3)
    with pytest.raises(kind, match=words):
        await api.get("/api/v1/namespaces/shops/configmaps/x")


@pytest.mark.requires("kubernetes-asyncio")
@pytest.mark.parametrize(
    "first", [(429, {"Retry-After": "1"}, b"{}"), (503, {}, b""), (401, {}, b"{}"), (-200, {}, b"{")]
)
async def test_what_passes_is_asked_again(stand_in: Any, first: Answer) -> None:
    api, server = stand_in(first, OK)
    began = time.monotonic()
    assert await api.get("/x") == {"kind": "ConfigMap"}
    assert server.asked == 2 and (first[0] != 429 or time.monotonic() - began >= 1.0)


@pytest.mark.requires("kubernetes-asyncio")
async def test_another_ones_change_is_a_conflict(stand_in: Any) -> None:
    api, server = stand_in((409, {}, b'{"message": "the object has been modified"}'))
    with pytest.raises(Conflict, match="modified"):
        await api.replace("/x", {})
    assert server.asked == 1


@pytest.mark.requires("kubernetes-asyncio")
async def test_what_is_not_there_is_none_and_deleting_it_is_done(stand_in: Any) -> None:
    api, _ = stand_in((404, {}, b'{"message": "not found"}'))
    assert await api.find("/x") is None
    await api.delete("/x")


@pytest.mark.requires("kubernetes-asyncio")
async def test_no_cluster_is_one_line_with_the_fix(tmp_path: Path) -> None:
    platform = KubernetesPlatform(kubeconfig=str(tmp_path / "none"))
    with pytest.raises(Rejected, match="no cluster") as error:
        await platform.inspect(TARGET)
    assert "KUBECONFIG" in error.value.fix


@pytest.mark.parametrize(("fields", "missing"), [({"routing": "gateway"}, "gateway"), ({"routing": "nginx"}, "host")])
def test_a_route_without_what_it_needs_is_refused(fields: dict[str, Any], missing: str) -> None:
    with pytest.raises(ValueError, match=f"needs `{missing}`"):
        KubernetesPlatform(**fields)


def status(code: int, message: str) -> Answer:
    told = {"kind": "Status", "apiVersion": "v1", "code": code, "message": message}
    return code, {"Content-Type": "application/json"}, json.dumps(told).encode()


@pytest.mark.requires("kubernetes-asyncio")
@pytest.mark.parametrize("answer", [(500, {}, b"no database"), (404, {}, b"{}"), (401, {}, b"who?"), OK])
async def test_what_somebody_behind_the_proxy_answers_is_an_answer_whatever_it_is(
    stand_in: Any, answer: Answer
) -> None:
    api, server = stand_in(answer)
    found = await api.carry("POST", "/api/v1/namespaces/n/pods/p:80/proxy/", {"X-A": "b"}, {"a": 1})
    assert (found.status_code, found.content, server.asked) == (answer[0], answer[2], 1)


@pytest.mark.requires("kubernetes-asyncio")
@pytest.mark.parametrize(
    "answer, kind, words",
    [
        (status(403, 'cannot get resource "pods/proxy"'), Rejected, "denies GET .*pods/proxy"),
        (status(503, "error trying to reach service"), Unavailable, "error trying to reach"),
        (status(404, "pods p not found"), Rejected, "not found"),
        ((-200, {}, b"half"), Unavailable, "does not answer"),
    ],
)
async def test_what_the_api_server_says_itself_is_no_answer_of_a_copy(
    stand_in: Any, answer: Answer, kind: type[PlatformError], words: str
) -> None:
    api, _ = stand_in(answer)
    with pytest.raises(kind, match=words):
        await api.carry("GET", "/api/v1/namespaces/n/pods/p:80/proxy/", {}, None)


@pytest.mark.requires("kubernetes-asyncio")
async def test_expired_credentials_are_renewed_for_a_carried_request_too(stand_in: Any) -> None:
    api, server = stand_in(status(401, "Unauthorized"), (200, {}, b"v1"))
    assert (await api.carry("GET", "/x", {}, None)).text == "v1" and server.asked == 2


def test_both_pages_tell_the_same_account() -> None:
    (role,) = [one for one in account("n") if one["kind"] == "Role"]
    assert [role["rules"]] == [one["rules"] for one in documents(REFERENCE)]
    assert {one["kind"] for one in account("n")} == {"Namespace", "ServiceAccount", "Role", "RoleBinding"}
