"""`kill -9` at each stage: the environment stays at the old or the new release, and running again completes."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e import chain
from tests.e2e.driver import Answer, Tes
from tests.e2e.tiny import change, tiny

pytestmark = [pytest.mark.requires("k6"), pytest.mark.requires("bandit")]
_numbers = itertools.count(1)


@pytest.fixture
def service(tmp_path: Path, tes: Tes) -> Iterator[Path]:
    """The tiny project with its first revision released, a second one in the work tree, and a client that counts every
    answer which is neither."""
    name = f"killed-{next(_numbers)}"
    project = tiny(tmp_path / name, name)
    released(tes, project)
    change(project, "two")
    client = chain.Client(chain.seen(tes, name).address, {"one", "two"})
    client.start()
    yield project
    client.over.set()
    client.join()
    assert client.asked and not client.wrong


def released(tes: Tes, project: Path) -> Answer:
    """A release that must arrive."""
    answer = tes.run("release", str(project), "-e", "staging", "--json")
    assert answer.code == 0 and set(answer.outcomes().values()) == {"PASS"}, answer.err + answer.out
    return answer


def rows(tes: Tes, query: str, *values: str) -> list[tuple[str, ...]]:
    with contextlib.closing(sqlite3.connect(tes.home / "records.db")) as records:
        return records.execute(query, values).fetchall()


def passed(tes: Tes, run: str) -> set[str]:
    """The stages that a run finished well."""
    return {name for (name,) in rows(tes, "select name from stages where run_id = ? and outcome = 'PASS'", run)}


def completes(tes: Tes, project: Path, old: str) -> None:
    """Running again arrives, repeats nothing that was finished, and nothing is left of what was killed."""
    last = released(tes, project)
    assert {"build", "scan.bandit", "tests.unit"} <= last.reused(), last.out
    state = chain.seen(tes, project.name)
    assert state.stable == last.report["version"] != old
    assert [r.release.version for r in state.releases if r.weight] == [state.stable]
    assert state.lease is None
    assert chain.previews(tes, project.name) == []
    chain.until(lambda: not chain.tools_left(tes), "tools that have ended", 10)
    told = tes.run("runs", "--name", project.name, "--limit", "50", "--json")
    assert {row["state"] for row in json.loads(told.out)} <= {"finished", "interrupted"}, told.out


def stands(tes: Tes, project: Path, old: str, stage: str, folder: Path) -> None:
    """At the old release before the promotion, at the new one after it; all traffic is given, and `tes status` says to
    whom."""
    state = chain.seen(tes, project.name)
    assert sum(r.weight for r in state.releases) == 100
    assert (state.stable == old) == (stage != "verify"), (folder / "deploy/steps.jsonl").read_text()
    if stage in chain.STEPS:
        assert tes.stable(project.name, "staging")[0] == state.stable
    else:
        assert [r.weight for r in state.releases if r.weight] == [100]


def test_the_process_of_the_flow_at_each_stage(tes: Tes, service: Path) -> None:
    old = str(chain.seen(tes, service.name).stable)
    finished: set[str] = set()
    for stage in chain.BEGUN:
        known = set((tes.home / "runs").iterdir())
        running = tes.start("release", str(service), "-e", "staging")

        def there() -> Path | None:
            assert running.poll() is None, f"it ended before {stage}: {running.communicate()[0]}"
            new = set((tes.home / "runs").iterdir()) - known
            return next((folder for folder in new if chain.begun(folder, stage)), None)

        folder = chain.until(there, stage)
        os.kill(int(rows(tes, "select pid from runs where id = ?", folder.name)[0][0]), signal.SIGKILL)
        told, _ = running.communicate()
        assert "Traceback" not in told and running.returncode in (4, -signal.SIGKILL), told
        repeated = finished & {path.name for path in folder.iterdir()}
        assert not repeated, f"done again before {stage}: {repeated}"
        finished |= passed(tes, folder.name)
        stands(tes, service, old, stage, folder)
    assert "load" in finished
    completes(tes, service, old)


class Worker:
    """The runtime as a client of Prefect's API sees it, and the processes behind it."""

    def __init__(self, tes: Tes) -> None:
        self.tes = tes

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.tes.home / "runtime.json").read_text())
        return found

    def asked(self, project: Path) -> str:
        """The flow run of a release through the deployment release/staging."""
        api = httpx.Client(base_url=f"http://127.0.0.1:{self.state()['prefect_port']}/api", timeout=60)
        with api, contextlib.suppress(httpx.HTTPError):
            deployment = api.get("/deployments/name/release/staging").raise_for_status().json()["id"]
            body = {"parameters": {"project": str(project), "environment": "staging", "ref": None}}
            run = api.post(f"/deployments/{deployment}/create_flow_run", json=body).raise_for_status().json()
            return str(run["id"])
        return ""

    def over(self, run: str) -> str | None:
        """How a flow run ended, once it did."""
        told = rows(self.tes, "select coalesce(outcome, state) from runs where id = ? and state <> 'running'", run)
        if told:
            return told[0][0]
        api = f"http://127.0.0.1:{self.state()['prefect_port']}/api"
        with contextlib.suppress(httpx.HTTPError, KeyError, TypeError):
            kind = httpx.get(f"{api}/flow_runs/{run}", timeout=1).json()["state"]["type"]
            return kind if kind in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None
        return None

    def kill(self, child: str) -> None:
        """Kills it, unless it is being started again since the last time."""
        process = self.state()["children"][child]["process"]
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process["pid"], signal.SIGKILL)


def test_the_server_under_a_command(tes: Tes, service: Path) -> None:
    """The person gets a verdict or one clear error, and the same command goes on from there."""
    old, known = str(chain.seen(tes, service.name).stable), set((tes.home / "runs").iterdir())
    running = tes.start("release", str(service), "-e", "staging")
    chain.until(
        lambda: any(chain.begun(folder, "tests") for folder in set((tes.home / "runs").iterdir()) - known), "tests"
    )
    Worker(tes).kill("server")
    told, _ = running.communicate(timeout=240)
    assert running.returncode in (0, 4) and "Traceback" not in told and "bug in tes" not in told, told
    assert running.returncode == 0 or "fix:" in told, told
    if running.returncode == 0:
        change(service, "one")
        old = str(chain.seen(tes, service.name).stable)
    completes(tes, service, old)


@pytest.mark.parametrize("child", ["server", "worker"])
def test_what_the_flow_depends_on_at_each_stage(tes: Tes, service: Path, child: str) -> None:
    """The run goes on without it or ends with an error; another one takes up from there."""
    old, runtime, run = str(chain.seen(tes, service.name).stable), Worker(tes), ""
    for stage in chain.BEGUN:
        ended = ""
        while not run or not chain.begun(tes.home / "runs" / run, stage):
            if not run or (ended := runtime.over(run) or ""):
                assert ended != "PASS", f"it was over before {stage} had begun"
                run = chain.until(lambda: runtime.asked(service), "a server that takes the run")
            chain.until(
                lambda: chain.begun(tes.home / "runs" / run, stage) or runtime.over(run), f"{stage} of run {run}"
            )
        runtime.kill(child)
        state = chain.seen(tes, service.name)
        assert state.stable == old or stage in chain.STEPS
        assert sum(r.weight for r in state.releases) == 100
    chain.until(lambda: runtime.over(run), "the end of the last run")
    completes(tes, service, old)
