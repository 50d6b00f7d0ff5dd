"""The model of `tes.yaml`: what a project's team wants. Every key is optional; what is not said is detected.

Reading a file (line numbers, duplicate keys, limits) is `domain/spec_text.py`; guessing from a project's files is
`domain/detection.py`. The JSON Schema and the table of keys under docs/reference/ are generated from here, so that a
key's description is written once.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from domain.duration import Seconds, Timeout
from domain.policy import Mode
from domain.spec_proof import ProofSpec
from domain.spec_types import EnvKey, Name, Ratio, SecretRef
from domain.verdict import Value

SHIPPED_SCANNERS = ("bandit", "detect_secrets", "pip_audit", "trivy")


# host/name, as a registry takes it: no tag, no digest, no scheme; a host is told by its dot, its port, or localhost.
_HOST = r"(?:localhost(?::[0-9]{1,5})?|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::[0-9]{1,5})?|[A-Za-z0-9-]+:[0-9]{1,5})"
_REPOSITORY = rf"^{_HOST}(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+$"


class Build(Value):
    """How a revision becomes an artifact."""

    builder: Literal["auto", "bundle", "docker"] = Field(
        "auto",
        description="`bundle`: archive and locked environment; `docker`: image; `auto`: what the platform runs",
    )
    python: str | None = Field(None, description="interpreter of the bundle's environment: `python3.12` or a path")
    requirements: tuple[str, ...] | None = Field(
        None, description="requirement files, requirement strings, or `.` for the project itself; detected"
    )
    exclude: tuple[str, ...] = Field((), description="gitignore-style patterns left out of the artifact")
    dockerfile: str = Field("Dockerfile", description="for builder docker, from the project's root")
    build_args: dict[str, str] = Field(default_factory=dict, description="for builder docker: `ARG` values")
    platforms: tuple[str, ...] = Field((), description="for builder docker: `linux/amd64`, `linux/arm64`")
    registry: Annotated[str, Field(pattern=_REPOSITORY)] | None = Field(
        None,
        description="`host/name` that images are pushed to, after the scan and before the deployment; platforms are "
        "then given `host/name@sha256:...`. Left out: the image stays on the engine that built it",
    )
    registry_username: str | None = Field(None, description="with `registry_password`; left out: Docker's own login")
    registry_password: SecretRef | None = Field(
        None, description="by reference: `env:NAME`, `file:/path`, `block:NAME`; left out: Docker's own login"
    )
    timeout: Timeout = Field(900.0, description="of the whole build, and of a push")


class Waived(Value):
    """A finding that is accepted for a time, by somebody, for a reason."""

    rule: str = Field(min_length=1, description="the scanner's rule id, such as `B105` or `CVE-2024-1234`")
    path: str | None = Field(None, description="glob of the files it covers; every file when left out")
    owner: str = Field(min_length=1, description="who answers for it")
    reason: str = Field(min_length=1, description="why it is acceptable")
    expires: date = Field(description="its last day, `2027-01-31`; afterwards the finding counts again")


class Scan(Value):
    """What looks for trouble in the source and the artifact."""

    scanners: tuple[str, ...] = Field(
        SHIPPED_SCANNERS,
        description="modules of toolchain/scanners; `[]`: none is wanted, which is shown and does not stop a release",
    )
    severity: Literal["low", "medium", "high", "critical"] = Field("high", description="at or above this, FAIL")
    exclude: tuple[str, ...] = Field(("tests/**", "test/**"), description="gitignore-style patterns not scanned")
    waivers: tuple[Waived, ...] = Field((), description="findings that are accepted for a time")
    timeout: Timeout = Field(600.0, description="of each scanner")


class Coverage(Value):
    """Which of the project's lines its tests execute, over all workers and shards together."""

    source: tuple[str, ...] = Field((), description="packages or folders; the project's own code when left out")
    omit: tuple[str, ...] = Field((), description="globs of files that do not count")
    branch: bool = Field(True, description="count branches, too")
    fail_under: Annotated[float, Field(ge=0, le=100)] | None = Field(
        None, description="per cent; less is FAIL, and what could not be measured is INCONCLUSIVE"
    )
    changed_fail_under: Annotated[float, Field(ge=0, le=100)] | None = Field(
        None, description="per cent of the changed lines, against the base revision"
    )
    base: str | None = Field(
        None, description="git revision that a change begins at; where it left the default branch, when left out"
    )


