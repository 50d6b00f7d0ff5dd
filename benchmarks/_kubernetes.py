"""Rounds of platforms.py on a cluster: the platform, and kubectl with a Deployment of the very same pods."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks._clients import NEW, OLD, Clients, measured, seen, timed
from blocks.platforms.kubernetes_parts import manifests
from blocks.platforms.kubernetes_parts.address import public
from blocks.platforms.kubernetes_parts.manifests import Wishes
from tests.blocks.kubernetes_subject import KubernetesSubject
from tests.blocks.platform_contract import TARGET

LABELS = {"app": "shop"}


def _subject() -> KubernetesSubject:
    return KubernetesSubject(service_type="NodePort", host=os.environ.get("TES_KUBERNETES_HOST"))


async def platform_round() -> dict[str, float]:
    subject = _subject()
    await subject.begin()
    try:
        return await measured(subject, await subject.platform.acquire(TARGET, "benchmark", 600))
    finally:
        await subject.clean()


async def kubectl_round() -> dict[str, float]:
    """`kubectl apply` and `rollout status`, then `kubectl rollout undo`: with the readiness probe and the wait before a
    stop that our own pods have."""
    subject = _subject()
    await subject.begin()
    api, names = subject.api, subject.platform.place(TARGET).names
    try:
        service = manifests.service(names, "shop", LABELS, port=80, kind="NodePort", labels=LABELS)
        made = await api.create(names.services, service)
        url = await public(api, names, made, "copies", subject.platform.host)
        with tempfile.TemporaryDirectory() as folder:
            return await _rounds(subject, url, Path(folder))
    finally:
        await subject.clean()


async def _rounds(subject: KubernetesSubject, url: str, folder: Path) -> dict[str, float]:
    place = ["--namespace", subject.platform.namespace]

    async def kubectl(*words: str) -> None:
        done = await asyncio.create_subprocess_exec(
            "kubectl", *place, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await done.communicate()
        assert done.returncode == 0, output.decode()

    async def up(version: str) -> None:
        file = folder / f"{version}.json"
        file.write_text(json.dumps(_deployment(subject, version)))
        await kubectl("apply", "--filename", str(file))
        await kubectl("rollout", "status", "deployment/shop", "--timeout", "90s")

    async def undo() -> None:
        await kubectl("rollout", "undo", "deployment/shop")
        await kubectl("rollout", "status", "deployment/shop", "--timeout", "90s")

    await up(OLD)
    found: dict[str, float] = {}
    async with Clients(url) as load:
        await load.only(OLD, time.time())
        found["switch"] = found["release"] = await timed(load, NEW, lambda: up(NEW))
        found["back"] = found["abort"] = await timed(load, OLD, undo)
    return found | seen(load)


def _deployment(subject: KubernetesSubject, version: str) -> dict[str, Any]:
    pod = manifests.pod(subject.release(version), Wishes(pull=subject.platform.pull), {}, "none")
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop", "labels": LABELS},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": LABELS},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
            "template": {"metadata": {"labels": LABELS}, "spec": pod},
        },
    }
