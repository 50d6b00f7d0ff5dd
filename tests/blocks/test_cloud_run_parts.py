"""What Cloud Run is told and what its answers mean, as values: no server, no engine."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from blocks.platforms.cloud_run import CloudRunPlatform
from blocks.platforms.cloud_run_parts import answers, conditions, logs, manifest, notes, secrets
from blocks.platforms.cloud_run_parts.api import Api, Patience
from blocks.platforms.cloud_run_parts.credentials import Token
from blocks.platforms.cloud_run_parts.found import Found
from blocks.platforms.cloud_run_parts.manifest import Options
from blocks.platforms.cloud_run_parts.names import Names, safe
from domain.charter import Charter, Placed
from domain.errors import CapabilityError, Rejected, SpecError, Unavailable
from domain.place import Job, Release, Target
from domain.spec import Health, Resources
from domain.supply import Artifact

TARGET = Target(service="shop", environment="staging")
NAMES = Names(TARGET, "tes")
OPTIONS = Options(neutral_image="hello", service_account="shop@x", network="default", egress="ALL_TRAFFIC")


def placed(version: str = "v1", weight: int = 0, since: float = 1.0, **changes: Any) -> Placed:
    artifact = Artifact(kind="image", digest="sha256:1", location="docker.pkg.dev/x/shop:1")
    values: dict[str, Any] = {"service": "shop", "version": version, "artifact": artifact}
    return Placed(release=Release.model_validate(values | changes), weight=weight, seats=(0,), since=since)


def test_a_release_is_this_template() -> None:
    one = placed(
        command=("serve", "--port", "${PORT}"),
        replicas=3,
        environment={"STAGE": "x", "PORT": "1"},
        secrets={"URL": "env:URL"},
        resources=Resources(memory_mb=1024, cpus=1.5),
        health=Health(path="/up", grace=20.0, interval=0.5, timeout=2.0, failures=4),
    )
    probe = {"httpGet": {"path": "/up", "port": 8000}, "periodSeconds": 2, "timeoutSeconds": 2}
    tag = NAMES.tag(one)
    assert manifest.template(NAMES, one, OPTIONS, {"URL": ("the-secret", "1")}) == {
        "revision": f"tes-staging-shop-{tag}",
        "labels": {
            "tes-installation": "tes",
            "tes-service": "tes-staging-shop",
            "tes-role": "release",
            "tes-release": tag,
        },
        "scaling": {"minInstanceCount": 3, "maxInstanceCount": 100},
        "timeout": "300s",
        "maxInstanceRequestConcurrency": 80,
        "serviceAccount": "shop@x",
        "vpcAccess": {"networkInterfaces": [{"network": "default"}], "egress": "ALL_TRAFFIC"},
        "containers": [
            {
                "image": "docker.pkg.dev/x/shop:1",
                "args": ["serve", "--port", "8000"],
                "env": [
                    {"name": "TES_SERVICE", "value": "shop"},
                    {"name": "TES_VERSION", "value": "v1"},
                    {"name": "PYTHONUNBUFFERED", "value": "1"},
                    {"name": "STAGE", "value": "x"},
                    {"name": "URL", "valueSource": {"secretKeyRef": {"secret": "the-secret", "version": "1"}}},
                ],
                "resources": {"limits": {"cpu": "2", "memory": "1024Mi"}, "cpuIdle": True, "startupCpuBoost": True},
                "ports": [{"containerPort": 8000}],
                "startupProbe": {**probe, "failureThreshold": 10},
                "livenessProbe": {**probe, "failureThreshold": 4},
            }
        ],
    }


def test_a_job_runs_once_and_has_no_port() -> None:
    told = Job(name="migrate", command=("migrate",), timeout=12.5)
    job = manifest.job(NAMES, placed().release, told, Options(neutral_image="x", connector="c"), {})
    task = job["template"]["template"]
    assert (task["maxRetries"], task["timeout"], task["containers"][0]["args"]) == (0, "13s", ["migrate"])
    assert task["vpcAccess"] == {"connector": "c", "egress": "PRIVATE_RANGES_ONLY"}
    assert "ports" not in task["containers"][0]


@pytest.mark.parametrize(("grace", "interval"), [(1.0, 0.05), (600.0, 5.0), (3600.0, 500.0), (30.0, 2.0)])
def test_a_probe_never_asks_for_more_than_cloud_run_allows(grace: float, interval: float) -> None:
    probe = manifest.startup(Health(grace=grace, interval=interval, timeout=2.0), 8000)
    assert 1 <= probe["timeoutSeconds"] <= probe["periodSeconds"] <= 240
    assert probe["failureThreshold"] >= 1 and probe["failureThreshold"] * probe["periodSeconds"] <= 240


@pytest.mark.parametrize(
    ("cpus", "memory", "limits"),
    [
        (None, None, ("1", "512Mi")),
        (0.2, 64, ("1", "512Mi")),
        (3.0, 4096, ("4", "4096Mi")),
        (9.0, None, ("9", "512Mi")),
    ],
)
def test_resources_are_rounded_up_to_what_there_is(
    cpus: float | None, memory: int | None, limits: tuple[str, str]
) -> None:
    one = placed(resources=Resources(memory_mb=memory, cpus=cpus)).release
    assert tuple(manifest.limits(one).values()) == limits


def test_traffic_is_always_a_hundred_and_names_only_what_is_there() -> None:
    v1, v2, v3 = placed("v1", 75), placed("v2", 25), placed("v3")
    charter = Charter(target=TARGET, stable="v1", releases=(v1, v2, v3))
    there = {NAMES.revision(v1): True, NAMES.revision(v2): True, NAMES.revision(v3): False}
    kind = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"
    shares = [
        {"type": kind, "revision": NAMES.revision(one), "percent": one.weight, "tag": NAMES.tag(one)}
        for one in (v1, v2)
    ]
    assert manifest.traffic(charter, NAMES, there) == shares, "v3 has failed: no tag"
    assert manifest.traffic(charter, NAMES, {}) == shares, "a list that came late gives nothing to a neutral page"
    assert manifest.traffic(Charter(target=TARGET), NAMES, there) == [
        {"type": kind, "revision": "tes-staging-shop-home", "percent": 100}
    ]
    assert manifest.obeyed(shares, [{**one, "uri": "https://x"} for one in shares])
    assert not manifest.obeyed(shares, shares[:1])
    untagged = [{key: value for key, value in one.items() if key != "tag"} for one in shares]
    assert not manifest.obeyed(shares, untagged) and manifest.shared(shares) == manifest.shared(untagged)


def test_a_release_that_is_placed_anew_is_another_revision() -> None:
    assert NAMES.revision(placed(since=1.0)) == NAMES.revision(placed(since=1.0)) != NAMES.revision(placed(since=2.0))


@pytest.mark.parametrize("service", ["shop", "Shop_Ü", "9lives", "a" * 300, "-", ""])
def test_names_fit_cloud_run_and_differ_where_targets_do(service: str) -> None:
    names = Names(Target(service=service, environment="Prod/EU"), "tes")
    whole = (names.service, names.revision(placed()), names.rest(1_799_999_999_999), names.secret("job-x", "A_URL"))
    for name in whole:
        assert name.islower() and name[0].isalpha() and name.replace("-", "").isalnum() and not name.endswith("-")
    assert len(names.service) + len(names.tag(placed())) <= 46 and all(len(name) <= 63 for name in whole[:3])
    assert names.service != Names(Target(service=service + "x", environment="Prod/EU"), "tes").service
    assert all(len(value) <= 63 for value in names.labels("release", release=names.tag(placed())).values())


def test_what_is_made_safe_stays_what_it_is_where_it_can() -> None:
    assert safe("a-b", "w", 20) == "a-b" and safe("a_b", "w", 20) != safe("a.b", "v", 20)


def test_notes_are_read_as_they_were_written_and_keep_what_is_not_ours() -> None:
    charter = Charter(target=TARGET, token=7, pages={"page": "☃" * 40_000})
    written = notes.written(charter, {"rev": 12.5}, {"theirs": "1", f"{notes.CHARTER}07": "old"})
    assert notes.charter(written) == charter and notes.target(written) == TARGET
    assert notes.leaving(written) == {"rev": 12.5} and written["theirs"] == "1"
    assert notes.charter({}) is None and notes.leaving({}) == {}
    with pytest.raises(Rejected, match="cannot be read"):
        notes.charter({f"{notes.CHARTER}00": "{"})


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Rejected), (401, Rejected), (403, Rejected), (404, answers.Missing), (409, answers.Conflict),
     (412, answers.Conflict), (408, Unavailable), (429, Unavailable), (500, Unavailable), (503, Unavailable)],
)  # fmt: skip
def test_each_status_is_one_kind_of_failure(status: int, kind: type[Exception]) -> None:
    assert type(answers.failure(status, {"message": "m"}, "x")) is kind


def test_a_missing_permission_is_read_from_the_details_or_the_message() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "metadata": {"permission": "run.jobs.run"}}]
    assert "run.jobs.run" in answers.failure(403, {"message": "no", "details": details}, "x").message
    acting = answers.failure(403, {"message": "Permission 'iam.serviceaccounts.actAs' denied on x"}, "x")
    assert "roles/iam.serviceAccountUser" in acting.fix
    assert "a role that has it" in answers.failure(403, {"message": "The caller does not have it"}, "x").fix


def test_a_bad_request_names_its_fields() -> None:
    details = [{"fieldViolations": [{"field": "template.timeout", "description": "too long"}]}]
    assert "template.timeout: too long" in answers.failure(400, {"message": "m", "details": details}, "x").message
    assert isinstance(answers.told({"code": 7, "message": "m"}, "x"), Rejected)
    assert isinstance(answers.told({"code": 14, "message": "m"}, "x"), Unavailable)


def test_a_revision_is_ready_only_with_the_instances_that_are_kept() -> None:
    ready = {"type": "Ready", "state": "CONDITION_SUCCEEDED"}
    warming = {"type": "MinInstancesProvisioned", "state": "CONDITION_RECONCILING"}
    assert conditions.ready({"conditions": [ready]})
    assert not conditions.ready({"conditions": [ready, warming]})
    assert not conditions.ready({}) and not conditions.failed({}) and conditions.words({}) == "it is starting"


def test_a_release_is_not_ready_before_its_own_address_is_there() -> None:
    one = placed()
    charter, name = Charter(target=TARGET, releases=(one,)), NAMES.revision(one)
    revisions = {name: {"conditions": [{"type": "Ready", "state": "CONDITION_SUCCEEDED"}]}}
    early = Found(NAMES, charter, {}, revisions).looked({}, 0.0)
    assert early.ready() == [] and early.copies["v1"][0].reason == "its address is not there yet"
    service = {"trafficStatuses": [{"revision": name, "tag": NAMES.tag(one), "uri": "https://r---shop"}]}
    seen = Found(NAMES, charter, service, revisions).looked({}, 0.0)
    assert seen.ready() == ["v1"] and seen.copies["v1"][0].address == "https://r---shop"


def test_what_has_lost_its_traffic_keeps_its_tag_for_its_time() -> None:
    gone = NAMES.revision(placed("v2"))
    shares = manifest.traffic(Charter(target=TARGET), NAMES, {gone: True}, [gone])
    assert [(one["percent"], one.get("tag")) for one in shares] == [(100, None), (0, NAMES.tag(placed("v2")))]


def test_a_reason_has_what_to_do() -> None:
    denied = {"type": "Ready", "state": "CONDITION_FAILED", "reason": "CONTAINER_PERMISSION_DENIED", "message": "m"}
    assert "roles/artifactregistry.reader" in conditions.words({"conditions": [denied]})
    assert conditions.failed({"conditions": [denied]})


def test_requests_to_the_other_apis_are_these() -> None:
    assert logs.query("p", "f", 5) == {
        "resourceNames": ["projects/p"], "filter": "f", "orderBy": "timestamp desc", "pageSize": 5
    }  # fmt: skip
    assert logs.text({"jsonPayload": {"message": "m\n"}}) == "m" and logs.text({}) == ""
    assert secrets.new_secret(NAMES, "r1", "eu") == {
        "replication": {"userManaged": {"replicas": [{"location": "eu"}]}},
        "labels": {**NAMES.labels("secret"), "tes-owner": "r1"},
    }
    assert secrets.new_secret(NAMES, "r1", None)["replication"] == {"automatic": {}}
    assert secrets.payload("é") == {"payload": {"data": "w6k="}}


def test_an_extra_that_is_missing_is_one_line_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with pytest.raises(CapabilityError, match="needs the extra `gcp`") as error:
        Token().headers()
    assert error.value.fix == "pip install 'test-execution-system[gcp]'"
    assert Token(anonymous=True).headers() == {}


def test_a_key_that_is_none_is_rejected_without_its_text() -> None:
    pytest.importorskip("google.auth")
    for key in ("not json", json.dumps({"type": "service_account", "private_key": "PRIVATE"})):
        with pytest.raises(Rejected, match="no credentials") as error:
            Token(key).headers()
        assert "PRIVATE" not in str(error.value) and "not json" not in str(error.value)


async def test_a_block_without_a_project_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    with pytest.raises(SpecError, match="has no project"):
        await CloudRunPlatform(anonymous=True).inspect(TARGET)


async def test_an_address_that_is_none_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        await Api("http://", Token(anonymous=True), Patience(tries=1)).get("v2/x", "looking")
