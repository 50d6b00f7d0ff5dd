"""cargo-nextest, which `framework: cargo` runs with `args: [nextest, run]`: its JUnit report, with a doubt of ours.

nextest runs each case in a process of its own and believes its exit code: a case that calls `std::process::exit(0)` has
passed. So the output of what passed is asked for as well: libtest's last line has to be in it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from domain.cases import Attempt, Status
from domain.spec import Suite
from toolchain.command import Ran
from toolchain.reports import junit
from toolchain.reports.report import Report
from toolchain.runners import RunRequest
from toolchain.runners import _libtest as libtest

WORDS = ("nextest",)
_JUNIT = '[profile.default.junit]\npath = "junit.xml"\nstore-success-output = true\nstore-failure-output = true\n'
_BEGAN = re.compile(r"^running 1 test\s*$", re.MULTILINE)
_ENDED = re.compile(r"^test result: ", re.MULTILINE)


def asked(suite: Suite) -> bool:
    """Whether it is nextest that the suite's arguments run."""
    return suite.args[:1] == WORDS


def report_of(request: RunRequest) -> Path:
    """Where its profile puts the report: nextest takes no path for it."""
    args, profile = request.suite.args, "default"
    for index, word in enumerate(args):
        if word.startswith("--profile="):
            profile = word.partition("=")[2]
        elif word in ("--profile", "-P") and index + 1 < len(args):
            profile = args[index + 1]
    target = request.root / request.suite.environment.get("CARGO_TARGET_DIR", "target")
    return target / "nextest" / profile / "junit.xml"


def config(suite: Suite) -> str:
    """Its settings. At `case_timeout` a case is stopped and failed; the project's own nextest.toml goes first."""
    slow = ""
    if suite.case_timeout is not None:
        period = max(1, round(suite.case_timeout))  # whole seconds are what every version takes
        slow = f'[profile.default]\nslow-timeout = {{ period = "{period}s", terminate-after = 1 }}\n'
    return slow + _JUNIT


def chosen(selection: Sequence[str]) -> tuple[str, ...]:
    """Filters for case ids: `shop::cart::adds` may be `adds` of the binary `shop::cart`, and `cart::adds` of `shop`.

    None, which runs all, where a build has to be tried again.
    """
    if any("(" in entry for entry in selection):
        return ()
    names: dict[str, None] = {}
    for entry in selection:
        parts = entry.split("::")
        names |= dict.fromkeys("::".join(parts[at:]) for at in (1, 2) if parts[at:])
    return tuple(part for name in names for part in ("-E", f"test(={name})"))


def read(ran: Ran, request: RunRequest) -> Report:
    """What its report holds; what passed without libtest's last word is crashed."""
    report = junit.read(ran.report or report_of(request), request.suite.name)
    return report.model_copy(update={"attempts": tuple(_judged(attempt) for attempt in report.attempts)})


def _judged(attempt: Attempt) -> Attempt:
    if attempt.status is not Status.PASSED:
        panicked = "panicked at" in attempt.message
        return attempt.model_copy(update={"message": libtest.message(attempt.output)}) if panicked else attempt
    if _BEGAN.search(attempt.output) and not _ENDED.search(attempt.output):
        message = "its process ended with 0 before the case did"
        return attempt.model_copy(update={"status": Status.CRASHED, "message": message})
    return attempt.model_copy(update={"output": ""})
