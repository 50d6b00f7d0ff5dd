"""The model of `tes.yaml`: what a project's team wants. Every key is optional; what is not said is detected.

Reading a file (line numbers, duplicate keys, limits) is `domain/spec_text.py`; guessing from a project's files is
`domain/detection.py`. The JSON Schema under docs/reference/ is generated from here.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from domain.policy import Mode
from domain.verdict import Value

_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*$")
_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}


def seconds(value: Any) -> float:
    """`500ms`, `30s`, `5m`, `2h`, `1d` or a plain number of seconds → seconds. ValueError otherwise."""
    if isinstance(value, bool):
        raise ValueError("a duration is wanted, like 30s or 5m")
    if isinstance(value, int | float) and value >= 0:
        return float(value)
    match = _DURATION.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a duration is wanted, like 500ms, 30s, 5m or 2h")
    return float(match[1]) * _UNIT[match[2]]


Seconds = Annotated[float, BeforeValidator(seconds), Field(json_schema_extra={"type": ["number", "string"]})]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
EnvKey = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Ratio = Annotated[float, Field(ge=0, le=1)]
# Where a secret is, never what it is: env:NAME, file:/path, block:secret-block-name.
SecretRef = Annotated[str, Field(pattern=r"^(env|file|block):.+$")]


class Build(Value):
    """How a revision becomes an artifact."""

    builder: Literal["auto", "bundle", "docker"] = "auto"
    python: str | None = Field(None, description="interpreter of the bundle's environment, e.g. python3.12 or a path")
    requirements: tuple[str, ...] | None = Field(
        None, description="requirement files (-r), or requirement strings, or '.' for the project itself"
    )
    exclude: tuple[str, ...] = Field((), description="gitignore-style patterns left out of the artifact")
    dockerfile: str = "Dockerfile"
    build_args: dict[str, str] = Field(default_factory=dict)
    platforms: tuple[str, ...] = Field((), description="for docker: linux/amd64, linux/arm64")
    timeout: Seconds = 900.0


class Waived(Value):
    """A finding that is accepted for a time, by somebody, for a reason."""

    rule: str
    path: str | None = Field(None, description="glob; every path when left out")
    owner: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    expires: date


class Scan(Value):
    """What looks for trouble in the source and the artifact."""

    scanners: tuple[str, ...] = ("bandit", "detect_secrets", "pip_audit", "trivy")
    severity: Literal["low", "medium", "high", "critical"] = Field("high", description="at or above this, FAIL")
    exclude: tuple[str, ...] = Field(("tests/**", "test/**"), description="gitignore-style patterns not scanned")
    waivers: tuple[Waived, ...] = ()
    timeout: Seconds = 600.0


class Suite(Value):
    """One set of tests, run by one framework."""

    name: Name = "tests"
    framework: str = "pytest"
    paths: tuple[str, ...] = ()
    args: tuple[str, ...] = Field((), description="passed on to the framework")
    environment: dict[EnvKey, str] = Field(default_factory=dict)
    shards: Annotated[int, Field(ge=1, le=1000)] = 1
    timeout: Seconds = 1800.0
    retries: Annotated[int, Field(ge=0, le=10)] = 0


class Tests(Value):
    """What proves that the revision works."""

    __test__ = False  # pytest would collect it

    requirements: tuple[str, ...] = Field((), description="what the tests need beyond the service's own environment")
    suites: tuple[Suite, ...] | None = Field(None, description="detected when left out; [] for none")

    @model_validator(mode="after")
    def _names_differ(self) -> Tests:
        names = [suite.name for suite in self.suites or ()]
        if len(set(names)) != len(names):
            raise ValueError(f"two suites have the same name: {', '.join(sorted(names))}")
        return self


class Request(Value):
    """One HTTP request of a scenario or a smoke check."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    path: str = Field("/", pattern=r"^/")
    headers: dict[str, str] = Field(default_factory=dict)
    json_body: Any = Field(None, alias="json")
    status: Annotated[int, Field(ge=100, le=599)] | None = Field(
        None, description="expected; any 2xx or 3xx if not said"
    )
    contains: str | None = Field(None, description="text that the body must contain")


class Thresholds(Value):
    """Limits a measurement must keep. Times are durations, rates are ratios 0..1."""

    error_rate: Ratio | None = None
    p50: Seconds | None = None
    p95: Seconds | None = None
    p99: Seconds | None = None
    checks: Ratio | None = Field(None, description="share of checks that must pass")
    min_requests: Annotated[int, Field(ge=1)] = Field(1, description="fewer than this is INCONCLUSIVE")


