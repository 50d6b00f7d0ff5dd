"""Whatever is done to a gate's tool, the stage never says PASS, and a release whose policy it blocks does not ship.

The tools' own parsers are sabotaged in tests/toolchain/; here it is the stages, as the flows call them.
"""

from __future__ import annotations

import itertools
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from blocks.platforms.memory import MemoryPlatform
from blocks.platforms.memory_world import Behaviour
from domain.errors import PlatformError, Rejected, Unavailable
from domain.place import Target
from domain.policy import Mode
from domain.report import Stage, weigh
from domain.spec import Build, EnvironmentSpec, Load, ReleaseSpec, Scan, Scenario, Spec, Suite, Tests, Verify
from domain.supply import Artifact, Source
from domain.verdict import Outcome, Verdict
from tasks import deploy, execution, load, recording, rollout, scan, suite_environment
from tasks.build import build
from tasks.execute import execute, find
from tasks.run import Run
from tasks.virtual_environment import Locked
from tests.tasks.supply import source_of
from tests.toolchain.scanners import trivy_db
from toolchain.command import Command, Ran

FIXTURES = Path(__file__).parents[1] / "toolchain"
# $CLEAN is a report of a tool that found nothing wrong, $REPORT where its own is wanted.
WAYS = {
    "crashes": 'cat "$CLEAN" > "$REPORT"; kill -SEGV $$',
    "runs out of time": 'cat "$CLEAN" > "$REPORT"; sleep 30',
    "exits 0 with errors and nothing else": "echo 'ERROR: could not look' >&2; exit 0",
    "leaves an empty report": ': > "$REPORT"',
    "leaves a report cut off": 'head -c $(($(wc -c < "$CLEAN") * 2 / 3)) "$CLEAN" > "$REPORT"',
}
IN_ORDER = 'cat "$CLEAN" > "$REPORT"'
SCANNERS = {"bandit": "bandit", "detect_secrets": "detect-secrets", "pip_audit": "pip-audit", "trivy": "trivy"}
ENVIRONMENT = "production"
_numbers = itertools.count(1)


@pytest.fixture
async def source(tmp_path: Path) -> Source:
    return await source_of(
        {"app/main.py": "def add(a, b):\n    return a + b\n", "requirements.txt": "jinja2==3.1.6\n"}, tmp_path
    )


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return Artifact(kind="bundle", digest="sha256:1", location=str(tmp_path / "bundle.tar.gz"))


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Made once: what is tested here is not how they are made."""
    return f"sqlite:///{tmp_path_factory.mktemp('records') / 'records.db'}"


@pytest.fixture(autouse=True)
def one_database(records: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TES_DATABASE_URL", records)


async def run_of(tes_home: Path, **spec: object) -> Run:
    """A run to an environment on the platform `memory`, in which every gate blocks."""
    gates = {gate: Mode.BLOCKING for gate in ("pip_audit", "trivy")}
    place = EnvironmentSpec(platform="memory", gates=gates, verify=Verify(bake=0))
    number = next(_numbers)
    wanted = Spec.model_validate(
        {
            "name": f"demo-{number}",
            "release": ReleaseSpec(command=("serve",)),
            "environments": {ENVIRONMENT: place},
            **spec,
        }
    )
    run = Run(
        id=f"run-{number}",
        kind="release",
        project=f"demo-{number}",
        root=tes_home,
        spec=wanted,
        environment=ENVIRONMENT,
        actor="a test",
        holder="a test",
        store=tes_home / "store",
        folder=tes_home / "runs" / f"run-{number}",
    )
    await recording.opened(run)
    return run


def tool(folder: Path, name: str, way: str, clean: Path) -> None:
    """A tool of that name that behaves that way; it finds where to write as the real one is told."""
    script = folder / name
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f"""#!/bin/sh
CLEAN='{clean}'
REPORT=/dev/stdout
for word in "$@"; do
  case "$word" in --summary-export=*|--output=*) REPORT="${{word#*=}}";; *.json) REPORT="$word";; esac
  [ "$before" = --out ] && mkdir -p "$word/journal" && JOURNAL="$word/journal/main.jsonl"
  before=$word
done
REPORT=${{JOURNAL:-$REPORT}}
{way}
""")
    script.chmod(0o755)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What sleeps is stopped soon; the modules themselves ask for more time than a test has."""

    async def soon(command: Command, out: Path) -> Ran:
        script = find(command.argv[0])
        slow = script is not None and b"sleep 30" in script.read_bytes()[:4096]
        return await execute(command.model_copy(update={"timeout": 0.5}) if slow else command, out)

    monkeypatch.setattr(scan, "execute", soon)
    monkeypatch.setattr(load, "execute", soon)


def first_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, *, alone: bool = False) -> None:
    monkeypatch.setenv("PATH", str(folder) if alone else f"{folder}:/usr/bin:/bin")
    if alone:
        monkeypatch.setattr(sys, "prefix", str(folder))


