"""The `tes` command: words into calls, errors into exit codes.

Exit codes: 0 PASS, 1 FAIL, 2 INCONCLUSIVE, 3 usage or configuration, 4 a tool or platform broke, 130 interrupted.
Everything that takes a while to import is imported by the verb that needs it, so that `tes --help` is quick.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from cli import environment_verbs
from cli.flow_verb import Verb, flow_verb
from cli.words import number, words_of_setup
from domain.errors import EXIT_BROKEN, EXIT_USAGE, TesError
from domain.stages import STAGES

EXIT_INTERRUPTED = 130
# What imports Prefect: handed to the runtime's launcher where there is one.
LAUNCHED = ("release", "build", "scan", "load", "deploy", "rollback", "drift", "gc", "status")

_ABOUT = """Takes a project from source to production and back: build, scan, test, load, deploy, verify, roll back.

exit codes: 0 PASS, 1 FAIL, 2 INCONCLUSIVE, 3 usage or configuration, 4 a tool or platform broke, 130 interrupted
example:    tes release . --environment production"""

_FROM = f"do this stage and the later ones again: {', '.join(STAGES)}"


class _Help(argparse.RawDescriptionHelpFormatter):
    """As wide as the terminal. argparse asks for a width at every option, and loads a slow module to know one."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_width())


def _width() -> int:
    try:
        return int(os.environ.get("COLUMNS") or os.get_terminal_size(sys.stdout.fileno()).columns) - 2
    except (ValueError, OSError, AttributeError):
        return 78


