"""Twenty releases, ten of them bad, under a constant load: which requests fail, and who still meets a bad release.

    python benchmarks/rollouts.py [--platform local] [--platform docker] [--platform kubernetes] [--quick] [--json]

Each release goes the way of `tes deploy` (tasks/deploy.py: lease, canary of 20 % and 50 %, verify, promote, records);
only the platform is handed in. Every second one is bad: it crashes at its start, never becomes healthy, answers 500 to
all but its health check, or is slow. An open-model load in a process of its own goes from before the first of them
until after the last; nothing is retried. Beside it each rollout has its own proof (`release.proof`), and both must
tell the same.

A 500 that a bad release gives to a client before it is taken back is counted apart; all else that is not a 200 is a
lost request. Aims: neither, and no request that reaches a bad release after its abort.
Writes benchmarks/results/rollouts.json, a platform at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform as machine
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks._rollout_places import Place, place, why_not  # noqa: E402
from blocks.platforms.protocol import HostsServices  # noqa: E402
from domain.load import quantile  # noqa: E402
from domain.place import Target  # noqa: E402
from domain.proof import Proof, assess  # noqa: E402
from domain.spec import Spec  # noqa: E402
from domain.supply import Source  # noqa: E402
from domain.verdict import worst  # noqa: E402
from tasks import deploy, left_behind, recording  # noqa: E402
from tasks.run import Run  # noqa: E402

SERVICE, ENVIRONMENT = "shop", "bench"
PLATFORMS = ("local", "docker", "kubernetes")
CRASHES, NEVER, ERRORS, SLOW = "crashes at start", "never ready", "answers 500", "slow"
KINDS = (CRASHES, ERRORS, SLOW, NEVER, ERRORS, CRASHES, SLOW, ERRORS, NEVER, CRASHES)
Row = tuple[float, float, int, str]


def spec(where: Place, bad: str | None, rate: float, pause: float, number: int) -> Spec:
    """A tes.yaml of the release, good or bad in one way."""
    # As a good service does: on SIGTERM it goes on answering for longer than a request takes, and says that it will not
    # be there again.
    environment = {**where.environment, "NUMBER": str(number), "LINGER": str(pause + 0.5)}
    environment |= {NEVER: {"BROKEN": "1"}, ERRORS: {"STATUS": "500"}, SLOW: {"PAUSE": str(pause)}}.get(bad or "", {})
    command = ["python", "-c", "raise SystemExit(3)"] if bad == CRASHES else list(where.command)
    return Spec.model_validate(
        {
            "name": SERVICE,
            "release": {
                "command": command,
                "environment": environment,
                "health": {"grace": where.grace, "interval": where.interval, "timeout": 5, "successes": 2},
                "drain": pause + 1.5,
                "proof": {"rate": rate, "path": "/", "version_header": "X-Version"},
            },
            "environments": {
                ENVIRONMENT: {
                    "strategy": "canary",
                    "steps": [{"weight": 20, "bake": 1.5}, {"weight": 50, "bake": 1}],
                    "verify": {
                        "bake": 1,
                        "smoke": [{"path": "/", "status": 200}],
                        "thresholds": {"error_rate": 0, "p95": pause * 0.6},
                    },
                    "warm": 60,
                }
            },
        }
    )


async def released(
    where: Place, home: Path, number: int, bad: str | None, options: argparse.Namespace
) -> dict[str, Any]:
    """One release: what became of it, and what its proof says."""
    version = f"v{number:02}"
    run = Run(
        id=f"bench-{version}-{os.urandom(3).hex()}",
        kind="deploy",
        project=SERVICE,
        root=home,
        spec=spec(where, bad, options.proof_rate, options.pause, number),
        environment=ENVIRONMENT,
        version=version,
        actor="benchmark",
        holder="benchmark",
        store=home / "store",
        folder=home / "runs" / version,
    )
    await recording.opened(run)
    began = time.time()
    placed = await deploy.roll_out(run, Source(project=SERVICE, root=str(home), digest="sha256:0"), where.artifact)
    proof = Proof.model_validate_json((run.folder / "deploy" / "proof.json").read_text())
    return {
        "version": placed.version,
        "kind": bad or "good",
        "outcome": str(worst(stage.verdict.outcome for stage in placed.stages)),
        "seconds": round(time.time() - began, 2),
        "why": "; ".join(reason for reason in placed.stages[0].verdict.reasons if not reason.startswith("proof")),
        "proved": assess(proof).reasons,
        "proof": proof,
    }


async def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """All releases on one platform."""
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="tes-bench-") as folder:
        home, out = Path(folder), Path(folder) / "load.json"
        os.environ["TES_DATABASE_URL"] = f"sqlite:///{home}/records.db"
        async with place(name) as where:

            async def handed_in(reference: str) -> HostsServices:
                return where.platform

            setattr(left_behind, "platform_named", handed_in)
            await released(where, home, 0, None, options)
            address = (await where.platform.inspect(Target(service=SERVICE, environment=ENVIRONMENT))).address
            assert address, "what was released is somewhere else than on the platform that was handed in"
            sender = [
                sys.executable,
                str(ROOT / "benchmarks/_open_load.py"),
                f"{address}/",
                str(options.rate),
                str(out),
            ]
            load = subprocess.Popen(sender)
            try:
                await asyncio.sleep(2)
                told = []
                for number in range(1, options.releases + 1):
                    bad = KINDS[(number // 2 - 1) % len(KINDS)] if number % 2 == 0 else None
                    told.append(await released(where, home, number, bad, options))
                    print(
                        f"{name} {told[-1]['version']} {told[-1]['kind']}: {told[-1]['why']}; {told[-1]['proved']}",
                        file=sys.stderr,
                    )
                await asyncio.sleep(2)
            finally:
                load.send_signal(signal.SIGTERM)
                await asyncio.to_thread(load.wait, 60)
        rows: list[Row] = json.loads(out.read_text())
    return {
        **judged(rows, told),
        "platform": name,
        "load_average": [round(load_before, 1), round(os.getloadavg()[0], 1)],
    }


def judged(rows: list[Row], told: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of one platform; latencies in seconds, from when a request was due."""
    bad = {one["version"]: one for one in told if one["kind"] != "good"}
    gone = {
        version: one["proof"].began + one["proof"].aborted
        for version, one in bad.items()
        if one["proof"].aborted is not None
    }
    rejected = [row for row in rows if row[2] != 200 and row[3] in bad and row[0] < gone.get(row[3], 0.0)]
    lost = [row for row in rows if row[2] != 200 and row not in rejected]
    strayed = [row for row in rows if row[0] >= gone.get(row[3], float("inf"))]
    well = sorted(end - due for due, end, status, body in rows if status == 200 and body not in bad)
    proofs = [one["proof"] for one in told]
    return {
        "releases": len(told),
        "bad": len(bad),
        "kinds": dict(Counter(one["kind"] for one in told)),
        "wrongly_ended": [one["version"] for one in told if (one["outcome"] == "PASS") != (one["kind"] == "good")],
        "not_taken_back": [version for version in bad if version not in gone],
        "requests": len(rows),
        "lost": len(lost),
        "examples": [f"{row[2]} {row[3].strip()}" for row in lost[:5]],
        "answered_500_by_a_bad_release_before_its_abort": len(rejected),
        "met_a_bad_release_before_its_abort": sum(row[3] in bad for row in rows) - len(strayed),
        "to_a_bad_release_after_its_abort": len(strayed),
        **{f"p{share}": round(quantile(well, share / 100), 4) for share in (50, 95, 99)},
        "max": round(max(well, default=0.0), 4),
        "proof": {
            "requests": sum(proof.requests for proof in proofs),
            "lost": sum(proof.failed - proof.rejected for proof in proofs),
            "answered_500_by_a_bad_release_before_its_abort": sum(proof.rejected for proof in proofs),
            "unsent": sum(proof.unsent for proof in proofs),
            "to_a_bad_release_after_its_abort": sum(proof.strayed or 0 for proof in proofs),
            "problems": [problem for proof in proofs for problem in proof.problems],
        },
        "rollouts": [{key: value for key, value in one.items() if key != "proof"} for one in told],
    }


