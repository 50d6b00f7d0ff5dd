"""The daily look as a real flow run on the embedded runtime: its two tables are in Prefect, and say what was found."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.driver import Tes

# In a process of its own, against the runtime's server: what the worker does with the deployment.
_RUN = """\
import asyncio, json, os, sys
from cli import runtime
up = asyncio.run(runtime.ensure(lambda text: None, wait=True))
os.environ.update(runtime.environment(up))
import records
from domain.cases import Attempt, CaseId, Status
for number in range(24):
    records.open_run(f"r{number}", "remembered", "execution", source_digest=f"sha256:{number // 6}")
    bad = {"race": number % 5 == 1, "calm": False, "dead": number >= 18}
    made = [
        Attempt(
            case=CaseId(suite="unit", file="t.py", name=name), status=Status.FAILED if failed else Status.PASSED,
            message=f"took {number} s" if failed else "",
        )
        for name, failed in bad.items()
    ]
    if bad["race"]:
        made.append(Attempt(case=CaseId(suite="unit", file="t.py", name="race"), status=Status.PASSED, number=2))
    records.record_attempts(f"r{number}", "tests.unit", made)
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from flows.flakiness import flakiness

async def main():
    state = await flakiness(project=sys.argv[1], return_state=True)
    async with get_client() as client:
        keys = ArtifactFilter(key=ArtifactFilterKey(like_="remembered%"))
        found = await client.read_artifacts(artifact_filter=keys)
        run = await client.read_flow_run(state.state_details.flow_run_id)
    return {
        "state": [state.type.value, state.message], "run": [run.name, run.state_type.value],
        "tables": {one.key: [one.type, one.description, json.loads(one.data)] for one in found},
    }

print(json.dumps(asyncio.run(main())))
"""


def test_the_daily_look_publishes_who_flakes_and_what_failures_have_in_common(tes: Tes, tmp_path: Path) -> None:
    project = tmp_path / "remembered"
    project.mkdir()
    (project / "tes.yaml").write_text("name: remembered\ntests: {quarantine: {automatic: true}}\n")
    found = tes.script(_RUN, str(project))
    assert found["state"] == ["COMPLETED", "1 flaky, 1 broken; 1 set aside, 0 released"]
    assert found["run"][1] == "COMPLETED"
    (flaky,) = [table for key, table in found["tables"].items() if "flakiness" in key]
    assert flaky[:2] == ["table", "remembered: 1 flaky, 1 broken, 0 released"]
    dead, race = flaky[2]
    assert (dead["case"], dead["state"], dead["quarantine"]) == ("t.py::dead", "broken", "")
    assert (race["case"], race["state"], race["passed on retry"]) == ("t.py::race", "flaky", 5)
    assert race["quarantine"].startswith("set aside until")
    (failures,) = [table for key, table in found["tables"].items() if "failures" in key]
    assert [(row["failures"], row["cases"], row["what"]) for row in failures[2]] == [(11, 2, "took <number> s")]