class Suite(Value):
    """One set of tests, run by one framework."""

    name: Name = Field("tests", description="its gate is `tests.<name>`")
    framework: str = Field("pytest", description="a module of toolchain/runners")
    paths: tuple[str, ...] = Field((), description="files or folders; what the framework finds when left out")
    args: tuple[str, ...] = Field((), description="passed on to the framework")
    command: tuple[str, ...] | None = Field(
        None, min_length=1, description="argv, for framework `command`: anything that writes a report"
    )
    report: str | None = Field(
        None, min_length=1, description="glob of the reports that `command` writes, from the project's root"
    )
    environment: dict[EnvKey, str] = Field(default_factory=dict, description="environment variables")
    shards: Annotated[int, Field(ge=1, le=1000)] = Field(1, description="parts that run side by side")
    workers: Annotated[int, Field(ge=1, le=256)] | None = Field(
        None, description="processes that share a shard's cases; one a processor when left out"
    )
    start: Literal["auto", "fork", "process"] = Field(
        "auto", description="how workers start: `fork` is quick, `process` is safe beside threads; `auto` looks"
    )
    collect: Literal["auto", "parallel", "once"] = Field(
        "auto", description="`parallel`: each worker collects its files; `once`: all of them before the workers start"
    )
    group_by: Literal["auto", "file", "class", "group"] = Field(
        "auto", description="what stays together on one worker: a file, a class, an `xdist_group`; `auto` looks"
    )
    timeout: Timeout = Field(1800.0, description="of the whole suite")
    case_timeout: Timeout | None = Field(
        None,
        description="of one case; left out: `10m` with `pytest` (it is stopped, and its stack is in the report), "
        "elsewhere the framework's own",
    )
    coverage: Coverage | None = Field(None, description="measured when it is there, `{}` is enough")
    retries: Annotated[int, Field(ge=0, le=10)] = Field(
        0, description="further attempts of a failed case; passing then is shown as passed on retry"
    )


class Quarantine(Value):
    """How flaky cases may be set aside for a time: `tes quarantine`."""

    max_share: Ratio = Field(
        0.05, description="of a suite's cases, but at least one; with more of them set aside it is INCONCLUSIVE"
    )
    longest: Timeout = Field(30 * 86400.0, description="until an end date must come")
    automatic: bool = Field(False, description="the daily flow sets flaky cases aside by itself; it suggests, if not")
    passes: Annotated[int, Field(ge=2, le=1000)] = Field(20, description="in a row, until a case is released by itself")
    revisions: Annotated[int, Field(ge=1, le=100)] = Field(3, description="that those passes must be of, at least")


class Repeat(Value):
    """Whether new and changed cases are run again at once, to see a flake on the day it is written."""

    most: Annotated[int, Field(ge=0, le=100)] = Field(0, description="further attempts of a new case; 0 is off")
    budget: Timeout = Field(30.0, description="time for all of them together")


class Distribute(Value):
    """Shards as flow runs on a work pool, in place of tasks on this machine."""

    storage: str = Field(
        min_length=1,
        description="what both sides reach: a shared folder, or a Prefect block such as `remote-file-system/shards`",
    )
    deployment: str = Field("shard/default", pattern=r"^[^/]+/[^/]+$", description="what a shard is run by")
    lost: Annotated[int, Field(ge=0, le=100)] = Field(
        3, description="runs of a suite's shards that may be lost and are started again"
    )
    start_within: Timeout = Field(
        120.0, description="a shard that no worker has begun by then is run by the execution itself"
    )


class Tests(Value):
    """What proves that the revision works."""

    __test__ = False  # pytest would collect it

    python: str | None = Field(
        None, description="interpreter for `tes test`; the active environment, else `.venv`, when left out"
    )
    requirements: tuple[str, ...] = Field((), description="what the tests need beyond the service's own environment")
    suites: tuple[Suite, ...] | None = Field(
        None, description="detected when left out; `[]`: none is wanted, which is shown and does not stop a release"
    )
    select: Literal["all", "changed"] = Field(
        "all",
        description="what the flows run: `changed` runs what a change can affect and quotes the other results, which "
        "is shown; `tes test` has `--changed`",
    )
    quarantine: Quarantine = Field(Quarantine(), description="how flaky cases may be set aside for a time")
    repeat: Repeat = Field(Repeat(), description="whether new cases are run again at once, to see whether they flake")
    distribute: Distribute | None = Field(None, description="shards on many machines; on this one when left out")

    @model_validator(mode="after")
    def _names_differ(self) -> Tests:
        names = [suite.name for suite in self.suites or ()]
        if len(set(names)) != len(names):
            raise PydanticCustomError("tes_suites", "two suites have the same name: {names}", {"names": sorted(names)})
        return self