class _Version(argparse.Action):
    """Looked up only when asked for: the metadata of a distribution takes long to read."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"tes {_version()}")
        parser.exit()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"tes: {message}\n  fix: `{self.prog} --help` shows what it takes\n")


def _test(given: argparse.Namespace) -> int:
    from cli.test import test

    return test(given)


def _up(given: argparse.Namespace) -> int:
    from cli.runtime_verbs import up

    return up(given.json)


def _down(given: argparse.Namespace) -> int:
    from cli.runtime_verbs import down

    return down(given.all)


def _setup(given: argparse.Namespace) -> int:
    from cli.setup import setup

    return setup(given)


def _status(given: argparse.Namespace) -> int:
    from cli.status import status

    return status(given)


def _runs(given: argparse.Namespace) -> int:
    from cli.records_view import runs

    runs(given.name, given.environment, given.limit, given.json)
    return 0


def _audit(given: argparse.Namespace) -> int:
    from cli.audit import audit

    return audit(given)


def _memory(name: str) -> Verb:
    def verb(given: argparse.Namespace) -> int:
        from cli import memory

        code: int = getattr(memory, name)(given)
        return code

    return verb


def _show(given: argparse.Namespace) -> int:
    from cli.records_view import show

    show(given.run, given.json)
    return 0


def _init(given: argparse.Namespace) -> int:
    from pathlib import Path

    from cli.init import write

    print(f"wrote {write(Path(given.project), force=given.force)}; check it with `tes validate`")
    return 0


def _validate(given: argparse.Namespace) -> int:
    from pathlib import Path

    from cli.validate import report

    code, text = report(Path(given.path), given.json)
    print(text)
    return code


def parser() -> argparse.ArgumentParser:
    """All verbs and what they take."""
    top = _Parser(prog="tes", description=_ABOUT, formatter_class=_Help)
    top.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    verbs = top.add_subparsers(title="verbs", metavar="VERB", required=True, parser_class=_Parser, prog="tes")

    def add(name: str, about: str, example: str, verb: Verb, *, json: bool = True) -> argparse.ArgumentParser:
        one = verbs.add_parser(name, help=about, description=f"{about}\n\nexample: {example}", formatter_class=_Help)
        one.set_defaults(verb=verb, verb_name=name)
        if json:
            one.add_argument(
                "--json", action="store_true", help="print the result as one JSON object, and nothing else"
            )
        return one

    def of_project(one: argparse.ArgumentParser, *, several: bool = False) -> None:
        if several:
            one.add_argument("project", nargs="*", default=["."], help=environment_verbs.SEVERAL)
        else:
            one.add_argument("project", nargs="?", default=".", help="the project's folder (default: here)")
        one.add_argument("--ref", help="a git revision; the work tree as it is when left out")

    add("up", "Start the Prefect server, a worker and the API service.", "tes up", _up)
    one = add("down", "Stop them, and what compose runs for development.", "tes down --all", _down, json=False)
    one.add_argument("--all", action="store_true", help="stop the services on the local platform, too")
    words_of_setup(
        add(
            "setup",
            "Make a Prefect server that is there ready: work pool, deployments, schedules, automation.",
            "tes setup --pool docker --image registry.example.org/tes:0.1.0 --api http://prefect.example.org:4200/api",
            _setup,
        )
    )
    one = add("status", "Say what runs, and where each environment stands.", "tes status --json", _status)
    one.add_argument(
        "project",
        nargs="?",
        default=".",
        help="whose environments to look at on other platforms than local (default: here)",
    )
    one.add_argument(
        "--wait",
        metavar="SECONDS",
        type=number(1, 600),
        help="how long the platforms, which are asked all at once, may be silent (default: 5)",
    )

    one = add(
        "release",
        "Take a project through every stage to an environment.",
        "tes release . --environment production",
        flow_verb("release", "environment", "ref", "start_at", "version"),
    )
    of_project(one, several=True)
    one.add_argument("--environment", "-e", default="staging", help="a name under environments in tes.yaml")
    one.add_argument("--from", dest="start_at", metavar="STAGE", choices=STAGES, help=_FROM)
    one.add_argument("--version", help="what to call the release")
    one.add_argument("--yes", action="store_true", help=environment_verbs.YES)

    for name, kind, about in (
        ("scan", "scan", "Look for secrets, weaknesses and vulnerable packages."),
        ("load", "load", "Put a copy of the service under load."),
    ):
        one = add(name, about, f"tes {name} .", flow_verb(kind, "ref"))
        of_project(one)
        one.add_argument("--again", action="store_true", help="look again, even where nothing changed")
        one.set_defaults(again_from=name)
    _words_of_test(add("test", "Run the project's tests, here and now.", "tes test . --workers 4 -- -k cart", _test))
    of_project(add("build", "Build the project's artifact.", "tes build .", flow_verb("build", "ref")))

    environment_verbs.register(add, of_project)

    one = add("runs", "List what was run.", "tes runs --environment production", _runs)
    one.add_argument("--name", help="of this project only")
    one.add_argument("--environment", "-e", help="to this environment only")
    one.add_argument("--limit", type=number(1, 500), default=20, help="how many, 500 at most (default: 20)")
    one = add("show", "Show one run.", "tes show 3f2a", _show)
    one.add_argument("run", help="the run's id, or how it begins")

    one = add("audit", "List who did what to which environment, and why.", "tes audit -e production --since 2d", _audit)
    one.add_argument("--service", help="of this service only")
    one.add_argument("--environment", "-e", help="to this environment only")
    one.add_argument("--since", metavar="DURATION", help="no further back than this, e.g. 30m, 12h or 2d")
    one.add_argument("--limit", type=number(1, 500), default=50, help="how many, 500 at most (default: 50)")

    def of_cases(one: argparse.ArgumentParser) -> None:
        one.add_argument("--suite", help="of this suite only")
        one.add_argument("--limit", type=number(1, 500), default=20, help="how many, 500 at most (default: 20)")

    one = add("flaky", "List cases that failed lately: flaky, broken, or unknown.", "tes flaky .", _memory("flaky"))
    one.add_argument("project", nargs="?", default=".", help="the project's folder (default: here)")
    of_cases(one)
    one = add("slowest", "List the cases that take longest.", "tes slowest . --limit 5", _memory("slowest"))
    one.add_argument("project", nargs="?", default=".", help="the project's folder (default: here)")
    of_cases(one)
    one = add(
        "quarantine",
        "Set flaky cases aside for a time, list them, or take them back.",
        'tes quarantine add test_login --owner ann --reason "races with the clock" --issue SHOP-7 --until 2027-01-31',
        _memory("quarantine"),
    )
    one.add_argument("what", choices=("list", "add", "release"), help="what to do")
    one.add_argument("case", nargs="?", help="its node id, or its name; for add and release")
    one.add_argument("--project", default=".", help="the project's folder (default: here)")
    one.add_argument("--suite", help="the case's suite, where several have one of that name")
    one.add_argument("--owner", help="who answers for it; for add")
    one.add_argument("--reason", help="why it is set aside; for add")
    one.add_argument("--issue", help="where it is worked on: a link or a number; for add")
    one.add_argument("--until", metavar="DAY", help="its last day, such as 2027-01-31; for add")
    one.add_argument("--why", default="released by hand", help="for release")

    one = add("init", "Write a commented tes.yaml of what is detected.", "tes init .", _init, json=False)
    one.add_argument("project", nargs="?", default=".", help="the project's folder (default: here)")
    one.add_argument("--force", action="store_true", help="replace the one that is there")
    one = add("validate", "Check a tes.yaml: every error at once.", "tes validate tes.yaml", _validate)
    one.add_argument("path", nargs="?", default=".", help="the file, or a project's folder (default: here)")
    return top


def _words_of_test(one: argparse.ArgumentParser) -> None:
    one.usage = f"{one.prog} [PATH] [options] [-- arguments of the runner]"
    path = "the project's folder, or a file, a folder or a node id of its tests (default: here)"
    one.add_argument("project", nargs="?", default=".", metavar="PATH", help=path)
    one.add_argument("--suite", metavar="NAME", help="this suite only")
    one.add_argument("--workers", type=number(1, 256), metavar="N", help="processes (default: one a processor)")
    one.add_argument("--retries", type=number(0, 10), metavar="N", help="further attempts of a failed case")
    one.add_argument("--changed", action="store_true", help="only what a change can affect; the rest is quoted")
    one.add_argument(
        "--base", metavar="REV", help="with --changed: what differs from this git revision counts as changed"
    )
    one.add_argument(
        "--all",
        "--again",
        action="store_true",
        help="everything, also what did not change, and what a stopped run had finished",
    )
    one.add_argument("--watch", action="store_true", help="again whenever a file changes")
    one.add_argument("--html", metavar="FILE", help="write a report for a browser: one page that needs nothing else")
    one.add_argument("--junit", metavar="FILE", help="write JUnit XML of all suites")
    one.add_argument("--cases", action="store_true", help="with --json: every case, too")
    one.add_argument(
        "--ref", metavar="REV", help="a git revision, through Prefect; the work tree as it is when left out"
    )


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("test-execution-system")
    except PackageNotFoundError:
        return "of a source tree that is not installed"


def _understood(words: list[str]) -> argparse.Namespace:
    """The words as values. What follows `--` in `tes test` is the runner's."""
    at = words.index("--") if words[:1] == ["test"] and "--" in words else len(words)
    given = parser().parse_args(words[:at])
    given.runner = words[at + 1 :]
    return given


