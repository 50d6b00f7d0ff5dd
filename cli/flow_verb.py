"""A verb that is a flow: its words become the flow's parameters."""

from __future__ import annotations

import argparse
from collections.abc import Callable

# Takes what was typed; returns the exit code.
Verb = Callable[[argparse.Namespace], int]


def flow_verb(kind: str, *names: str) -> Verb:
    """Runs the flow `kind` with the project and the words of these names."""

    def verb(given: argparse.Namespace) -> int:
        from cli.run_flow import run  # Prefect comes with it: not before it is needed

        parameters = {name: getattr(given, name) for name in ("project", *names)}
        if getattr(given, "again", False):
            parameters["start_at"] = given.again_from
        return run(kind, parameters, as_json=given.json, yes=getattr(given, "yes", False))

    return verb
