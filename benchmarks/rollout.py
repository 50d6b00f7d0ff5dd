"""Requests that fail while releases are switched, and how soon a bad release is gone; beside nginx in the same run.

    python benchmarks/rollout.py [--quick] [--json]

Twenty times a new version is started, waited for, given all the traffic, and the old one stopped, under a constant
open-model load over keep-alive connections; nothing is retried by the client. Then a version that answers 500 is
promoted, noticed by the platform's own counts (the peer: its access log), and taken back. The peer is what a
careful person writes today: start the new copy, wait, rewrite the upstream, `nginx -s reload`, wait, stop the old one.

Aims: 0 failed requests; under 5 seconds from the first bad answer to the last. Writes benchmarks/results/rollout.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform as machine
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from blocks.platforms.local import LocalPlatform  # noqa: E402
from blocks.platforms.local_agent.probe import probe  # noqa: E402
from blocks.platforms.local_agent.process import free_port  # noqa: E402
from domain.place import Lease, Target  # noqa: E402
from tests.blocks.bundles import SERVICE, release  # noqa: E402

TARGET = Target(service="shop", environment="bench")
NGINX = """
daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log {folder}/access.log; client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2;
  fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  upstream service {{ server 127.0.0.1:{upstream}; keepalive 32; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


class Subject(Protocol):
    """Something that serves one version after another."""

    name: str

    async def start(self) -> str: ...

    async def switch(self, version: str, bad: bool) -> None:
        """The version is up and has all the traffic."""
        ...

    async def bad_answers(self) -> bool:
        """Whether the current version answered 5xx, as the subject itself can tell."""
        ...

    async def back(self) -> None:
        """All the traffic is on the version before."""
        ...

    async def settle(self) -> None:
        """What is not needed any more is stopped."""
        ...

    async def stop(self) -> None: ...


class Local:
    name = "local platform"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._platform = LocalPlatform(home=folder)
        self._lease: Lease | None = None
        self._versions: list[str] = []
        self._since = 0.0

    async def start(self) -> str:
        self._lease = await self._platform.acquire(TARGET, "benchmark", 3600)
        await self.switch("v0", False)
        return (await self._platform.inspect(TARGET)).address

    async def switch(self, version: str, bad: bool) -> None:
        assert self._lease is not None
        environment = {"STATUS": "500"} if bad else {}
        await self._platform.provision(self._lease, release(self._folder, version, environment=environment))
        ready, why = await self._platform.wait_ready(TARGET, version, 60)
        assert ready, why
        self._since = time.time()
        await self._platform.promote(self._lease, version)
        self._versions.append(version)

    async def bad_answers(self) -> bool:
        return (await self._platform.traffic(TARGET, self._versions[-1], self._since)).errors > 0

    async def back(self) -> None:
        assert self._lease is not None
        self._versions.pop()
        await self._platform.abort(self._lease, self._versions[-1])

    async def settle(self) -> None:
        assert self._lease is not None
        while len(self._versions) > 1:
            await self._platform.retire(self._lease, self._versions.pop(0))

    async def stop(self) -> None:
        await self._platform.stop_all()


class Nginx:
    name = "nginx reload"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._copies: list[tuple[int, subprocess.Popen[bytes]]] = []
        self._nginx: subprocess.Popen[bytes] | None = None
        self._seen = 0

    async def start(self) -> str:
        await self._copy("v0", False)
        self._configure()
        self._nginx = subprocess.Popen(["nginx", "-c", str(self._folder / "nginx.conf"), "-p", str(self._folder)])
        while not (await probe(self._port, "/healthz", 1))[0]:
            await asyncio.sleep(0.02)
        return f"http://127.0.0.1:{self._port}"

    async def _copy(self, version: str, bad: bool) -> None:
        tree = self._folder / version
        tree.mkdir()
        (tree / "service.py").write_text(SERVICE)
        (tree / "version.txt").write_text(version)
        port, values = free_port(), os.environ | ({"STATUS": "500"} if bad else {})
        argv = [sys.executable, "-S", "service.py", str(port)]
        self._copies.append((port, subprocess.Popen(argv, cwd=tree, env=values, stdout=subprocess.DEVNULL)))
        for _ in range(2):  # as many successes as the platform asks for
            while not (await probe(port, "/healthz", 1))[0]:
                await asyncio.sleep(0.05)

    def _configure(self) -> None:
        text = NGINX.format(folder=self._folder, port=self._port, upstream=self._copies[-1][0])
        (self._folder / "nginx.conf").write_text(text)

    def _reload(self) -> None:
        assert self._nginx is not None
        self._configure()
        self._seen = (self._folder / "access.log").stat().st_size
        self._nginx.send_signal(signal.SIGHUP)

    async def switch(self, version: str, bad: bool) -> None:
        await self._copy(version, bad)
        self._reload()

    async def bad_answers(self) -> bool:
        with open(self._folder / "access.log") as log:
            log.seek(self._seen)
            return any('" 500 ' in line for line in log)

    async def back(self) -> None:
        self._copies.insert(0, self._copies.pop())
        self._reload()

    async def settle(self) -> None:
        await asyncio.sleep(1)  # nobody says when the old workers have finished
        while len(self._copies) > 1:
            _, copy = self._copies.pop(0)
            copy.terminate()
            copy.wait()

    async def stop(self) -> None:
        for process in [self._nginx, *(copy for _, copy in self._copies)]:
            if process is not None:
                process.terminate()
                process.wait()


async def measure(subject: Subject, folder: Path, switches: int, bad: int, rate: float) -> dict[str, Any]:
    """The numbers of one subject; times in seconds."""
    address = await subject.start()
    out = folder / "load.json"
    load = subprocess.Popen(
        [sys.executable, str(ROOT / "benchmarks/_open_load.py"), address + "/", str(rate), str(out)]
    )
    try:
        await asyncio.sleep(1)
        for number in range(1, switches + 1):
            await subject.switch(f"v{number}", False)
            await subject.settle()
        switched = time.time()
        windows = []
        for number in range(bad):
            began = time.time()
            await subject.switch(f"bad{number}", True)
            while not await subject.bad_answers():
                await asyncio.sleep(0.1)
            await subject.back()
            await asyncio.sleep(1)
            windows.append((began, time.time()))
            await subject.settle()
    finally:
        load.send_signal(signal.SIGTERM)
        load.wait(30)
        await subject.stop()
    rows = json.loads(out.read_text())
    good = [row for row in rows if row[0] < switched]
    failed = [row for row in good if row[2] != 200]
    latencies = sorted(end - due for due, end, status, _ in good if status == 200)
    recoveries = []
    for began, ended in windows:
        moments = [end for due, end, status, _ in rows if status == 500 and began <= due <= ended]
        recoveries.append(max(moments) - min(moments) if moments else 0.0)
    return {
        "subject": subject.name,
        "switches": switches,
        "requests": len(good),
        "failed": len(failed),
        "examples": [row[3] for row in failed[:3]],
        "p50": latencies[len(latencies) // 2],
        "p99": latencies[int(len(latencies) * 0.99)],
        "bad_releases": bad,
        "seconds_to_stable": [round(value, 3) for value in recoveries],
        "worst_seconds_to_stable": max(recoveries, default=0.0),
        "failed_otherwise": sum(1 for row in rows if row[0] >= switched and row[2] not in (200, 500)),
    }


async def run(quick: bool) -> dict[str, Any]:
    switches, bad, rate = (4, 1, 100.0) if quick else (20, 5, 200.0)
    makers: list[Callable[[Path], Subject]] = [Local]
    skipped = []
    if shutil.which("nginx"):
        makers.append(Nginx)
    else:
        skipped.append("nginx reload: nginx is not installed")
    results = []
    for maker in makers:
        with tempfile.TemporaryDirectory(prefix="tes-bench-") as folder:
            results.append(await measure(maker(Path(folder)), Path(folder), switches, bad, rate))
    return {
        "benchmark": "rollout",
        "rate": rate,
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "python": machine.python_version(),
        "results": results,
        "skipped": skipped,
    }


def table(report: dict[str, Any]) -> str:
    lines = [
        f"{'':16} {'switches':>9} {'requests':>9} {'failed':>7} {'p50 ms':>7} {'p99 ms':>7} {'bad gone after s':>17}"
    ]
    for one in report["results"]:
        lines.append(
            f"{one['subject']:16} {one['switches']:>9} {one['requests']:>9} {one['failed']:>7} "
            f"{one['p50'] * 1000:>7.1f} {one['p99'] * 1000:>7.1f} {one['worst_seconds_to_stable']:>17.2f}"
        )
        lines += [f"  {example}" for example in one["examples"]]
    lines += [f"skipped: {why}" for why in report["skipped"]]
    lines.append(
        f"open model, {report['rate']:g} requests/s, {report['cores']} cores, load average {report['load_average']:.1f}"
    )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="4 switches instead of 20")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    report = asyncio.run(run(options.quick))
    results = ROOT / "benchmarks/results"
    results.mkdir(exist_ok=True)
    (results / ("rollout-quick.json" if options.quick else "rollout.json")).write_text(
        json.dumps(report, indent=1) + "\n"
    )
    print(json.dumps(report, indent=1) if options.json else table(report))
    ours = report["results"][0]
    return 0 if ours["failed"] == 0 and ours["worst_seconds_to_stable"] < 5 else 1


if __name__ == "__main__":
    sys.exit(main())
