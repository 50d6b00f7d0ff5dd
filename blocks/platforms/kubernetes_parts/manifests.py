"""The documents that a release is made of. Pure: a release and the block's wishes give objects to apply.

Source: Kubernetes API reference, https://kubernetes.io/docs/reference/kubernetes-api/.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blocks.platforms.kubernetes_parts.names import (
    DIGEST,
    LEFT,
    POOL,
    RELEASE,
    ROLE,
    SERIAL,
    TRACK,
    VERSION,
    Names,
    digest,
    token,
)
from domain.charter import Charter
from domain.place import Job, Release

Document = dict[str, Any]
PORT = 8000
"""Where a release listens that names no port; every copy is told in PORT."""
LEAVING = 3
"""Seconds between "no new requests" and SIGTERM: until every node's proxy has heard of it."""
STOPPING = 30
NOBODY = "none"


@dataclass(frozen=True)
class Wishes:
    """What the block says of every pod."""

    pull: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    service_account: str | None = None
    pod: Mapping[str, Any] = field(default_factory=dict)


def charter(names: Names, wanted: Charter, version: str | None) -> Document:
    """The ConfigMap that holds what was decided; `version` is the resourceVersion that it replaces."""
    metadata: Document = {
        "name": names.stem,
        "namespace": names.namespace,
        "labels": names.labels(**{ROLE: "charter"}),
        "annotations": {SERIAL: str(wanted.serial)},
    }
    if version is not None:
        metadata["resourceVersion"] = version
    data = {"charter": wanted.model_dump_json()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def secret(names: Names, name: str, release: Release, values: Mapping[str, str], role: str) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": names.namespace, "labels": _labels(names, release, role)},
        "type": "Opaque",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in sorted(values.items())},
    }


def deployment(names: Names, release: Release, spec: Document, replicas: int, pool: str | None = None) -> Document:
    """The copies of a release. With `pool` they are there to share another release's requests, or to be more of it."""
    rid = token(release.version)
    name = names.release(release.version)
    track = "main" if pool is None else "share"
    labels = {RELEASE: rid, POOL: pool or rid, TRACK: track}
    selecting = {**names.labels(), **labels}
    selecting.pop("app.kubernetes.io/managed-by")
    grace = math.ceil(release.health.grace)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name if pool is None else f"{name}-share",
            "namespace": names.namespace,
            "labels": {**_labels(names, release, "copies"), **labels},
            "annotations": {
                DIGEST: digest(release),
                VERSION: release.version,
                "kubernetes.io/change-cause": f"release {release.version} of {names.target}",
            },
        },
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": max(grace + 1, 60),
            "selector": {"matchLabels": selecting},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
            "template": {
                "metadata": {
                    "labels": {**_labels(names, release, "copy"), **labels},
                    "annotations": {VERSION: release.version, DIGEST: digest(release)},
                },
                "spec": spec,
            },
        },
    }


def idle(wanted: Charter) -> dict[str, Document]:
    """By version, what makes fresh copies of those that the requests have left and that are kept warm.

    A connection that a client keeps stays with the pod that it was made to, whatever the Service says by now; it ends
    with the pod. A release that gave way to a newer one gets its fresh copies first: it is what a rollback needs. One
    that gave way to an older one is what was rolled back from, and its copies end at once.
    """
    stable, found = wanted.of(wanted.stable), {}
    for one in wanted.releases:
        if stable is None or one.weight or one.warm_until is None:
            continue
        most: int | str = "100%" if stable.since < one.since else 0
        found[one.release.version] = {
            "strategy": {"rollingUpdate": {"maxUnavailable": most}},
            "template": {"metadata": {"annotations": {LEFT: f"{one.warm_until:.3f}"}}},
        }
    return found


def pod(
    release: Release, wishes: Wishes, secrets: Mapping[str, str], secret_name: str, *, can_sleep: bool = False
) -> Document:
    """The pod of a copy. `can_sleep`: the cluster itself waits before a stop (1.30), and the image needs no `sleep`."""
    health, port = release.health, release.port or PORT
    wait: Document = {"sleep": {"seconds": LEAVING}} if can_sleep else {"exec": {"command": ["sleep", str(LEAVING)]}}
    container = _container(release, wishes, release.command, secrets, secret_name) | {
        "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}],
        "readinessProbe": {
            "httpGet": {"path": health.path, "port": "http", "scheme": "HTTP"},
            "periodSeconds": max(1, round(health.interval)),
            "timeoutSeconds": max(1, round(health.timeout)),
            "successThreshold": health.successes,
            "failureThreshold": health.failures,
        },
        "lifecycle": {"preStop": wait},
    }
    spec = {
        "containers": [container],
        "terminationGracePeriodSeconds": LEAVING + max(STOPPING, math.ceil(release.drain)),
        **_around(wishes),
    }
    return merged(spec, wishes.pod)


