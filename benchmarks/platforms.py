"""How soon a platform releases, switches, aborts and rolls back, under load, beside the tool that people have there.

    python benchmarks/platforms.py [--quick] [--json] [--rounds 5] [--only docker ecs kubernetes]

Platform `docker` and `docker compose up --detach` (or docker-compose), on this machine's engine. Platform
`kubernetes` and `kubectl rollout undo` of the same pods, on the cluster of KUBECONFIG. Platform `ecs` and ECS's own
rolling update with its circuit breaker, on an emulator that runs containers (its `abort` is from a bad update until ECS
has given it up). A constant open-model load over
kept connections goes through all of it. Seconds are counted from the decision to the last answer of the version that
is left, as a client sees it; the platform's own answer must have come by then, too. Each request that fails is counted.

Compose has no second copy: it stops the old one and starts the new one, and going back is the same once more. kubectl
replaces copies one after another, and going back is the same, too.

Aims: back within 5 s, never later than the peer, no failed request. Writes benchmarks/results/platforms.json; what is
not measured stays as it was there. Docker needs an engine, root and debootstrap: the images are made here
(scripts/base-image.sh, scripts/proxy-image.sh). Kubernetes needs KUBECONFIG, kubectl and a node whose ports are reached
from here (TES_KUBERNETES_HOST names it where its own address is not); the image is named as for `make test-kubernetes`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform as machine
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import _kubernetes  # noqa: E402
from benchmarks._clients import NEW, OLD, Clients, measured, seen, timed  # noqa: E402
from blocks.platforms.local_agent.process import free_port  # noqa: E402
from tests.blocks.docker_subject import DockerSubject  # noqa: E402
from tests.blocks.images import IMAGE, can_make_images, image, make_images  # noqa: E402
from tests.components import missing  # noqa: E402
from tests.blocks.platform_contract import TARGET  # noqa: E402

MEASURES = ("release", "switch", "abort", "back")
PEERS = {"docker": "compose", "ecs": "ecs itself", "kubernetes": "kubectl"}


async def docker_round() -> dict[str, float]:
    subject = DockerSubject()
    await subject.clean()
    found = await measured(subject, await subject.platform.acquire(TARGET, "benchmark", 600))
    await subject.clean()
    return found


def compose() -> list[str] | None:
    """The command, whichever is here; None where there is none."""
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    if not subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        return ["docker", "compose"]
    return None


async def compose_round(command: list[str], folder: Path) -> dict[str, float]:
    for version in (OLD, NEW):
        image(version)
    port = free_port()

    async def up(version: str) -> None:
        service = {
            "image": f"{IMAGE}:{version}",
            "command": ["python", "-S", "-u", "service.py", "8000"],
            "ports": [f"127.0.0.1:{port}:8000"],
            "init": True,
        }
        (folder / "compose.json").write_text(json.dumps({"version": "3.7", "services": {"shop": service}}))
        done = await asyncio.create_subprocess_exec(
            *command, "-p", "tes-bench", "-f", str(folder / "compose.json"), "up", "-d",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await done.communicate()
        assert done.returncode == 0, output.decode()

    await up(OLD)
    found: dict[str, float] = {}
    try:
        async with Clients(f"http://127.0.0.1:{port}") as load:
            await load.only(OLD, time.time())
            found["switch"] = found["release"] = await timed(load, NEW, lambda: up(NEW))
            found["back"] = found["abort"] = await timed(load, OLD, lambda: up(OLD))
    finally:
        down = [*command, "-p", "tes-bench", "-f", str(folder / "compose.json"), "down"]
        subprocess.run(down, capture_output=True, timeout=60)
    return found | seen(load)


def told(rounds: list[dict[str, float]]) -> dict[str, Any]:
    """Medians in seconds; requests and failures of all rounds together."""
    medians = {name: round(statistics.median(one[name] for one in rounds), 3) for name in MEASURES}
    return {**medians, **{name: int(sum(one[name] for one in rounds)) for name in ("failed", "requests")}}


def aims(results: dict[str, dict[str, Any]]) -> list[str]:
    lines = []
    for platform, peer in PEERS.items():
        if (ours := results.get(platform)) is None:
            continue
        lines += [
            _aim(f"{platform}: back, s", ours["back"], 5.0),
            _aim(f"{platform}: abort, s", ours["abort"], 5.0),
            _aim(f"{platform}: failed", ours["failed"], 0),
        ]
        if peer in results:
            lines.append(_aim(f"{platform}: back / {peer}", round(ours["back"] / results[peer]["back"], 2), 1.0))
    return lines


def _aim(what: str, value: float, most: float) -> str:
    return f"- {'met   ' if value <= most else 'MISSED'}  {what}: {value} (aim: at most {most:g})"


def table(results: dict[str, dict[str, Any]], rounds: int) -> str:
    """Markdown."""
    lines = [
        "| platform | release s | switch s | abort s | back s | failed | requests |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, one in results.items():
        lines.append(f"| {name} | {' | '.join(str(one[m]) for m in (*MEASURES, 'failed', 'requests'))} |")
    return "\n".join(
        [*lines, "", f"Medians of {rounds} rounds; Python {machine.python_version()}.", "", *aims(results)]
    )


async def on_docker(rounds: int) -> dict[str, dict[str, Any]]:
    if (
        not shutil.which("docker")
        or not can_make_images()
        or subprocess.run(["docker", "version"], capture_output=True).returncode
    ):
        print("docker is not measured: it needs a Docker engine, root and debootstrap", file=sys.stderr)
        return {}
    make_images()
    results = {"docker": told([await docker_round() for _ in range(rounds)])}
    command = compose()
    if command is None:
        print("no peer of docker: neither docker compose nor docker-compose is here", file=sys.stderr)
        return results
    with tempfile.TemporaryDirectory() as folder:
        results["compose"] = told([await compose_round(command, Path(folder)) for _ in range(rounds)])
    return results


async def on_ecs(rounds: int) -> dict[str, dict[str, Any]]:
    if why := next(filter(None, map(missing, ("docker", "ministack", "moto"))), None) or _no_images():
        print(f"ecs is not measured: {why}", file=sys.stderr)
        return {}
    from benchmarks import _ecs  # boto3 and the emulators are no part of the other platforms

    make_images()
    ours, theirs = [], []
    with _ecs.emulated() as (emulators, listener):
        for _ in range(rounds):
            ours.append(await _ecs.platform_round(emulators, listener))
            theirs.append(await _ecs.native_round(emulators, listener))
    return {"ecs": told(ours), "ecs itself": told(theirs)}


def _no_images() -> str | None:
    return None if can_make_images() else "images are made with root and debootstrap"


async def on_kubernetes(rounds: int) -> dict[str, dict[str, Any]]:
    if why := missing("kubernetes"):
        print(f"kubernetes is not measured: {why}", file=sys.stderr)
        return {}
    ours, theirs = [], []
    for _ in range(rounds):  # in turns, so that a busy hour is busy for both
        ours.append(await _kubernetes.platform_round())
        if shutil.which("kubectl"):
            theirs.append(await _kubernetes.kubectl_round())
    if not theirs:
        print("no peer of kubernetes: kubectl is not on PATH", file=sys.stderr)
    return {"kubernetes": told(ours), **({"kubectl": told(theirs)} if theirs else {})}


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--quick", action="store_true", help="one round")
    given.add_argument("--json", action="store_true", help="print the results as JSON")
    given.add_argument("--rounds", type=int, default=5)
    given.add_argument("--only", nargs="+", choices=list(PEERS), default=list(PEERS))
    options = given.parse_args()
    rounds = 1 if options.quick else options.rounds
    results: dict[str, dict[str, Any]] = {}
    for name, measure in {"docker": on_docker, "ecs": on_ecs, "kubernetes": on_kubernetes}.items():
        if name in options.only:
            results |= asyncio.run(measure(rounds))
    if not results:
        return
    path = ROOT / "benchmarks" / "results" / ("platforms-quick.json" if options.quick else "platforms.json")
    kept = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(kept | results, indent=2) + "\n")
    print(json.dumps(results) if options.json else table(results, rounds))


if __name__ == "__main__":
    main()
