"""Runs a flow over several projects that are one release, and shows what became of each and of all."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from cli.approval import answer
from cli.display import summary
from cli.run_flow import EXIT_INTERRUPTED, KEPT, announce_report, refuse_early, remarks, standing, to_its_end
from domain.approval import Answer
from domain.group import distinct
from domain.outcome import Outcome
from domain.release import named
from domain.report import GroupReport
from domain.spec import Spec
from tasks.spec_file import load_spec


def run_together(kind: str, projects: list[Path], parameters: dict[str, Any], *, as_json: bool, yes: bool) -> int:
    """Runs `<kind>_together` to its end, prints its report, and returns its exit code: 4 where some services are at the
    new release and others are not. Otherwise as `cli/run_flow.py`."""
    named(parameters.get("version"))
    folders, environment, ref = [one.expanduser().absolute() for one in projects], parameters["environment"], None
    ref = parameters.get("ref")
    found = [refuse_early(folder, environment) for folder in folders] if ref is None else []
    specs = [one.spec for one in found] if ref is None else _specs_of(folders, ref)
    names = [spec.name or folder.name for spec, folder in zip(specs, folders, strict=True)]
    distinct(names)
    answered = _answered(f"{kind} {', '.join(names)} as one", specs, environment, yes) if kind != "rollback" else None
    if answered is not None and not answered.approve:
        print(f"tes: nothing was done: {answered.by} said no", file=sys.stderr)
        return Outcome.FAIL.exit_code
    words = {**parameters, "projects": [str(folder) for folder in folders]}
    said = [remark for one in found for remark in remarks(one)]
    ended = to_its_end(f"{kind}_together", words, said, answered, as_json, GroupReport)
    if ended is None:
        now = "".join(standing(folder, environment) for folder in folders)
        print(f"tes: interrupted; {now}{KEPT}", file=sys.stderr)
        return EXIT_INTERRUPTED
    report, _ = ended
    show(report, as_json)
    for one_report, folder in zip(report.reports, folders, strict=True):
        announce_report(one_report, folder, as_json)
    return report.exit_code


def _specs_of(folders: list[Path], ref: str) -> list[Spec]:
    from tasks.prepare import where_the_spec_is  # Prefect comes with it: not before it is needed

    return [load_spec(asyncio.run(where_the_spec_is(folder, ref))).spec for folder in folders]


def _answered(what: str, specs: list[Spec], environment: str, yes: bool) -> Answer | None:
    """One answer for all of them: it is one release."""
    for spec in specs:
        said = answer(what, spec, environment, yes=yes)
        if said is not None:
            return said
    return None


def show(report: GroupReport, as_json: bool) -> None:
    """Each service's table, then where all of them stand."""
    if as_json:
        print(report.model_dump_json(indent=2))
        return
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    for one in report.reports:
        summary(one, out)
        for line in one.decision.advice:
            out.print(line, soft_wrap=True, markup=False)
        out.print()
    names, took = ", ".join(report.services), f"{report.seconds:.1f} s"
    out.print(f"{report.outcome} {report.kind} of {names} as one in {report.environment} in {took}", soft_wrap=True)
    out.print(f"group     {report.run}", soft_wrap=True)
    if report.torn:
        out.print(f"torn      {report.torn}", soft_wrap=True, markup=False)
        out.print(f"fix       {report.fix}", soft_wrap=True, markup=False)
