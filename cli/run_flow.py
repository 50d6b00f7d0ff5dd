"""Runs a flow in this process, against the embedded runtime's Prefect server, and shows it."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from cli import runtime
from cli.display import Picture, Plain, summary, watching
from cli.approval import answer
from domain.approval import Answer
from domain.development import including
from domain.errors import SpecError, TesError
from domain.outcome import Outcome
from domain.place import Target
from domain.release import named
from domain.report import GroupReport, Report
from tasks import progress
from tasks.answered import given
from tasks.spec_file import LoadedSpec, load_spec
from tasks.test_reports import in_actions
from toolchain.reports.github import muted

EXIT_INTERRUPTED = 130
AnyReport = TypeVar("AnyReport", Report, GroupReport)
KEPT = "what was finished is kept, and the same command goes on from there"


def run(kind: str, parameters: dict[str, Any], *, as_json: bool, yes: bool = False) -> int:
    """Runs the flow `kind` to its end, prints its report, and returns the exit code of its verdict.

    `yes` answers an environment that asks for an approval. Raises TesError for what broke. Ctrl-C stops the tools,
    takes a rollout back, and gives 130.
    """
    project = Path(parameters["project"]).expanduser().absolute()
    named(parameters.get("version"))
    found = refuse_early(project, parameters.get("environment")) if parameters.get("ref") is None else None
    answered = _answered(kind, project, parameters, found, yes) if kind in ("release", "deploy") else None
    if answered is not None and not answered.approve:
        print(f"tes: nothing was done: {answered.by} said no", file=sys.stderr)
        return Outcome.FAIL.exit_code
    words = {**parameters, "project": str(project)}
    ended = to_its_end(kind, words, remarks(found), answered, as_json, Report)
    if ended is None:
        print(f"tes: interrupted; {standing(project, parameters.get('environment'))}{KEPT}", file=sys.stderr)
        return EXIT_INTERRUPTED
    report, up = ended
    if as_json:
        print(report.model_dump_json(indent=2))
    else:
        with safe_output(as_json):
            _tell(report, up)
    announce_report(report, project, as_json)
    return report.outcome.exit_code


def to_its_end(
    kind: str,
    parameters: dict[str, Any],
    said: list[str],
    answered: Answer | None,
    as_json: bool,
    wanted: type[AnyReport],
) -> tuple[AnyReport, runtime.Runtime] | None:
    """Runs the flow `kind` while a person watches, who is told what is `said` first; its last report of the wanted
    kind, and the runtime it ran in. None when it was interrupted."""
    reports: list[AnyReport] = []

    def keep(event: object) -> None:
        if isinstance(event, wanted):
            reports.append(event)

    safe, watch = safe_output(as_json), watching(quiet=as_json)
    with safe, watch as watcher, progress.listening(watcher), progress.listening(keep), given(answered):
        for remark in said:
            watcher.remark(remark)
        try:
            up = asyncio.run(_with_signals(_started(kind, parameters, watcher)))
        except KeyboardInterrupt:
            return None
    return reports[-1], up


def _answered(
    kind: str, project: Path, parameters: dict[str, Any], found: LoadedSpec | None, yes: bool
) -> Answer | None:
    """What the person at the terminal says, asked before anything is built; a revision is asked for as it was
    configured then."""
    if found is None:
        from tasks.prepare import where_the_spec_is  # Prefect comes with it: not before it is needed

        found = load_spec(asyncio.run(where_the_spec_is(project, parameters["ref"])))
    service, environment = found.spec.name or project.name, parameters["environment"]
    said = answer(f"{kind} {service}", found.spec, environment, yes=yes)
    if said is not None and not said.approve:
        from records.write.audit import audit  # SQLModel comes with it: not before it is needed

        audit(said.by, "approval.FAIL", str(Target(service=service, environment=environment)), said.model_dump())
    return said


def safe_output(as_json: bool) -> AbstractContextManager[None]:
    """While it lasts, nothing that a tool printed is taken for a command by GitHub Actions, if that is where we are."""
    return muted(sys.stderr if as_json else sys.stdout) if in_actions() else nullcontext()


def announce_report(report: Report, project: Path, as_json: bool) -> None:
    """Annotations and the step's summary in GitHub Actions. Standard output holds nothing but the object, if wanted."""
    if in_actions():
        from tasks.publish import announce

        announce(report, project, out=sys.stderr if as_json else sys.stdout)


