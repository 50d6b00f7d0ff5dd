"""A run as it was recorded: what a tool printed and left, with its exit code."""

from __future__ import annotations

from pathlib import Path

from domain.cases import SuiteReport
from domain.spec import Suite
from toolchain.command import Ran
from toolchain.registry import module
from toolchain.runners import RunRequest

FIXTURES = Path(__file__).with_name("fixtures")


def request_for(tmp_path: Path, framework: str, **more: object) -> RunRequest:
    """A request for a suite named `unit` in an empty project."""
    root = tmp_path / "project"
    root.mkdir(exist_ok=True)
    suite = {"name": "unit", "framework": framework} | {k: more.pop(k) for k in list(more) if k in Suite.model_fields}
    values: dict[str, object] = {"suite": suite, "root": root, "out": tmp_path / "out", "timeout": 60.0}
    return RunRequest.model_validate(values | more)


def ran(
    tmp_path: Path, stdout: str | bytes = "", stderr: str = "", exit_code: int | None = 0, report: Path | None = None
) -> Ran:
    """As if a tool had just printed that."""
    out, err = tmp_path / "stdout.log", tmp_path / "stderr.log"
    out.write_bytes(stdout if isinstance(stdout, bytes) else stdout.encode())
    err.write_text(stderr)
    return Ran(
        argv=("tool",),
        exit_code=exit_code,
        seconds=1.0,
        stdout=out,
        stderr=err,
        report=report,
        timed_out=exit_code is None,
    )


def replay(tmp_path: Path, framework: str, name: str, exit_code: int | None, **more: object) -> SuiteReport:
    """What the runner makes of fixtures/FRAMEWORK/NAME.out and .err."""
    folder = FIXTURES / framework
    err = folder / f"{name}.err"
    recorded = ran(tmp_path, (folder / f"{name}.out").read_bytes(), err.read_text() if err.exists() else "", exit_code)
    report: SuiteReport = module("toolchain.runners", framework).parse(
        recorded, request_for(tmp_path, framework, **more)
    )
    return report


def told(report: SuiteReport) -> dict[str, str]:
    """Each case's last status, by its name."""
    return {str(attempt.case): attempt.status.value for attempt in report.attempts}
