"""The kubernetes platform keeps the contract, on a real cluster, and what is particular about it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.core import Block

from blocks.platforms.kubernetes import KubernetesPlatform
from blocks.platforms.kubernetes_parts.api import Api, connected
from blocks.platforms.kubernetes_parts.garbage import told
from domain.charter import Placed
from domain.errors import Rejected
from domain.place import Job, Target
from tests.blocks import kubernetes_cluster
from tests.blocks.block_suite import BlockSuite
from tests.blocks.image_contract import ImageContract
from tests.blocks.kubernetes_account import account
from tests.blocks.kubernetes_subject import KubernetesSubject, listed
from tests.blocks.platform_contract import TARGET

CONTRACT = ImageContract()
_RELEASE = "test-execution-system.io/release"
pytestmark = [pytest.mark.requires("kubernetes"), pytest.mark.timeout(240)]


@pytest.fixture
async def subject() -> AsyncIterator[KubernetesSubject]:
    subject = KubernetesSubject()
    await subject.begin()
    yield subject
    await subject.clean()


class TestContract(ImageContract):
    pass


class TestBlock(BlockSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        return KubernetesPlatform


async def test_what_a_killed_client_left_is_removed_and_nothing_of_anybody_else(subject: KubernetesSubject) -> None:
    """Copies, secret and budget that came when their release was retired already; copies of a target that is gone;
    beside them a Secret that a person wrote with our labels, and what is in use."""
    platform = subject.platform
    await CONTRACT.stable(subject, await CONTRACT.lease(subject))
    used = [await listed(subject, kind) for kind in ("deployments", "services")]
    late = subject.release("v2", replicas=2, secrets={"KEY": "env:KEY"})
    place, gone = platform.place(TARGET), platform.place(Target(service="shop", environment="preview"))
    await place.start(Placed(release=late), {"KEY": "hunter2"})
    await gone.start(Placed(release=subject.release("v1")), {})
    theirs = (await subject.api.get(f"{place.names.secrets}/{place.names.release('v2')}"))["metadata"]["labels"]
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"my-{theirs[_RELEASE]}", "labels": theirs}}
    await asyncio.to_thread(subject.api._asked, "POST", place.names.secrets, {"fieldManager": "somebody"}, secret)

    assert list(await platform.garbage()) == [], "it is too young"
    left = await platform._left(0.0)
    ours = place.names.release("v2")
    assert told(left) == (
        f"Deployment {gone.names.release('v1')}",
        f"Deployment {ours}",
        f"PodDisruptionBudget {ours}",
        f"Secret {ours}",
    )
    assert await platform._litter().remove(left) == left
    assert await platform._left(0.0) == []
    assert [await listed(subject, kind) for kind in ("deployments", "services")] == used
    assert await listed(subject, "secrets") == [f"my-{theirs[_RELEASE]}"]
    assert (await subject.send(10)).keys() == {"v1"}
    await subject.api.delete(f"{place.names.secrets}/my-{theirs[_RELEASE]}")


async def test_what_was_changed_since_it_was_seen_is_not_removed(subject: KubernetesSubject) -> None:
    platform, place = subject.platform, subject.platform.place(TARGET)
    await place.start(Placed(release=subject.release("v1"), weight=0), {})
    left = await platform._left(0.0)
    path = f"{place.names.deployments}/{place.names.release('v1')}"
    await subject.api.merge(path, {"metadata": {"annotations": {"seen": "again"}}})
    assert await platform._litter().remove(left) == []
    assert await subject.api.find(path) is not None


async def test_a_charter_that_was_removed_takes_nothing_from_the_clients(subject: KubernetesSubject) -> None:
    platform, names = subject.platform, subject.platform.place(TARGET).names
    await CONTRACT.stable(subject, await CONTRACT.lease(subject))
    charter = await subject.api.get(names.charter)
    await subject.api.delete(names.charter)
    with pytest.raises(Rejected, match=f"ConfigMap {names.stem} is gone"):
        await platform.acquire(TARGET, "somebody", 60.0)
    assert await platform._left(0.0) == []
    assert (await subject.send(10)).keys() == {"v1"}
    del charter["metadata"]["resourceVersion"], charter["metadata"]["uid"]
    await subject.api.create(names.charters, charter)
    assert await CONTRACT.versions(subject) == {"v1": 100}


async def test_connections_that_clients_keep_follow_a_promotion_and_a_rollback(subject: KubernetesSubject) -> None:
    """And the release before is ready all the time: nobody has to wait for it to go back."""
    platform, patient = subject.platform, Api(None, None, 120.0)
    lease, service = await CONTRACT.lease(subject), platform.place(TARGET).names.stem
    await CONTRACT.stable(subject, lease)
    await CONTRACT.provisioned(subject, lease, subject.release("v2"))

    async def switched(to: str, other: str) -> float:
        """Seconds until the last answer of the other, on one kept connection."""
        keeping = asyncio.create_task(kubernetes_cluster.keep(patient, platform.namespace, service, 40.0))
        await asyncio.sleep(1)
        await platform.promote(lease, to)
        if to == "v2":
            state = (await platform.inspect(TARGET)).of(other)
            assert state is not None and state.ready, state
        last = await keeping
        assert last[f"200 {to}"] > 35 and f"200 {other}" in last, last
        return last[f"200 {other}"]

    assert await switched("v2", "v1") < 35
    assert await switched("v1", "v2") < 35


async def test_the_documented_account_is_enough(subject: KubernetesSubject, tmp_path: Path) -> None:
    """With the Role of the how-to page, and as nobody else: a release, shared requests, an abort, a job, garbage."""
    admin, namespace = subject.api, subject.platform.namespace
    groups = {"ServiceAccount": "/api/v1", "Role": "/apis/rbac.authorization.k8s.io/v1"}
    groups["RoleBinding"] = groups["Role"]
    for document in account(namespace):
        if document["kind"] != "Namespace":
            kind = document["kind"]
            await admin.create(f"{groups[kind]}/namespaces/{namespace}/{kind.lower()}s", document)
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    for _ in range(50):
        if await admin.find(f"{accounts}/test-execution-system"):
            break
        await asyncio.sleep(0.2)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}}
    token = (await admin.create(f"{accounts}/test-execution-system/token", request))["status"]["token"]
    known = await asyncio.to_thread(connected, None, None, 5.0)
    cluster: dict[str, Any] = {"server": str(known.base_url).rstrip("/"), "insecure-skip-tls-verify": True}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }
    file = tmp_path / "account.json"
    file.write_text(json.dumps(config))
    platform = KubernetesPlatform(
        kubeconfig=str(file), namespace=namespace, installation="account", pull=subject.platform.pull
    )
    with pytest.raises(Rejected, match="denies GET"):
        await platform._api().get("/api/v1/namespaces/default/configmaps")
    subject.platform = platform
    more = {"secrets": {"HOME_SECRET": "env:HOME"}, "replicas": 2}
    lease = await CONTRACT.lease(subject)
    await CONTRACT.stable(subject, lease, "v1", **more)
    await CONTRACT.provisioned(subject, lease, subject.release("v2"))
    await platform.shift(lease, "v2", 50)
    await platform.abort(lease, "v1")
    done = await platform.run(lease, subject.release("v1"), Job(name="true", command=("python", "-c", "print(1)")))
    assert (done.exit_code, done.output.strip()) == (0, "1")
    assert list(await platform.collect()) == []
    await platform.dispose(lease)
    assert list(await platform.targets()) == []