class Request(Value):
    """One HTTP request of a scenario or a smoke check."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = Field("GET", description="HTTP method")
    path: str = Field("/", pattern=r"^/", description="with the query, if any")
    headers: dict[str, str] = Field(default_factory=dict, description="request headers")
    json_body: Any = Field(None, alias="json", description="body, sent as JSON")
    status: Annotated[int, Field(ge=100, le=599)] | None = Field(
        None, description="expected status; any 2xx or 3xx when left out"
    )
    contains: str | None = Field(None, description="text that the body must contain")


class Thresholds(Value):
    """Limits a measurement must keep. Times are durations, rates are ratios 0..1."""

    error_rate: Ratio | None = Field(
        None, description="share of requests that may fail; left out: 0.01 under load, 0 in `verify`"
    )
    p50: Timeout | None = Field(None, description="median latency")
    p95: Timeout | None = Field(None, description="95th percentile of latency")
    p99: Timeout | None = Field(None, description="99th percentile of latency")
    checks: Ratio | None = Field(None, description="share of checks that must pass; left out: all that `load` makes")
    min_requests: Annotated[int, Field(ge=1)] = Field(1, description="fewer than this is INCONCLUSIVE")


class Scenario(Value):
    """An open model: `rate` requests a second for `duration`, whatever the answers take."""

    requests: tuple[Request, ...] = Field((Request(),), min_length=1, description="sent in turn")
    rate: Annotated[float, Field(gt=0, le=1_000_000)] = Field(20.0, description="requests a second")
    duration: Timeout = Field(10.0, description="how long")
    max_vus: Annotated[int, Field(ge=1)] = Field(50, description="requests in flight at most")


class Load(Value):
    """How much it must bear."""

    generator: Literal["auto", "k6", "locust"] = Field("auto", description="`auto`: k6 when it is there, else locust")
    script: str | None = Field(None, description="a k6 script; used when k6 is there")
    scenario: Scenario | None = Field(None, description="what is sent when there is no script or no k6")
    thresholds: Thresholds = Field(
        Thresholds(error_rate=0.01, checks=1.0), description="limits, beside the script's own"
    )
    environment: dict[EnvKey, str] = Field(default_factory=dict, description="environment variables of the script")
    timeout: Timeout = Field(900.0, description="of the whole load test")


class Health(Value):
    """How a copy shows that it can take traffic."""

    path: str = Field("/healthz", pattern=r"^/", description="answers 2xx when the copy can take traffic")
    grace: Seconds = Field(30.0, description="how long after its start a copy may be unhealthy")
    interval: Timeout = Field(0.5, description="between two looks")
    timeout: Timeout = Field(2.0, description="of one look")
    successes: Annotated[int, Field(ge=1, le=1000)] = Field(3, description="in a row, until a copy counts as healthy")
    failures: Annotated[int, Field(ge=1, le=1000)] = Field(
        3, description="in a row, until a healthy copy counts as unhealthy"
    )


class Resources(Value):
    """Limits of one copy."""

    memory_mb: Annotated[int, Field(ge=16)] | None = Field(None, description="memory, in MiB")
    cpus: Annotated[float, Field(gt=0)] | None = Field(None, description="processors")


class Migrations(Value):
    """Schema changes, run with the new release's code before it is started. They must be backward compatible:
    the old release goes on beside them."""

    command: tuple[str, ...] = Field(min_length=1, description="argv; running it twice must be harmless")
    timeout: Timeout = Field(300.0, description="of the whole migration")
    irreversible: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None,
        description="name of the newest migration that cannot be undone, such as `0042_drop_email`. It may stay here: "
        "releases that know the same one go back to each other. Once promoted, a release does not go back to one that "
        "does not know it: a rollback is refused, and a bad verdict halts",
    )


class ReleaseSpec(Value):
    """How the service is run."""

    command: tuple[str, ...] | None = Field(
        None, min_length=1, description="argv; `${PORT}` is replaced by the copy's own port; detected"
    )
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(None, description="where a container listens")
    health: Health = Field(Health(), description="how a copy shows that it can take traffic")
    migrations: Migrations | None = Field(None, description="schema changes, before the new release starts")
    replicas: Annotated[int, Field(ge=1, le=1000)] = Field(1, description="copies")
    environment: dict[EnvKey, str] = Field(default_factory=dict, description="environment variables")
    secrets: dict[EnvKey, SecretRef] = Field(
        default_factory=dict, description="environment variables by reference: `env:NAME`, `file:/path`, `block:NAME`"
    )
    resources: Resources = Field(Resources(), description="limits of one copy")
    drain: Seconds = Field(10.0, description="how long requests in flight may take to finish")
    proof: ProofSpec | None = Field(
        None, description="proves that a rollout loses no request: `{}` is enough; nothing is sent when left out"
    )


class Step(Value):
    """One step of a canary: this share of the traffic, for this long."""

    weight: Annotated[int, Field(ge=1, le=99)] = Field(description="per cent of the traffic")
    bake: Seconds = Field(10.0, description="how long it is watched at this weight")


class Verify(Value):
    """What must hold after the switch, for `bake`; a FAIL goes back by itself."""

    bake: Seconds = Field(10.0, description="how long the release is watched after promotion")
    smoke: tuple[Request, ...] = Field(
        (),
        description="requests sent straight to the release: once before it has any traffic, then while it is watched; "
        "after promotion also through the public address; the health path when left out",
    )
    rate: Annotated[float, Field(gt=0, le=1000)] = Field(5.0, description="smoke requests a second")
    script: str | None = Field(None, description="a k6 script run during the bake")
    thresholds: Thresholds = Field(Thresholds(error_rate=0.0), description="limits that the traffic must keep")


class EnvironmentSpec(Value):
    """One place a service is released to."""

    platform: str = Field("local", description="a module of blocks/platforms, or a block: `local-platform/my-block`")
    strategy: Literal["all_at_once", "blue_green", "canary"] = Field("blue_green", description="how traffic moves")
    steps: tuple[Step, ...] = Field((), description="for canary; weights must rise")
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        None, description="public port on local; picked when left out"
    )
    replicas: Annotated[int, Field(ge=1, le=1000)] | None = Field(None, description="in place of `release.replicas`")
    environment: dict[EnvKey, str] = Field(default_factory=dict, description="added to `release.environment`")
    secrets: dict[EnvKey, SecretRef] = Field(default_factory=dict, description="added to `release.secrets`")
    gates: dict[str, Mode] = Field(
        default_factory=dict,
        description="gate (`build`, a scanner, `tests`, `tests.<suite>`, `coverage.<suite>`, `load`, `deploy`, "
        "`verify`) to its mode",
    )
    approval: bool | None = Field(
        None,
        description="whether a person must say yes before anything moves; left out: for `production` yes, else no",
    )
    approve_within: Timeout = Field(3600.0, description="how long a flow run waits for that yes")
    warm: Seconds = Field(
        3600.0,
        description="how long the old release is kept running after promotion; at least until the new one is verified",
    )
    verify: Verify = Field(Verify(), description="what must hold after the switch")

    @model_validator(mode="after")
    def _steps_fit_the_strategy(self) -> EnvironmentSpec:
        weights = [step.weight for step in self.steps]
        if weights != sorted(set(weights)):
            raise PydanticCustomError("tes_steps", "canary weights must rise: {weights}", {"weights": weights})
        if weights and self.strategy != "canary":
            context = {"strategy": self.strategy}
            raise PydanticCustomError("tes_steps", "steps belong to strategy canary, not {strategy}", context)
        return self


class Spec(Value):
    """All of `tes.yaml`."""

    name: Name | None = Field(None, description="the service's name; detected")
    build: Build = Field(Build(), description="how a revision becomes an artifact")
    scan: Scan = Field(Scan(), description="what looks for trouble in the source and the artifact")
    tests: Tests = Field(Tests(), description="what proves that the revision works")
    load: Load | None = Field(None, description="how much it must bear; no load test when left out")
    release: ReleaseSpec | None = Field(None, description="how the service is run; detected")
    environments: dict[Name, EnvironmentSpec] = Field(
        default_factory=lambda: {"staging": EnvironmentSpec(), "production": EnvironmentSpec()},
        description="places it is released to; staging and production when left out",
    )