def aims(one: dict[str, Any]) -> list[str]:
    """The aims beside what was seen, by the load and by the product's own proof."""
    proof, name = one["proof"], one["platform"]
    found = [
        ("lost requests", one["lost"]),
        ("500 from a bad release before its abort", one["answered_500_by_a_bad_release_before_its_abort"]),
        ("requests to a bad release after its abort", one["to_a_bad_release_after_its_abort"]),
        ("lost requests, by the proofs", proof["lost"]),
        ("requests to a bad release after its abort, by the proofs", proof["to_a_bad_release_after_its_abort"]),
        ("releases that ended otherwise than they are", len(one["wrongly_ended"])),
        ("proofs that are not whole", len(proof["problems"]) + proof["unsent"]),
    ]
    return [f"- {'met   ' if value == 0 else 'MISSED'}  {name}: {what}: {value} (aim: 0)" for what, value in found]


def table(results: dict[str, Any]) -> str:
    """Markdown."""
    lines = [
        "| platform | releases, bad | requests | lost | 500 from a bad one before its abort | to a bad one after its "
        "abort | p50 ms | p95 ms | p99 ms | max ms | proofs: requests, lost, after abort | load |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in results.values():
        times = [f"{one[key] * 1000:.1f}" for key in ("p50", "p95", "p99", "max")]
        proof = one["proof"]
        cells = [
            one["platform"], f"{one['releases']}, {one['bad']}", f"{one['requests']:,}", one["lost"],
            one["answered_500_by_a_bad_release_before_its_abort"], one["to_a_bad_release_after_its_abort"], *times,
            f"{proof['requests']:,}, {proof['lost']}, {proof['to_a_bad_release_after_its_abort']}",
            " to ".join(str(value) for value in one["load_average"]),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    for one in results.values():
        lines += ["", *aims(one), *(f"- {one['platform']}: {example}" for example in one["examples"])]
    return "\n".join(lines)


def main() -> int:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--platform", action="append", choices=PLATFORMS, help="may be repeated; all that are here")
    given.add_argument("--quick", action="store_true", help="6 releases, 3 of them bad; local when none is named")
    given.add_argument("--json", action="store_true", help="print the results as JSON")
    given.add_argument("--rate", type=float, default=50.0, help="requests a second of the load")
    given.add_argument("--proof-rate", type=float, default=20.0, help="requests a second of the rollout's own proof")
    given.add_argument("--pause", type=float, default=2.5, help="seconds of a slow answer")
    given.add_argument("--releases", type=int, default=20)
    options = given.parse_args()
    if options.quick:
        options.releases = 6
    file = ROOT / "benchmarks" / "results" / ("rollouts-quick.json" if options.quick else "rollouts.json")
    results: dict[str, Any] = {}
    for name in options.platform or (PLATFORMS[:1] if options.quick else PLATFORMS):
        reason = why_not(name)
        if reason:
            print(f"{name} is not measured: {reason}", file=sys.stderr)
            continue
        one = asyncio.run(measure(name, options))
        one |= {"rate": options.rate, "cores": os.cpu_count(), "python": machine.python_version()}
        one["when"] = time.strftime("%Y-%m-%d", time.gmtime())
        results[name] = one
        known = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps({**known, name: one}, indent=1) + "\n")
    print(json.dumps(results) if options.json else table(results))
    return 0 if all("MISSED" not in line for one in results.values() for line in aims(one)) else 1


if __name__ == "__main__":
    sys.exit(main())