def job(names: Names, name: str, release: Release, wanted: Job, wishes: Wishes, secrets: Mapping[str, str]) -> Document:
    """Runs once and is not tried again: what it did is for its caller to judge."""
    spec = {"containers": [_container(release, wishes, wanted.command, secrets, name)], "restartPolicy": "Never"}
    labels = _labels(names, release, "job")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": names.namespace, "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": 600,
            "activeDeadlineSeconds": math.ceil(wanted.timeout) + 30,
            "template": {"metadata": {"labels": labels}, "spec": merged(spec | _around(wishes), wishes.pod)},
        },
    }


def budget(names: Names, release: Release, version: str) -> Document:
    """While a node is emptied at most one copy goes at a time; `version` of policy/ is the cluster's."""
    rid = token(release.version)
    return {
        "apiVersion": f"policy/{version}",
        "kind": "PodDisruptionBudget",
        "metadata": {
            "name": names.release(release.version),
            "namespace": names.namespace,
            "labels": _labels(names, release, "budget"),
        },
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {RELEASE: rid, TRACK: "main"}}},
    }


def service(
    names: Names, name: str, selector: Mapping[str, str], *, port: int, kind: str, labels: Mapping[str, str]
) -> Document:
    """A Service over the pods with these labels. For a NodePort, `port` is the node's where it can be one."""
    opened: Document = {"name": "http", "port": port, "targetPort": "http", "protocol": "TCP"}
    if kind == "NodePort" and 30000 <= port <= 32767:
        opened["nodePort"] = port
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": names.namespace, "labels": dict(labels)},
        "spec": {"type": kind, "selector": dict(selector), "ports": [opened]},
    }


def merged(ours: Document, theirs: Mapping[str, Any]) -> Document:
    """Ours with theirs on top: objects are merged, all else is replaced; the first container is merged into ours."""
    result = dict(ours)
    for key, value in theirs.items():
        here = result.get(key)
        if isinstance(here, dict) and isinstance(value, Mapping):
            result[key] = merged(here, value)
        elif key == "containers" and isinstance(value, list) and value and isinstance(here, list):
            result[key] = [merged(here[0], value[0]), *value[1:]]
        else:
            result[key] = value
    return result


def _labels(names: Names, release: Release, role: str) -> dict[str, str]:
    return names.labels(**{ROLE: role, RELEASE: token(release.version)})


def _around(wishes: Wishes) -> Document:
    spec: Document = {"automountServiceAccountToken": False, "enableServiceLinks": False}
    if wishes.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in wishes.pull_secrets]
    if wishes.service_account:
        spec["serviceAccountName"] = wishes.service_account
        spec["automountServiceAccountToken"] = True
    return spec


def _container(
    release: Release, wishes: Wishes, command: tuple[str, ...], secrets: Mapping[str, str], secret_name: str
) -> Document:
    port = str(release.port or PORT)
    told = {"TES_SERVICE": release.service, "TES_VERSION": release.version, "PYTHONUNBUFFERED": "1"}
    values: Document = {key: {"value": _plain(value)} for key, value in {**told, **release.environment}.items()}
    values |= {key: {"valueFrom": {"secretKeyRef": {"name": secret_name, "key": key}}} for key in secrets}
    values["PORT"] = {"value": port}
    found: Document = {
        "name": "app",
        # Where nothing is ever pulled, an image is on the node under the name that it was put there with.
        "image": release.artifact.location if wishes.pull == "Never" else release.artifact.reference,
        "imagePullPolicy": wishes.pull,
        "env": [{"name": key, **value} for key, value in values.items()],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {"allowPrivilegeEscalation": False},
    }
    if command:
        found["command"] = [_plain(word.replace("${PORT}", port)) for word in command]
    limits = {}
    if release.resources.memory_mb:
        limits["memory"] = f"{release.resources.memory_mb}Mi"
    if release.resources.cpus:
        limits["cpu"] = f"{round(release.resources.cpus * 1000)}m"
    if limits:
        found["resources"] = {"limits": limits, "requests": limits}
    return found


def _plain(word: str) -> str:
    """The cluster would put a variable's value in place of $(NAME)."""
    return word.replace("$(", "$$(")