def standing(project: Path, environment: str | None) -> str:
    """Where the environment stands now, for a person who has just stopped a run; empty when it cannot be said."""
    if environment is None:
        return ""
    try:
        spec = including(load_spec(project, files=False).spec, environment)
        place = spec.environments.get(environment)
        target = Target(service=spec.name or project.name, environment=environment)
        return f"{asyncio.run(_seen(target, place.platform))}; " if place else ""
    except TesError as error:
        return f"{environment} could not be looked at: {error.message}; "


async def _seen(target: Target, platform: str) -> str:
    from blocks.platforms import platform_named  # Prefect comes with it: not before it is needed
    from tasks.deploy import sentence

    return sentence(target, await (await platform_named(platform)).inspect(target))


def remarks(loaded: LoadedSpec | None) -> list[str]:
    """What a person should know of the configuration before it is used: what was detected, and what is questionable."""
    if loaded is None:
        return []
    # That an image could be built matters to nobody who did not ask for one.
    told = [sentence for sentence in loaded.detected if not sentence.startswith("build.dockerfile")]
    return [*(f"detected  {sentence}" for sentence in told), *(f"warning   {one}" for one in loaded.warnings)]


def refuse_early(project: Path, environment: str | None) -> LoadedSpec:
    # Before the runtime is started: a mistake in tes.yaml should not take 5 s to be told.
    loaded = load_spec(project)
    spec = including(loaded.spec, environment)
    if environment is not None and environment not in spec.environments:
        raise SpecError(
            f"there is no environment {environment!r} in the tes.yaml of {project}",
            fix=f"one of: {', '.join(spec.environments)}; or add environments.{environment}",
        )
    return loaded


async def _with_signals(work: Any) -> runtime.Runtime:
    # SIGTERM means the same as Ctrl-C: stop cleanly, take a rollout back.
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        found: runtime.Runtime = await task
        return found
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _started(kind: str, parameters: dict[str, Any], watcher: Plain | Picture) -> runtime.Runtime:
    up = await runtime.ensure(watcher.note, wait=False)
    os.environ.update(runtime.environment(up))
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    watcher.note("loading the flows")
    flow = await asyncio.to_thread(_flow, kind)
    watcher.note("waiting for the Prefect server")
    await runtime.wait_for_api(up)
    state = await flow(**parameters, return_state=True)
    result = await state.aresult(raise_on_failure=False)
    if isinstance(result, BaseException):
        raise result
    if not isinstance(result, Report | GroupReport):
        raise TesError(
            f"the flow ended as {state.name} without a report: {state.message}", fix="see its logs in the Prefect UI"
        )
    return up


def _flow(kind: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(importlib.import_module(f"flows.{kind}"), kind)
    return found


def _tell(report: Report, up: runtime.Runtime) -> None:
    out = Console(soft_wrap=False, highlight=False)
    if not sys.stdout.isatty():
        out = Console(width=160, highlight=False)
    summary(report, out)
    if report.address:
        out.print(f"service   {report.address}", soft_wrap=True)
    out.print(f"Prefect   {up.prefect_ui_url}/runs/flow-run/{report.run}", soft_wrap=True)
    if up.service_url:
        out.print(f"records   {up.service_url}/api/v1/runs/{report.run}", soft_wrap=True)
    out.print(f"evidence  {report.evidence}", soft_wrap=True)
