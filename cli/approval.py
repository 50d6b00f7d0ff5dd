"""Asks the person at the terminal before a run begins, or refuses where nobody can be asked."""

from __future__ import annotations

import sys
import time

from domain.approval import Answer, asks, may_say_yes
from domain.errors import SpecError
from domain.spec import Spec
from settings import settings
from tasks.actor import actor


def answer(what: str, spec: Spec, environment: str | None, *, yes: bool) -> Answer | None:
    """The answer to `what` ("release shop"); None where the environment does not ask, or is not there.

    `yes` is `--yes`. SpecError where there is nobody to ask, or somebody who may not say yes.
    """
    place = spec.environments.get(environment or "")
    if environment is None or place is None or not asks(environment, place):
        return None
    if not yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise SpecError(
            f"{environment} asks for an approval, and nobody is at a terminal to be asked",
            fix=f"say --yes; or start the deployment release/{environment}, which waits for a yes in the Prefect UI; "
            f"or set environments.{environment}.approval: false",
        )
    who, deployers = actor(), settings().deployer_names
    if not may_say_yes(who, deployers):
        raise SpecError(
            f"{who} may not say yes for {environment}: TES_DEPLOYERS lists {', '.join(deployers)}",
            fix=f"let one of them do it, or start the deployment release/{environment} and ask them to approve it",
        )
    if yes:
        return Answer(approve=True, by=who, way="--yes", at=time.time())
    print(f"tes: {what} to {environment}? [y/N] ", end="", file=sys.stderr, flush=True)
    said = sys.stdin.readline().strip().lower() in ("y", "yes")
    return Answer(approve=said, by=who, way="at the terminal", at=time.time())
