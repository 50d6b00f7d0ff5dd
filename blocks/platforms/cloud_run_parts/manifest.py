"""What Cloud Run is told, as values: the v2 API's Service, RevisionTemplate, TrafficTarget and Job, in JSON."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blocks.platforms.cloud_run_parts.names import Names
from domain.charter import Charter, Placed
from domain.place import Job, Release
from domain.spec import Health

PORT = 8000
LONGEST_PROBE = 240
"""Seconds that Cloud Run lets a container take until it is healthy."""

_REVISION = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"


@dataclass(frozen=True)
class Options:
    """What a block says beyond the release."""

    neutral_image: str
    service_account: str | None = None
    ingress: str = "INGRESS_TRAFFIC_ALL"
    public: bool = False
    connector: str | None = None
    network: str | None = None
    subnetwork: str | None = None
    egress: str = "PRIVATE_RANGES_ONLY"
    request_timeout: int = 300
    concurrency: int = 80
    most: int = 100
    cpu_always: bool = False

    def network_access(self) -> dict[str, Any]:
        """The template's `vpcAccess`; empty for none."""
        if self.connector:
            return {"vpcAccess": {"connector": self.connector, "egress": self.egress}}
        if self.network or self.subnetwork:
            pair = {"network": self.network, "subnetwork": self.subnetwork}
            interface = {key: value for key, value in pair.items() if value}
            return {"vpcAccess": {"networkInterfaces": [interface], "egress": self.egress}}
        return {}


def new_service(names: Names, options: Options, annotations: Mapping[str, str]) -> dict[str, Any]:
    """A service that has no release yet: all requests go to a neutral revision, of which no instance is kept."""
    return {
        "labels": names.labels("service"),
        "annotations": dict(annotations),
        **reach(options),
        "template": neutral(names.home, names, options),
        "traffic": [share(names.home, 100)],
    }


def reach(options: Options) -> dict[str, Any]:
    """Who reaches the service: fields of its own, which a change of the block changes."""
    return {"ingress": options.ingress, "invokerIamDisabled": options.public}


def neutral(revision: str, names: Names, options: Options) -> dict[str, Any]:
    """A template that runs nothing of anybody: a service must have one. No instance is kept."""
    return {
        "revision": revision,
        "labels": names.labels("neutral"),
        "scaling": {"minInstanceCount": 0, "maxInstanceCount": 1},
        "containers": [{"image": options.neutral_image}],
    }