def does_not_ship(run: Run, stage: Stage) -> None:
    assert stage.verdict.outcome is not Outcome.PASS, stage.verdict
    assert stage.verdict.reasons and stage.verdict.reasons[0]
    assert not weigh([stage], run.policy).ships


async def scanned(tes_home: Path, scanner: str, source: Source, artifact: Artifact) -> tuple[Run, Stage]:
    run = await run_of(tes_home, scan=Scan(scanners=(scanner,)))
    return run, await scan.scan.fn(run, source, artifact, scanner)


@pytest.fixture
def scanning(tmp_path: Path, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lock(*_: object) -> Path:
        return Path(source.root) / "requirements.txt"

    monkeypatch.setattr(scan, "_lock", lock)
    trivy_db.write(tmp_path / "cache", "requests", "2.20.0", datetime.now(UTC))
    monkeypatch.setenv("TES_TRIVY_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.usefixtures("scanning")
@pytest.mark.parametrize("scanner", SCANNERS)
class TestScanners:
    async def test_in_order_it_passes(
        self,
        tes_home: Path,
        tmp_path: Path,
        source: Source,
        artifact: Artifact,
        scanner: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Without this the rows below would prove nothing."""
        tool(tmp_path / "bin", SCANNERS[scanner], IN_ORDER, FIXTURES / "scanners/fixtures" / scanner / "clean.json")
        first_on_path(tmp_path / "bin", monkeypatch)
        run, stage = await scanned(tes_home, scanner, source, artifact)
        assert stage.verdict.outcome is Outcome.PASS, stage.verdict
        assert weigh([stage], run.policy).ships

    @pytest.mark.parametrize("way", WAYS)
    async def test_sabotaged(
        self,
        tes_home: Path,
        tmp_path: Path,
        source: Source,
        artifact: Artifact,
        scanner: str,
        way: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        tool(tmp_path / "bin", SCANNERS[scanner], WAYS[way], FIXTURES / "scanners/fixtures" / scanner / "clean.json")
        first_on_path(tmp_path / "bin", monkeypatch)
        does_not_ship(*await scanned(tes_home, scanner, source, artifact))

    async def test_missing(
        self,
        tes_home: Path,
        tmp_path: Path,
        source: Source,
        artifact: Artifact,
        scanner: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        first_on_path(tmp_path / "nothing", monkeypatch, alone=True)
        run, stage = await scanned(tes_home, scanner, source, artifact)
        does_not_ship(run, stage)
        assert "not installed" in stage.verdict.reasons[0]


async def loaded(tes_home: Path, generator: str, source: Source, artifact: Artifact) -> tuple[Run, Stage]:
    how = Load(generator=generator, scenario=Scenario(duration=0.1))
    run = await run_of(tes_home, load=how)
    stage = await load.load.fn(run, source, artifact)
    targets = await MemoryPlatform().targets()
    assert not [t for t in targets if t.environment.startswith("preview-")], "the preview is still there"
    return run, stage


@pytest.mark.parametrize("generator", ["k6", "locust"])
class TestLoad:
    @pytest.mark.parametrize("way", WAYS)
    async def test_sabotaged(
        self,
        tes_home: Path,
        tmp_path: Path,
        source: Source,
        artifact: Artifact,
        generator: str,
        way: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        tool(tmp_path / "bin", generator, WAYS[way], FIXTURES / "loadgens/fixtures" / generator / "clean.json")
        first_on_path(tmp_path / "bin", monkeypatch)
        does_not_ship(*await loaded(tes_home, generator, source, artifact))

    async def test_missing(
        self,
        tes_home: Path,
        tmp_path: Path,
        source: Source,
        artifact: Artifact,
        generator: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        first_on_path(tmp_path / "nothing", monkeypatch, alone=True)
        run, stage = await loaded(tes_home, generator, source, artifact)
        does_not_ship(run, stage)
        assert "not installed" in stage.verdict.reasons[0]

    async def test_a_preview_that_never_gets_healthy(
        self, tes_home: Path, source: Source, artifact: Artifact, generator: str
    ) -> None:
        platform = MemoryPlatform()
        platform.world_state.behaviours.default_factory = _never  # every version
        try:
            does_not_ship(*await loaded(tes_home, generator, source, artifact))
        finally:
            platform.forget()


def _never() -> Behaviour:
    return Behaviour(never_healthy=True)


EMPTY = """{"e":"session","workers":1,"arguments":[]}
{"e":"end","exit":0,"collected":0,"ran":0}
"""
CASES = EMPTY.replace(
    """{"e":"end","exit":0,"collected":0,"ran":0}""",
    """{"e":"file","f":"test_app.py","n":1,"s":0.1,"b":0}
{"e":"result","id":"test_app.py::test_it","f":"test_app.py","c":"","name":"test_it","n":1,"o":"passed","t":1,"d":[0,0,0],"w":"gw0"}
{"e":"end","exit":0,"collected":1,"ran":1}""",
)
TEST_WAYS = {
    **WAYS,
    "collects nothing": f"echo '{EMPTY}' > \"$REPORT\"; exit 5",
    "collects nothing and exits 0": f"echo '{EMPTY}' > \"$REPORT\"; exit 0",
    "says that all is well with no report": "echo '1 passed in 0.01s'; exit 0",
    "fails with a clean report": 'cat "$CLEAN" > "$REPORT"; exit 1',
}


@pytest.mark.parametrize("way", [IN_ORDER, *TEST_WAYS])
async def test_a_test_runner(
    tes_home: Path, tmp_path: Path, source: Source, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = tmp_path / "clean.jsonl"
    clean.write_text(CASES)
    tool(tmp_path / "environment/bin", "python", TEST_WAYS.get(way, way), clean)

    async def locked(*_: object) -> Locked:
        return Locked(tmp_path / "environment", "sha256:0", tmp_path / "lock.txt")

    monkeypatch.setattr(suite_environment, "locked_environment", locked)
    suite = Suite(name="unit", timeout=0.5)
    run = await run_of(tes_home, tests=Tests(suites=(suite,)))
    stage = await execution.tests.fn(run, source, suite)
    if way == IN_ORDER:
        assert stage.verdict.outcome is Outcome.PASS, stage.verdict
    else:
        does_not_ship(run, stage)


async def test_no_suite_at_all(tes_home: Path, source: Source) -> None:
    run = await run_of(tes_home)
    does_not_ship(run, await execution.no_tests.fn(run, source))


async def test_a_build_whose_pip_fails(tes_home: Path, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    run = await run_of(tes_home, build=Build(requirements=("no-such-package-anywhere==1.0",)))
    stage = await build.fn(run, source, ("bundle",))
    does_not_ship(run, stage)
    assert "no-such-package-anywhere" in stage.verdict.reasons[0]


async def test_a_build_out_of_time(tes_home: Path, source: Source) -> None:
    run = await run_of(tes_home, build=Build(requirements=("jinja2==3.1.6",), timeout=0.01))
    stage = await build.fn(run, source, ("bundle",))
    does_not_ship(run, stage)
    assert "build.timeout" in stage.verdict.reasons[0]


async def _healthy(*_: object, **__: object) -> Verdict:
    return Verdict(gate="verify", outcome=Outcome.PASS, reasons=("looked",))


@pytest.mark.parametrize(
    "error", [Unavailable("no answer"), Rejected("a definite no"), PlatformError("it broke")], ids=repr
)
@pytest.mark.parametrize("verb", ["provision", "wait_ready", "promote", None])
async def test_a_platform_that_breaks(
    tes_home: Path,
    source: Source,
    artifact: Artifact,
    verb: str | None,
    error: PlatformError,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rollout, "verify", _healthy)
    monkeypatch.setattr(rollout, "PAUSE", 0.0)
    platform = MemoryPlatform()
    platform.forget()
    for nth in range(1, rollout.TRIES + 1):
        if verb:
            platform.fail(verb, error, nth=nth)
    run = await run_of(tes_home)
    placed = await deploy.roll_out(run, source, artifact)
    stage = placed.stages[0]
    assert stage.name == "deploy"
    if verb is None:
        assert stage.verdict.outcome is Outcome.PASS, stage.verdict
    else:
        does_not_ship(run, stage)
        assert str(error.message) in "; ".join(stage.verdict.reasons)


async def test_a_verification_that_cannot_look(
    tes_home: Path, source: Source, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform `memory` serves nobody over HTTP: there is nothing that verify could see."""
    platform = MemoryPlatform()
    platform.forget()
    run = await run_of(tes_home)
    placed = await deploy.roll_out(run, source, artifact)
    does_not_ship(run, placed.stages[1])
    assert not (await platform.inspect(Target(service=run.project, environment=ENVIRONMENT))).releases


async def test_a_proof_that_cannot_be_made_stops_no_release_and_is_told(
    tes_home: Path, source: Source, artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the first release nobody could lose a request; on the second nobody answers at the platform's address."""
    monkeypatch.setattr(rollout, "verify", _healthy)
    MemoryPlatform().forget()
    asked = {"command": ("serve",), "proof": {"timeout": 1}}
    run = await run_of(tes_home, release=asked)
    first = await deploy.roll_out(run, source, artifact)
    again = run.spec.model_copy(update={"release": run.spec.release.model_copy(update={"replicas": 2})})  # type: ignore
    second = await deploy.roll_out(run.model_copy(update={"spec": again}), source, artifact)
    for placed, why in ((first, "nothing was released before"), (second, "was ever answered well from here")):
        verdict = placed.stages[0].verdict
        assert verdict.outcome is Outcome.PASS
        assert any(reason.startswith("proof INCONCLUSIVE: ") and why in reason for reason in verdict.reasons)
        assert verdict.metrics["proof_requests"] == 0
        assert [Path(one.location).is_file() for one in verdict.evidence] == [True] * 3
