"""What GitHub Actions shows of a test run: annotations at the lines where it failed, and a step summary.

Workflow commands: https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands. A step may make
ten annotations of each kind, all beyond are dropped without a word: the most telling ones come first, one for each
trouble rather than one for each case. A step's summary is refused when it is larger than 1 MiB.
"""

from __future__ import annotations

import re
import secrets as random
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Literal, TextIO

from domain.cases import CaseId
from domain.excerpt import cut, first_line, without_colours
from domain.redaction import redact
from domain.tally import Tally, Told
from domain.verdict import Value
from toolchain.reports.junit_xml import printable
from toolchain.reports.words import plural

MOST = 10
SUMMARY_BYTES = 1 << 20
MAX_MESSAGE = 3_000
MAX_TITLE = 200


class Annotation(Value):
    """`file` is relative to the project, `line` counts from 1; 0 when it is not known."""

    level: Literal["error", "warning", "notice"]
    title: str
    message: str
    file: str = ""
    line: int = 0


def annotate(
    tally: Tally, *, secrets: Collection[str] = (), quarantined: Collection[CaseId] = (), most: int = MOST
) -> tuple[Annotation, ...]:
    """At most `most` errors (reasons for disbelief, then a failure of each trouble, the commonest first, then more of
    them) and as many warnings (cases that are flaky, or bad and in quarantine)."""

    def clean(text: str) -> str:
        return printable(redact(without_colours(text), secrets))

    def of(told: Told, level: Literal["error", "warning"], why: str, more: str) -> Annotation:
        last = next((one for one in reversed(told.attempts) if one.status.bad), told.last)
        message = clean(cut(last.message.strip() or first_line(last.output) or why, MAX_MESSAGE))
        return Annotation(
            level=level,
            title=clean(f"{told.case.name or told.case} {why}")[:MAX_TITLE],
            message=message + more,
            file=told.case.file,
            line=line_of(told.case.file, last.output),
        )

    errors = [
        Annotation(level="error", title="This run cannot be believed", message=clean(cut(problem, MAX_MESSAGE)))
        for problem in tally.problems[: most // 2]
    ]
    first, rest = [], []
    set_aside = set(quarantined)
    for trouble in tally.troubles:
        counted = [told for told in trouble.cases if told.case not in set_aside]
        if not counted:
            continue
        others = len(counted) - 1
        more = f"\n\nand {plural(others, 'other case')} with the same message" if others else ""
        head, *same = counted
        first.append(of(head, "error", head.status.value, more))
        rest += [told for told in same[:most]]
    room = most - len(errors) - len(first)
    errors += first
    errors += [of(told, "error", told.status.value, "") for told in rest[: max(0, room)]]
    warnings = [of(told, "warning", told.how_flaky, "") for told in tally.flaky]
    warnings += [of(told, "warning", "in quarantine", "") for told in tally.bad if told.case in set_aside]
    return (*errors[:most], *warnings[:most])


def line_of(file: str, output: str) -> int:
    """The last line of the case's own file that a traceback names, 0 when none does."""
    if not file or not output:
        return 0
    name = re.escape(file)
    found = re.findall(rf"{name}(?::|\(|\", line )(\d{{1,7}})", without_colours(output))
    return int(found[-1]) if found else 0


def command(annotation: Annotation, *, prefix: str = "") -> str:
    """The workflow command, one line. `prefix` is the project's folder in the repository."""
    properties = []
    if annotation.file:
        path = "/".join(part for part in (prefix.strip("/"), annotation.file) if part and part != ".")
        properties.append(f"file={_property(path)}")
        if annotation.line:
            properties.append(f"line={annotation.line}")
    properties.append(f"title={_property(annotation.title)}")
    return f"::{annotation.level} {','.join(properties)}::{_data(annotation.message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


@contextmanager
def muted(out: TextIO) -> Iterator[None]:
    """While it lasts, what is printed is no workflow command: a test's output must not annotate, mask or group."""
    token = random.token_hex(16)
    print(f"::stop-commands::{token}", file=out, flush=True)
    try:
        yield
    finally:
        print(f"\n::{token}::", file=out, flush=True)
