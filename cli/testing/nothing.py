"""A suite that ran and holds no case: what was looked at, and the key that changes it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli.testing.wish import Wish
from domain.cases import SuiteReport
from tasks.resolved import Resolved

_PATTERNS = {
    "unittest": "test*.py",
    "go": "*_test.go",
    "node": "files of tests, by node's own rules",
}


def found_none(suite: Mapping[str, Any], report: SuiteReport) -> bool:
    """Whether a suite came to its end and found nothing: pytest that broke down before it looked says another thing."""
    if report.attempts or report.deselected:
        return False
    return suite["framework"] != "pytest" or any("collected no case" in problem for problem in report.problems)


def looked(found: Resolved, suite: Mapping[str, Any], wish: Wish) -> str:
    """One sentence for a person."""
    framework = suite["framework"]
    where = ", ".join(suite["paths"])
    what = _PATTERNS.get(framework, "")
    if framework == "pytest":
        from toolchain.runners.pytest import collects

        rules = collects(Path(found.project), tuple(suite["paths"]))
        where, what = ", ".join(rules.paths), " and ".join(rules.patterns)
    given = f", given {shlex.join(wish.words)}" if wish.words else ""
    why = f"; detected {found.detected}" if found.detected else ""
    other = "unittest" if framework == "pytest" else "pytest"
    key = f"{{name: {suite['name']}, framework: {other}, paths: [...]}}"
    searched = f"{where or 'the whole project'}{f' for {what}' if what else ''}"
    return f"{framework} looked at {searched}{given}{why}; tests.suites in tes.yaml says otherwise: {key}"