class Scenario(Value):
    """An open model: `rate` requests a second for `duration`, whatever the answers take."""

    requests: tuple[Request, ...] = (Request(),)
    rate: Annotated[float, Field(gt=0)] = 20.0
    duration: Seconds = 10.0
    max_vus: Annotated[int, Field(ge=1)] = 50


class Load(Value):
    """How much it must bear."""

    generator: Literal["auto", "k6", "locust"] = "auto"
    script: str | None = Field(None, description="a k6 script; used when k6 is there")
    scenario: Scenario | None = None
    thresholds: Thresholds = Thresholds(error_rate=0.01, checks=1.0)
    environment: dict[EnvKey, str] = Field(default_factory=dict)
    timeout: Seconds = 900.0


class Health(Value):
    """How a copy shows that it can take traffic."""

    path: str = Field("/healthz", pattern=r"^/")
    grace: Seconds = Field(30.0, description="how long after its start a copy may be unhealthy")
    interval: Seconds = 0.5
    timeout: Seconds = 2.0
    successes: Annotated[int, Field(ge=1)] = Field(3, description="in a row")
    failures: Annotated[int, Field(ge=1)] = Field(3, description="in a row, until a healthy copy counts as unhealthy")


class Resources(Value):
    """Limits of one copy."""

    memory_mb: Annotated[int, Field(ge=16)] | None = None
    cpus: Annotated[float, Field(gt=0)] | None = None


class Migrations(Value):
    """Schema changes, run with the new release's code before it is started. They must be backward compatible:
    the old release goes on beside them."""

    command: tuple[str, ...]
    timeout: Seconds = 300.0


class ReleaseSpec(Value):
    """How the service is run."""

    command: tuple[str, ...] | None = Field(None, description="argv; ${PORT} is replaced by the copy's own port")
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(None, description="where a container listens")
    health: Health = Health()
    migrations: Migrations | None = None
    replicas: Annotated[int, Field(ge=1, le=1000)] = 1
    environment: dict[EnvKey, str] = Field(default_factory=dict)
    secrets: dict[EnvKey, SecretRef] = Field(default_factory=dict)
    resources: Resources = Resources()
    drain: Seconds = Field(10.0, description="how long requests in flight may take to finish")


class Step(Value):
    """One step of a canary: this share of the traffic, for this long."""

    weight: Annotated[int, Field(ge=1, le=99)]
    bake: Seconds = 10.0


class Verify(Value):
    """What must hold after the switch, for `bake`; a FAIL goes back by itself."""

    bake: Seconds = 10.0
    smoke: tuple[Request, ...] = ()
    rate: Annotated[float, Field(gt=0, le=1000)] = Field(5.0, description="smoke requests a second")
    script: str | None = Field(None, description="a k6 script run during the bake")
    thresholds: Thresholds = Thresholds(error_rate=0.0)


class EnvironmentSpec(Value):
    """One place a service is released to."""

    platform: str = Field("local", description="a module of blocks/platforms, or a block: local-platform/my-block")
    strategy: Literal["all_at_once", "blue_green", "canary"] = "blue_green"
    steps: tuple[Step, ...] = Field((), description="for canary; weights must rise")
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        None, description="public port on local; picked if not said"
    )
    replicas: Annotated[int, Field(ge=1, le=1000)] | None = None
    environment: dict[EnvKey, str] = Field(default_factory=dict)
    secrets: dict[EnvKey, SecretRef] = Field(default_factory=dict)
    gates: dict[str, Mode] = Field(default_factory=dict)
    approval: bool = False
    warm: Seconds = Field(3600.0, description="how long the old release is kept running after promotion")
    verify: Verify = Verify()

    @model_validator(mode="after")
    def _steps_fit_the_strategy(self) -> EnvironmentSpec:
        weights = [step.weight for step in self.steps]
        if weights != sorted(set(weights)):
            raise ValueError(f"canary weights must rise: {weights}")
        if weights and self.strategy != "canary":
            raise ValueError(f"steps belong to strategy canary, not {self.strategy}")
        return self


class Spec(Value):
    """All of `tes.yaml`."""

    name: Name | None = None
    build: Build = Build()
    scan: Scan = Scan()
    tests: Tests = Tests()
    load: Load | None = None
    release: ReleaseSpec | None = None
    environments: dict[Name, EnvironmentSpec] = Field(
        default_factory=lambda: {"staging": EnvironmentSpec(), "production": EnvironmentSpec()}
    )
