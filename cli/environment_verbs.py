"""The verbs about what runs in an environment. Each imports what it needs when it is called."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from cli.flow_verb import flow_verb

SEVERAL = "the project's folder (default: here); of several, all are promoted or none"
YES = "answer yes where the environment asks for an approval (environments.<name>.approval)"
_ENVIRONMENT = "a name under environments in tes.yaml"


def register(add: Callable[..., argparse.ArgumentParser], of_project: Callable[..., None]) -> None:
    """Adds them. `add` makes a verb, `of_project` gives it a project and a revision."""
    one = add(
        "deploy",
        "Bring a revision to an environment without scanning and testing it again.",
        "tes deploy . -e staging",
        _deploy,
    )
    of_project(one, several=True)
    one.add_argument("--environment", "-e", default="staging", help=_ENVIRONMENT)
    one.add_argument("--version", help="what to call the release")
    one.add_argument("--platform", help="refuse unless the environment is on this platform; also k8s, aws, azure, gcp")
    one.add_argument("--strategy", help="refuse unless the environment's strategy is this one")
    one.add_argument("--plan", action="store_true", help="show the steps and what they would change, and do nothing")
    one.add_argument("--yes", action="store_true", help=YES)

    one = add(
        "rollback",
        "Go back to an earlier release. Works without the Prefect server and the records.",
        "tes rollback --environment production",
        _rollback,
    )
    one.add_argument("project", nargs="*", default=["."], help=SEVERAL.replace("promoted", "taken back"))
    one.add_argument("--environment", "-e", required=True, help=_ENVIRONMENT)
    one.add_argument(
        "--service", action="append", metavar="NAME", help="its name, where its folder is not at hand; more than once"
    )
    one.add_argument(
        "--platform", metavar="NAME", help="with --service: where it runs, such as kubernetes-platform/prod; else local"
    )
    one.add_argument("--to", metavar="VERSION", help="the release before the present one when left out")

    one = add(
        "drift",
        "Say whether what runs in an environment is what was released there.",
        "tes drift --environment production",
        flow_verb("drift", "environment", "converge"),
    )
    _of_environment(one)
    one.add_argument(
        "--converge", action="store_true", help="provision and promote again what was promoted last, and look again"
    )

    one = add(
        "gc",
        "Remove what no environment needs any more on the platforms that tes.yaml names.",
        "tes gc --plan",
        _gc,
    )
    one.add_argument("project", nargs="?", default=".", help="the project's folder (default: here)")
    one.add_argument("--plan", action="store_true", help="show what would be removed and do nothing")
    one.add_argument(
        "--runs", action="store_true", help="also this machine's containers of flow runs that are over, as --api tells"
    )
    one.add_argument("--api", metavar="URL", help="the server's API (default: PREFECT_API_URL, or Prefect's profile)")


def _of_environment(one: argparse.ArgumentParser) -> None:
    one.add_argument("project", nargs="?", default=".", help="the project's folder (default: here)")
    one.add_argument("--environment", "-e", required=True, help=_ENVIRONMENT)


def _deploy(given: argparse.Namespace) -> int:
    alone = len(given.project) == 1  # several are one release, which compose cannot do
    if given.environment == "development" and alone and not given.platform and not given.strategy:
        from cli.development import development

        code = development(Path(given.project[0]), given.ref, plan=given.plan, as_json=given.json)
        if code is not None:
            return code
    if given.platform or given.strategy or given.plan:
        from cli.deploy_words import agreed, foretold, foretold_together

        projects = [Path(project) for project in given.project]
        for project in projects:
            agreed(project, given.environment, given.platform, given.strategy)
        if given.plan and len(projects) > 1:
            plans = foretold_together(projects, given.environment, given.version or given.ref)
            print(plans.model_dump_json(indent=2) if given.json else plans)
            return 0
        if given.plan:
            found = foretold(projects[0], given.environment, given.version or given.ref)
            print(found.model_dump_json(indent=2) if given.json else found)
            return 0
    return flow_verb("deploy", "environment", "ref", "version")(given)


def _gc(given: argparse.Namespace) -> int:
    from cli.gc import gc

    return gc(given)


def _rollback(given: argparse.Namespace) -> int:
    from rich.console import Console

    from cli.display import summary
    from cli.rollback import rollback, rollback_together

    projects = [Path(project) for project in given.project]
    if len(projects) > 1 or len(given.service or ()) > 1:
        from cli.run_together import show

        together = rollback_together(projects, given.environment, given.service, given.to, given.platform)
        show(together, given.json)
        return together.exit_code
    service = given.service[0] if given.service else None
    report = rollback(projects[0], given.environment, service, given.to, given.platform)
    if given.json:
        print(report.model_dump_json(indent=2))
    else:
        summary(report, Console(highlight=False, width=None if sys.stdout.isatty() else 160))
        for line in report.decision.advice:
            print(line)
    return report.outcome.exit_code