def main(argv: Sequence[str] | None = None, *, launched: bool = False) -> int:
    """Runs the command and returns its exit code. A person's mistake never shows a traceback.

    `launched`: this process was forked for the command and has everything imported.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal cannot show must not end a run
            stream.reconfigure(errors="backslashreplace")
    given = _understood(words)
    try:
        if not launched and (given.verb_name in LAUNCHED or getattr(given, "ref", None)):
            from cli.launch import launched as launch

            code = launch(words)
            if code is not None:
                return code
        result: int = given.verb(given)
        return result
    except TesError as error:
        print(f"tes: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("tes: interrupted; what was finished is kept, and the same command goes on from there", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return EXIT_BROKEN
    except Exception:
        import traceback

        # A mistake of ours. Python's own exit code for it would be 1, and that means FAIL.
        traceback.print_exc()
        print("tes: this is a bug in tes; please report it with the lines above", file=sys.stderr)
        return EXIT_BROKEN


def command() -> None:
    """The command `tes`: ends the process with the exit code of `main`."""
    from tes_engine.leaving import leave

    # A rollback on the worst day writes to nobody's home and speaks with nobody but the platform: Prefect asks this.
    os.environ.setdefault("DO_NOT_TRACK", "1")
    code = main()
    leave(code)
    sys.exit(code)


if __name__ == "__main__":
    command()