def template(names: Names, placed: Placed, options: Options, secrets: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """A release's revision. `secrets`: by variable, a secret's id and version in Secret Manager."""
    release = placed.release
    port = release.port or PORT
    container = {
        **_container(release, release.command, options, secrets),
        "ports": [{"containerPort": port}],
        "startupProbe": startup(release.health, port),
        "livenessProbe": liveness(release.health, port),
    }
    return {
        "revision": names.revision(placed),
        "labels": names.labels("release", release=names.tag(placed)),
        "scaling": {"minInstanceCount": release.replicas, "maxInstanceCount": max(options.most, release.replicas)},
        "timeout": f"{options.request_timeout}s",
        "maxInstanceRequestConcurrency": options.concurrency,
        "containers": [container],
        **({"serviceAccount": options.service_account} if options.service_account else {}),
        **options.network_access(),
    }


def job(
    names: Names, release: Release, told: Job, options: Options, secrets: Mapping[str, tuple[str, str]]
) -> dict[str, Any]:
    """A job that runs once, with no second try: whoever asked for it decides about that."""
    return {
        "labels": names.labels("job"),
        "template": {
            "taskCount": 1,
            "template": {
                "containers": [_container(release, told.command, options, secrets)],
                "maxRetries": 0,
                "timeout": f"{max(1, math.ceil(told.timeout))}s",
                **({"serviceAccount": options.service_account} if options.service_account else {}),
                **options.network_access(),
            },
        },
    }


def _container(
    release: Release, command: Sequence[str], options: Options, secrets: Mapping[str, tuple[str, str]]
) -> dict[str, Any]:
    port = str(release.port or PORT)
    # Cloud Run sets PORT in a service and refuses it here.
    told = {"TES_SERVICE": release.service, "TES_VERSION": release.version, "PYTHONUNBUFFERED": "1"}
    clear = {key: value for key, value in {**told, **release.environment}.items() if key != "PORT"}
    words = [word.replace("${PORT}", port) for word in command]
    return {
        "image": release.artifact.location,
        **({"args": words} if words else {}),  # the image's entry point stays, as on Docker
        "env": [
            *({"name": key, "value": value} for key, value in clear.items() if key not in secrets),
            *(
                {"name": key, "valueSource": {"secretKeyRef": {"secret": secret, "version": version}}}
                for key, (secret, version) in secrets.items()
            ),
        ],
        "resources": {"limits": limits(release), "cpuIdle": not options.cpu_always, "startupCpuBoost": True},
    }


def limits(release: Release) -> dict[str, str]:
    """Processors and memory as Cloud Run takes them: at least 512 MiB with CPU always there; whole processors beyond
    one, of which it has 1, 2, 4, 6 and 8."""
    wanted = release.resources.cpus or 1.0
    cpus = next((n for n in (1, 2, 4, 6, 8) if n >= wanted), math.ceil(wanted))
    return {"cpu": str(cpus), "memory": f"{max(release.resources.memory_mb or 512, 512)}Mi"}


def startup(health: Health, port: int) -> dict[str, Any]:
    """The container is asked until it answers, for `grace` seconds, or as long as Cloud Run allows. Whole seconds, and
    one look is never longer than the time between two: Cloud Run's rules."""
    period = min(max(1, math.ceil(health.interval), math.ceil(health.timeout)), LONGEST_PROBE)
    looks = max(1, math.ceil(min(health.grace, LONGEST_PROBE) / period))
    return {
        "httpGet": {"path": health.path, "port": port},
        "periodSeconds": period,
        "timeoutSeconds": min(period, max(1, math.ceil(health.timeout))),
        "failureThreshold": min(looks, max(1, LONGEST_PROBE // period)),
    }


def liveness(health: Health, port: int) -> dict[str, Any]:
    """One that no longer answers is ended and started again."""
    return {**startup(health, port), "failureThreshold": health.failures}


def share(revision: str, percent: int, tag: str = "") -> dict[str, Any]:
    """One revision's part of the traffic. Its tag makes it answer at an address of its own, and keeps its instances."""
    return {"type": _REVISION, "revision": revision, "percent": percent, **({"tag": tag} if tag else {})}


def traffic(
    charter: Charter, names: Names, there: Mapping[str, bool], leaving: Collection[str] = ()
) -> list[dict[str, Any]]:
    """The service's whole `traffic`. `there`: by name, the revisions that exist, and whether they can be tagged. Cloud
    Run obeys nothing of a list that names what does not exist. `leaving` keep their tag, and with it their instances:
    they may have requests in flight."""
    shares = []
    for one in charter.releases:
        revision = names.revision(one)
        # One with traffic is named whatever was seen: an update that is refused is better than a neutral page.
        if one.weight or there.get(revision):
            shares.append(share(revision, one.weight, names.tag(one)))
    kept = sorted(set(leaving) & set(there) - {one["revision"] for one in shares})
    shares += [share(name, 0, name.rpartition("-")[2]) for name in kept if there[name]]
    rest = 100 - sum(one["percent"] for one in shares)
    return [*([share(names.home, rest)] if rest else []), *shares]


def shared(targets: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The percentages by revision, of a `traffic` or a `trafficStatuses`."""
    percents: dict[str, int] = {}
    for one in targets:
        if percent := int(one.get("percent", 0)):
            percents[one.get("revision", "")] = percents.get(one.get("revision", ""), 0) + percent
    return percents


def obeyed(wanted: Sequence[Mapping[str, Any]], statuses: Sequence[Mapping[str, Any]]) -> bool:
    """Whether requests are shared so now, and each tag has its revision. `statuses`: the service's
    `trafficStatuses`."""
    tags, seen = ({(one["tag"], one.get("revision")) for one in some if one.get("tag")} for some in (wanted, statuses))
    return shared(wanted) == shared(statuses) and tags == seen


def secrets_of(revision: Mapping[str, Any]) -> list[str]:
    """The ids of the secrets that a revision names."""
    named = (one for container in revision.get("containers", []) for one in container.get("env", []))
    return [one["valueSource"]["secretKeyRef"]["secret"] for one in named if "valueSource" in one]
