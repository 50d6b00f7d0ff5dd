"""The API gives what was recorded, in pages, and says clearly what it does not have."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

import records
from domain.group import Group, Member
from domain.place import Target
from service.app import app
from tests.records.values import rollout

pytestmark = pytest.mark.usefixtures("recorded")


async def _get(api: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await api.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_runs_come_newest_first_in_pages(api: httpx.AsyncClient) -> None:
    first = await _get(api, "/api/v1/runs", limit=1)
    assert ([run["id"] for run in first["items"]], first["next"]) == (["r2"], "r2")
    second = await _get(api, "/api/v1/runs", limit=1, after=first["next"])
    assert ([run["id"] for run in second["items"]], second["next"]) == (["r1"], None)


@pytest.mark.parametrize(
    ("query", "ids"),
    [({"project": "checkout"}, ["r1"]), ({"environment": "staging"}, ["r2"]), ({"project": "nobody"}, [])],
)
async def test_runs_are_filtered(api: httpx.AsyncClient, query: dict[str, str], ids: list[str]) -> None:
    assert [run["id"] for run in (await _get(api, "/api/v1/runs", **query))["items"]] == ids


async def test_a_run_is_shown_with_its_stages_and_figures(api: httpx.AsyncClient) -> None:
    run = await _get(api, "/api/v1/runs/r1")
    assert (run["state"], run["outcome"], run["reasons"]) == ("finished", "FAIL", ["p95 812 ms > 500 ms over 14 s"])
    assert [(stage["name"], stage["outcome"], stage["seconds"]) for stage in run["stages"]] == [
        ("build", "PASS", 2.0),
        ("load", "FAIL", 3.0),
    ]
    assert run["stages"][0]["verdict"]["reasons"] == ["3 files in 0.2 s"]
    assert [(load["gate"], load["summary"]["p95"]) for load in run["loads"]] == [("load", 0.25)]
    assert await _get(api, "/api/v1/runs/r1/stages") == run["stages"]


async def test_what_a_stage_keeps_for_itself_is_not_shown(api: httpx.AsyncClient) -> None:
    assert "result_json" not in (await api.get("/api/v1/runs/r1")).text


async def test_a_run_whose_process_is_gone_is_interrupted(api: httpx.AsyncClient, monkeypatch: Any) -> None:
    assert (await _get(api, "/api/v1/runs/r2"))["state"] == "running"
    monkeypatch.setattr("records.process.Process.alive", lambda self: False)
    assert (await _get(api, "/api/v1/runs/r2"))["state"] == "interrupted"


async def test_cases_show_their_last_attempt_and_whether_they_were_flaky(api: httpx.AsyncClient) -> None:
    page = await _get(api, "/api/v1/runs/r1/cases")
    assert [(case["name"], case["status"], case["attempts"], case["flaky"]) for case in page["items"]] == [
        ("test_add", "passed", 2, True),
        ("test_pay", "crashed", 1, False),
    ]
    crashed = await _get(api, "/api/v1/runs/r1/cases", status="crashed")
    assert [case["name"] for case in crashed["items"]] == ["test_pay"]
    second = await _get(api, "/api/v1/runs/r1/cases", limit=1, after="1")
    assert [case["name"] for case in second["items"]] == ["test_pay"] and second["next"] is None


async def test_every_attempt_at_a_case_is_shown(api: httpx.AsyncClient) -> None:
    case, _ = (await _get(api, "/api/v1/runs/r1/cases"))["items"]
    assert (case["started"], case["worker"], case["reused"]) == (0.0, "", False)
    found = await _get(api, f"/api/v1/runs/r1/cases/{case['id']}/attempts")
    assert [(one["number"], one["status"], one["reused"]) for one in found] == [
        (1, "failed", False),
        (2, "passed", False),
    ]
    assert (await api.get("/api/v1/runs/r1/cases/nobody/attempts")).status_code == 404


async def test_findings_are_shown(api: httpx.AsyncClient) -> None:
    (finding,) = (await _get(api, "/api/v1/runs/r1/findings"))["items"]
    assert (finding["rule"], finding["severity"], finding["path"], finding["line"]) == ("B602", "high", "app.py", 3)


async def test_a_release_shows_the_names_of_its_settings_and_no_value(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/v1/releases", params={"environment": "production"})
    (shown,) = answer.json()["items"]
    assert (shown["version"], shown["settings"], shown["secrets"]) == ("v1", ["API_KEY"], ["KEY"])
    assert "hunter2" not in answer.text
    assert (await _get(api, "/api/v1/releases", environment="staging"))["items"] == []


async def test_a_rollout_is_shown_with_its_plan_and_steps(api: httpx.AsyncClient) -> None:
    listed, _ = (await _get(api, "/api/v1/rollouts"))["items"]
    shown = await _get(api, "/api/v1/rollouts/ro-1")
    assert {name: shown[name] for name in listed} == listed
    assert (shown["status"], shown["plan"]) == ("progressing", ["provision", "promote", "verify 5 s"])
    assert [(step["index"], step["action"], step["outcome"], step["seconds"]) for step in shown["steps"]] == [
        (0, "provision", "PASS", 1.5)
    ]


async def test_a_rollout_names_the_group_it_is_one_release_with(api: httpx.AsyncClient) -> None:
    members = [
        Member(target=Target(service=service, environment="production"), platform=platform)
        for service, platform in (("cart", "docker/eu"), ("checkout", "local"))
    ]
    records.record_rollout(rollout(id="ro-3", group=Group(id="deploy-7", members=tuple(members))))
    shown = await _get(api, "/api/v1/rollouts/ro-3")
    assert shown["group"] == {
        "id": "deploy-7",
        "members": [
            {"service": "cart", "environment": "production", "platform": "docker/eu"},
            {"service": "checkout", "environment": "production", "platform": "local"},
        ],
    }
    listed = {one["id"]: one["group"] for one in (await _get(api, "/api/v1/rollouts"))["items"]}
    assert listed == {"ro-1": None, "ro-2": None, "ro-3": shown["group"]}


async def test_what_clients_saw_of_a_rollout_is_shown_and_drawn(api: httpx.AsyncClient) -> None:
    shown = await _get(api, "/api/v1/rollouts/ro-2")
    proof = await _get(api, shown["proof"])
    assert (proof["rollout"], proof["verdict"]["outcome"], proof["proof"]["requests"]) == ("ro-2", "FAIL", 2)
    assert "1 of 2 requests failed, the first at second 2: status 500" in proof["verdict"]["reasons"]
    plot = await api.get(proof["plot"])
    assert (plot.status_code, plot.headers["content-type"]) == (200, "image/svg+xml")
    assert "default-src 'none'" in plot.headers["content-security-policy"]
    assert plot.text.startswith("<svg") and "1 of 2 requests failed" in plot.text
    assert (await _get(api, "/api/v1/rollouts/ro-1"))["proof"] is None


async def test_projects_and_the_version_are_shown(api: httpx.AsyncClient) -> None:
    assert [project["name"] for project in (await _get(api, "/api/v1/projects"))["items"]] == ["checkout", "search"]
    assert (await _get(api, "/api/v1/version"))["name"] == "test-execution-system"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/v1/runs/nope", "there is no run 'nope'"),
        ("/api/v1/runs/nope/stages", "there is no run 'nope'"),
        ("/api/v1/runs/nope/cases", "there is no run 'nope'"),
        ("/api/v1/runs/nope/findings", "there is no run 'nope'"),
        ("/api/v1/runs/%00", "there is no run"),
        ("/api/v1/rollouts/nope", "there is no rollout 'nope'"),
        ("/api/v1/rollouts/ro-1/proof", "there is no proof of rollout 'ro-1'"),
        ("/api/v1/rollouts/nope/proof.svg", "there is no proof of rollout 'nope'"),
        ("/api/v1/nope", "there is no /api/v1/nope"),
        ("/docs/assets/nope.js", "there is no /docs/assets/nope.js"),
    ],
)
async def test_what_is_not_there_is_named(api: httpx.AsyncClient, path: str, said: str) -> None:
    answer = await api.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/v1/runs?limit=0", "limit"),
        ("/api/v1/runs?limit=501", "limit"),
        ("/api/v1/runs?limit=ten", "limit"),
        ("/api/v1/runs?after=nope", "'nope' names none of the runs"),
        ("/api/v1/releases?after=nope", "'nope' names none of the releases"),
        ("/api/v1/rollouts?after=nope", "'nope' names none of the rollouts"),
        ("/api/v1/runs/r1/cases?after=-1", "after"),
        ("/api/v1/runs/r1/cases?status=green", "status"),
        ("/api/v1/runs?project=" + "x" * 201, "project"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused_with_the_reason(
    api: httpx.AsyncClient, path: str, said: str
) -> None:
    answer = await api.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/api/v1/runs", "/api/v1/runs/r1", "/api/v1/rollouts/ro-1", "/api/v1/releases"])
async def test_nothing_can_be_changed(api: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await api.request(method, path, json={})
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")


async def test_every_route_is_read_only_typed_and_tells_its_problems() -> None:
    schema = app.openapi()
    for path, methods in schema["paths"].items():
        assert set(methods) == {"get"}, path
        told = methods["get"]["responses"]["200"]["content"]
        if path.endswith(".svg"):
            assert list(told) == ["image/svg+xml"], path
        else:
            ok = told["application/json"]["schema"]
            assert ok.get("$ref") or ok.get("items"), path
        for code in set(methods["get"]["responses"]) - {"200"}:
            told = methods["get"]["responses"][code]["content"]
            assert list(told) == ["application/problem+json"], (path, code)
    assert "Problem" in schema["components"]["schemas"]


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/runs", "/api/v1/nope", "/docs", "/docs/assets/swagger-ui.css"])
async def test_every_answer_carries_the_security_headers(api: httpx.AsyncClient, path: str) -> None:
    headers = (await api.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe-eval" not in headers["content-security-policy"]


async def test_the_documentation_needs_no_network(api: httpx.AsyncClient) -> None:
    assert (await api.get("/", follow_redirects=True)).url.path == "/docs"
    page = (await api.get("/docs")).text
    assert "http://" not in page and "https://" not in page
    for asset in ("/docs/assets/swagger-ui-bundle.js", "/docs/assets/swagger-ui.css", "/docs/start.js"):
        assert asset.removeprefix("/") in page
        assert len((await api.get(asset)).content) > 100
    assert (await api.get("/openapi.json")).json()["info"]["title"] == "Test Execution System"


async def test_a_bug_shows_no_inside(api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("the inside")

    monkeypatch.setattr(records, "projects", broken)
    answer = await api.get("/api/v1/projects")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "the inside" not in answer.text and answer.json()["title"] == "Internal Server Error"


async def test_the_audit_log_is_read_in_pages_and_by_place_and_cannot_be_written(api: httpx.AsyncClient) -> None:
    for number in range(3):
        records.audit(
            "eve", "rollout.shift", f"checkout in {'staging' if number else 'production'}", {"weight": number}
        )
    first = await _get(api, "/api/v1/audit", limit=2)
    assert [one["detail"]["weight"] for one in first["items"]] == [2, 1] and first["next"] == "2"
    (last,) = (await _get(api, "/api/v1/audit", after=first["next"]))["items"]
    assert (last["actor"], last["action"], last["subject"]) == ("eve", "rollout.shift", "checkout in production")
    assert (await _get(api, "/api/v1/audit", service="checkout", environment="production"))["items"] == [last]
    assert (await _get(api, "/api/v1/audit", since="2999-01-01T00:00:00Z"))["items"] == []
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await api.request(method, "/api/v1/audit")).status_code == 405
