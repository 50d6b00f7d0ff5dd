"""How soon a platform releases, switches, aborts and rolls back, under load, beside the tool that people have there.

    python benchmarks/platforms.py [--quick] [--json] [--rounds 5]

Platform `docker` and `docker compose up --detach` (or docker-compose), on this machine's engine. A constant open-model
load goes through all of it. Seconds are counted from the decision to the last answer of the version that is left, as
a client sees it; the platform's own answer must have come by then, too. Every request that fails is counted.

Compose has no second copy: it stops the old one and starts the new one, and going back is the same once more.

Aims: back within 5 s, never later than the peer, no failed request. Writes benchmarks/results/platforms.json.
Needs an engine, root and debootstrap: the images are made here (scripts/base-image.sh, scripts/proxy-image.sh).
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
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks._open_load import Load  # noqa: E402
from blocks.platforms.local_agent.process import free_port  # noqa: E402
from domain.place import Lease  # noqa: E402
from tests.blocks.docker_subject import DockerSubject  # noqa: E402
from tests.blocks.images import IMAGE, can_make_images, image, make_images  # noqa: E402
from tests.blocks.platform_contract import TARGET  # noqa: E402

RATE = 100.0  # requests a second
OLD, NEW = "v1", "v2"
MEASURES = ("release", "switch", "abort", "back")


class Clients:
    """A constant load on a port, and which version answers since when."""

    def __init__(self, port: int) -> None:
        self._load, self._over = Load(f"http://127.0.0.1:{port}/", RATE), asyncio.Event()

    async def __aenter__(self) -> Clients:
        self._running = asyncio.create_task(self._load.run(self._over))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await self._running

    @property
    def answers(self) -> list[tuple[float, str]]:
        """When each request was due, and the version that answered; empty when none did."""
        return [(due, body if status == 200 else "") for due, _, status, body in self._load.rows]

    async def only(self, version: str, since: float) -> float:
        """Seconds from `since` until the last request that another version, or nobody, answered; once a second has
        been calm."""
        while True:
            after = [one for one in self.answers if one[0] >= since]
            other = max((due for due, answered in after if answered != version), default=since)
            if time.time() > other + 1 and any(due > other for due, _ in after):
                return other - since
            await asyncio.sleep(0.05)


async def timed(load: Clients, version: str, work: Callable[[], Awaitable[None]]) -> float:
    """Seconds until the work says that it is done and the clients see that version only."""
    began = time.time()
    await work()
    said = time.time() - began
    return max(said, await load.only(version, began))


async def docker_round() -> dict[str, float]:
    subject = DockerSubject()
    await subject.clean()
    platform = subject.platform
    lease: Lease = await platform.acquire(TARGET, "benchmark", 600)

    async def up(version: str) -> None:
        await platform.provision(lease, subject.release(version))
        ready, why = await platform.wait_ready(TARGET, version, 60)
        assert ready, why

    await up(OLD)
    await platform.promote(lease, OLD)
    found = {}
    async with Clients(int((await subject.address()).rpartition(":")[2])) as load:
        await asyncio.sleep(1)
        began = time.time()
        await up(NEW)
        found["release"] = time.time() - began
        await platform.shift(lease, NEW, 50)
        await asyncio.sleep(1)
        began = time.time()
        aborting = asyncio.create_task(platform.abort(lease, OLD))
        found["abort"] = await load.only(OLD, began)
        await aborting
        await up(NEW)
        found["switch"] = await timed(load, NEW, lambda: platform.promote(lease, NEW))
        found["back"] = await timed(load, OLD, lambda: platform.promote(lease, OLD))
    found["failed"] = sum(not version for _, version in load.answers)
    found["requests"] = len(load.answers)
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
        async with Clients(port) as load:
            await load.only(OLD, time.time())
            found["switch"] = found["release"] = await timed(load, NEW, lambda: up(NEW))
            found["back"] = found["abort"] = await timed(load, OLD, lambda: up(OLD))
        found["failed"] = sum(not version for _, version in load.answers)
        found["requests"] = len(load.answers)
    finally:
        down = [*command, "-p", "tes-bench", "-f", str(folder / "compose.json"), "down"]
        subprocess.run(down, capture_output=True, timeout=60)
    return found


def told(rounds: list[dict[str, float]]) -> dict[str, Any]:
    """Medians in seconds; requests and failures of all rounds together."""
    medians = {name: round(statistics.median(one[name] for one in rounds), 3) for name in MEASURES}
    return {**medians, **{name: int(sum(one[name] for one in rounds)) for name in ("failed", "requests")}}


def aims(results: dict[str, dict[str, Any]]) -> list[str]:
    ours, peer = results["docker"], results.get("compose")
    lines = [
        _aim("back, s", ours["back"], 5.0),
        _aim("abort, s", ours["abort"], 5.0),
        _aim("failed", ours["failed"], 0),
    ]
    if peer is not None:
        lines.append(_aim("back / compose", round(ours["back"] / peer["back"], 2), 1.0))
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


async def run(rounds: int) -> dict[str, dict[str, Any]]:
    make_images()
    results = {"docker": told([await docker_round() for _ in range(rounds)])}
    command = compose()
    if command is None:
        print(
            "neither docker compose nor docker-compose is here: no peer (apt-get install docker-compose)",
            file=sys.stderr,
        )
        return results
    with tempfile.TemporaryDirectory() as folder:
        results["compose"] = told([await compose_round(command, Path(folder)) for _ in range(rounds)])
    return results


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--quick", action="store_true", help="one round")
    given.add_argument("--json", action="store_true", help="print the results as JSON")
    given.add_argument("--rounds", type=int, default=5)
    options = given.parse_args()
    rounds = 1 if options.quick else options.rounds
    if (
        not shutil.which("docker")
        or not can_make_images()
        or subprocess.run(["docker", "version"], capture_output=True).returncode
    ):
        print("nothing is measured: it needs a Docker engine, root and debootstrap", file=sys.stderr)
        return
    results = asyncio.run(run(rounds))
    name = "platforms-quick.json" if options.quick else "platforms.json"
    (ROOT / "benchmarks" / "results" / name).write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results) if options.json else table(results, rounds))


if __name__ == "__main__":
    main()
