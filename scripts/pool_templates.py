#!/usr/bin/env python3
"""Writes deployments/pools/*.json: each worker's own base job template, with what this system needs set.

    scripts/pool_templates.py [--check] [TYPE ...]

Run it after an upgrade of Prefect or of a worker package, and read the difference. A type whose worker package is not
installed is left as it is, and that is said.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
POOLS = ROOT / "deployments" / "pools"
WORKERS = {
    "process": "prefect.workers.process:ProcessWorker",
    "docker": "prefect_docker.worker:DockerWorker",
    "kubernetes": "prefect_kubernetes.worker:KubernetesWorker",
    "ecs": "prefect_aws.workers.ecs_worker:ECSWorker",
    "cloud-run-v2": "prefect_gcp.workers.cloud_run_v2:CloudRunWorkerV2",
    "azure-container-instance": "prefect_azure.workers.container_instance:AzureContainerWorker",
}
IMAGE = "test-execution-system:latest"
HEARTBEAT = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
# A worker hands its own settings on to the container, where the folders of its machine mean nothing.
IN_IMAGE = {
    **HEARTBEAT,
    "PREFECT_HOME": "/var/lib/tes/prefect",
    "PREFECT_PROFILES_PATH": "/var/lib/tes/prefect/profiles.toml",
}
PART_OF = {"app.kubernetes.io/part-of": "test-execution-system"}
# Clouds take no dot and no slash in a label.
PART_OF_CLOUD = {"part-of": "test-execution-system"}
UID = 10001  # the image's user (Dockerfile)
DEFAULTS: dict[str, dict[str, Any]] = {
    "process": {"env": HEARTBEAT},
    "docker": {
        "image": IMAGE,
        "image_pull_policy": "IfNotPresent",
        "env": IN_IMAGE,
        "labels": PART_OF,
        # An engine that removes the container itself may do so before the worker has read the exit code (in 9 of 15
        # tries it then read 0): a flow that died before its first heartbeat would stay Pending for ever.
        # deployments/leftovers.py removes what is over.
        "auto_remove": False,
        # The image's check asks the API service, which is not what runs here.
        "container_create_kwargs": {"healthcheck": {"test": ["NONE"]}, "init": True},
    },
    "kubernetes": {
        "image": IMAGE,
        "env": IN_IMAGE,
        "labels": PART_OF,
        # Prefect starts a lost run again, or not; the cluster must not do it on its own.
        "backoff_limit": 0,
        "finished_job_ttl": 600,
        "pod_watch_timeout_seconds": 300,
        "cpu_request": "500m",
        "memory_request": "1Gi",
    },
    "ecs": {
        "image": IMAGE,
        "env": IN_IMAGE,
        "labels": PART_OF_CLOUD,
        "cpu": 1024,
        "memory": 2048,
        # Otherwise each run of each worker leaves a task definition behind (Prefect issue 16485).
        "match_latest_revision_in_family": True,
    },
    "cloud-run-v2": {
        "image": IMAGE,
        "env": IN_IMAGE,
        "labels": PART_OF_CLOUD,
        "launch_stage": "GA",
        "max_retries": 0,
        "memory": "2Gi",
        "timeout": 21600,
    },
    "azure-container-instance": {
        "image": IMAGE,
        "env": IN_IMAGE,
        "labels": PART_OF_CLOUD,
        "entrypoint": "/usr/local/bin/tes-entrypoint",
        "memory": 2.0,
        "stream_output": True,
    },
}
# Choices that belong to an existing variable, told where people see them.
TOLD = {
    ("process", "command"): "The embedded runtime fills in its own interpreter, which saves a process for each run.",
    ("ecs", "launch_type"): "FARGATE_SPOT is cheaper and may be taken away at two minutes' notice: good for shards.",
    ("docker", "auto_remove"): "The exit code may go with the container: a crash is then seen by the heartbeat only.",
}


def template(kind: str) -> dict[str, Any]:
    """The template of a pool of this type. ImportError without the worker's package."""
    module, _, name = WORKERS[kind].partition(":")
    made: dict[str, Any] = getattr(importlib.import_module(module), name).get_default_base_job_template()
    properties = made["variables"]["properties"]
    for key, value in DEFAULTS[kind].items():
        properties[key]["default"] = value
    for (of, key), text in TOLD.items():
        if of == kind:
            properties[key]["description"] = f"{properties[key]['description']} {text}"
    if kind == "kubernetes":
        _restrict(made["job_configuration"]["job_manifest"]["spec"])
    return made


def _restrict(job: dict[str, Any]) -> None:
    """The Job fits a namespace with the Pod Security Standard `restricted`."""
    pod = job["template"]["spec"]
    # Prefect's default has these two in the pod, where the cluster ignores them with a warning.
    job["completions"], job["parallelism"] = pod.pop("completions"), pod.pop("parallelism")
    pod["securityContext"] = {
        "fsGroup": UID,
        "runAsGroup": UID,
        "runAsNonRoot": True,
        "runAsUser": UID,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    pod["containers"][0]["securityContext"] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def text(kind: str) -> str:
    """The file's content."""
    return json.dumps(template(kind), indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """0 when all files that can be known are as they should be."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--check", action="store_true", help="write nothing; 1 when a file would change")
    words.add_argument("types", nargs="*", metavar="TYPE", default=list(WORKERS), help=", ".join(WORKERS))
    given = words.parse_args()
    stale = 0
    for kind in given.types:
        path = POOLS / f"{kind}.json"
        try:
            wanted = text(kind)
        except ImportError as error:
            print(f"{kind}: not looked at ({error})", file=sys.stderr)
            continue
        if not path.exists() or path.read_text(encoding="utf-8") != wanted:
            stale += 1
            print(f"{kind}: {'differs' if given.check else 'written'}")
            if not given.check:
                path.write_text(wanted, encoding="utf-8")
    return 1 if given.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
