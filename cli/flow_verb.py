"""A verb that is a flow: its words become the flow's parameters."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from domain.errors import SpecError

# Takes what was typed; returns the exit code.
Verb = Callable[[argparse.Namespace], int]


def flow_verb(kind: str, *names: str) -> Verb:
    """Runs the flow `kind` with the project and the words of these names; where several projects are named, the flow
    that takes them together."""

    def verb(given: argparse.Namespace) -> int:
        if isinstance(given.project, list):
            if len(given.project) > 1:
                return _together(kind, names, given)
            given.project = given.project[0] if given.project else "."
        from cli.run_flow import run  # Prefect comes with it: not before it is needed

        parameters = {name: getattr(given, name) for name in ("project", *names)}
        if getattr(given, "again", False):
            parameters["start_at"] = given.again_from
        return run(kind, parameters, as_json=given.json, yes=getattr(given, "yes", False))

    return verb


def _together(kind: str, names: tuple[str, ...], given: argparse.Namespace) -> int:
    from cli.run_together import run_together  # Prefect comes with it: not before it is needed

    if getattr(given, "start_at", None):
        raise SpecError("--from goes with one project", fix="run it for that project alone, or leave --from out")
    words = {name: getattr(given, name) for name in names if name != "start_at"}
    projects = [Path(one) for one in given.project]
    return run_together(kind, projects, words, as_json=given.json, yes=getattr(given, "yes", False))
