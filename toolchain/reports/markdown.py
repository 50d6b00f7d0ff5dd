"""A test run as Markdown, for GitHub's step summary and Prefect's artifacts: what failed and why, as far as it fits.

What a test is called or prints is shown, never interpreted: every character that Markdown or HTML might take for markup
is written as a character reference, and outputs stand in fences longer than any run of backticks in them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence

from domain.cases import Status
from domain.excerpt import cut, first_line, without_colours
from domain.redaction import redact
from domain.tally import WORST, Tally, Told
from domain.verdict import Verdict, worst
from toolchain.reports.junit_xml import printable
from toolchain.reports.words import duration, number, percent, plural

SIGN = {"PASS": "✅", "FAIL": "❌", "INCONCLUSIVE": "❔"}
MAX_OUTPUT = 4_000
FLAKY = 25
SLOWEST = 10
LINES = 20
"""Problems, and notes, that are shown."""

# `_` between letters is no emphasis; a colon may belong to an emoji or an address; what begins a list does so only at
# the beginning.
_MARKUP = re.compile(r"""[&<>`*\[\]#|~$@\\] | (?<![^\W_])_ | _(?![^\W_]) | :(?=[^\W_]|//|[+-]) | (?<=www)\.
    | ^[+=-] | (?<=^\d)[.)] | (?<=^\d\d)[.)] | (?<=^\d{3})[.)]""".replace(" ", "").replace("\n", ""))


def escaped(text: str) -> str:
    """The text on one line, with nothing left that Markdown or HTML would take for more than text."""
    flat = " ".join(printable(text).split())
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", flat)


def code(text: str) -> str:
    """The text as code, also in a table's cell."""
    return f"<code>{escaped(text)}</code>"


def fenced(text: str) -> str:
    """The text as a block of code that nothing in it can end."""
    body = printable(text.replace("\r", "")).strip("\n")
    longest = max(map(len, re.findall("`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{body}\n{fence}"


def page(
    tally: Tally,
    verdicts: Sequence[Verdict],
    *,
    room: int,
    secrets: Collection[str] = (),
    title: str = "",
    level: int = 1,
) -> str:
    """The run as Markdown of at most `room` bytes of UTF-8: the verdict first, then the failures, as many as fit.

    `level` is that of its first heading, which is left out, with the reasons, when no verdict is given. What did not
    fit is counted at the end of its part.
    """

    def clean(text: str) -> str:
        return redact(without_colours(text), secrets)

    head = []
    if verdicts:
        outcome = worst(verdict.outcome for verdict in verdicts)
        what = escaped(clean(title) or " + ".join(tally.suites) or "tests")
        head.append(f"{'#' * level} {SIGN[outcome]} {outcome}: {what}")
        reasons = [reason for verdict in verdicts for reason in verdict.reasons]
        head.append("\n".join(f"- {escaped(clean(first_line(reason)))}" for reason in reasons))
    head.append(_counts(tally))
    below = "#" * (level + 1)
    if tally.problems:
        head.append(f"{below} Why this run cannot be believed\n\n{_list(tally.problems, clean)}")
    rest = [*_troubles(tally, below, clean), *_flaky(tally, below, clean), *_slowest(tally, below, clean)]
    if tally.notes:
        rest.append(f"{below} Notes\n\n{_list(tally.notes, clean)}")
    fixed = _joined([*head, *rest])
    failures = _failures(tally, below, clean, room - len(fixed.encode()) - 200)
    return _cut_to(_joined([*head, *failures, *rest]), room)


def rows(tally: Tally, *, secrets: Collection[str] = (), most: int = 100) -> list[dict[str, str]]:
    """What is worth looking at, for a page that draws tables by itself: failures, flaky cases, the slowest."""

    def row(what: str, told: Told) -> dict[str, str]:
        why = next((one.message for one in reversed(told.attempts) if one.status.bad), told.last.message)
        return {
            "what": what,
            "case": redact(printable(str(told.case)), secrets),
            "attempts": ", ".join(one.status.value for one in told.attempts),
            "time": duration(told.seconds),
            "message": redact(printable(first_line(why)), secrets),
        }

    found = [row(told.status.value, told) for told in tally.bad[:most]]
    found += [row(told.how_flaky, told) for told in tally.flaky[: most // 2]]
    return found + [row("slowest", told) for told in tally.slowest(SLOWEST)]


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _counts(tally: Tally) -> str:
    told = [f"**{number(tally.counts[s])}** {s.value}" for s in (Status.PASSED, *WORST[:-1]) if tally.counts[s]]
    if tally.flaky:
        told.append(f"**{number(len(tally.flaky))}** flaky")
    if tally.reused:
        told.append(f"**{number(tally.reused)}** reused")
    if tally.deselected:
        told.append(f"{number(tally.deselected)} deselected")
    ran = f"{plural(len(tally.cases), 'case')} in {duration(tally.seconds)} on {plural(tally.workers, 'worker')}"
    return f"{ran}: {', '.join(told)}" if told else ran


def _list(lines: Sequence[str], clean: Callable[[str], str]) -> str:
    shown = [f"- {escaped(clean(first_line(line)))}" for line in lines[:LINES]]
    return "\n".join([*shown, *([f"- and {len(lines) - LINES} more"] if len(lines) > LINES else [])])


def _failures(tally: Tally, heading: str, clean: Callable[[str], str], room: int) -> list[str]:
    """The bad cases, folded, until `room` is used up."""
    if not tally.bad:
        return []
    shown, used = [], 0
    for told in tally.bad:
        one = _failure(told, clean)
        size = len(one.encode()) + 2
        if used + size > room:
            break
        used += size
        shown.append(one)
    left = len(tally.bad) - len(shown)
    if left:
        shown.append(f"{plural(left, 'more failure')} did not fit here: see the report.")
    return [f"{heading} Failed: {number(len(tally.bad))}", *shown]


def _failure(told: Told, clean: Callable[[str], str]) -> str:
    last = told.last
    tried = f", {len(told.attempts)} attempts" if len(told.attempts) > 1 else ""
    message = escaped(clean(first_line(last.message)))
    head = f"{code(clean(str(told.case)))} <b>{told.status}</b> after {duration(last.seconds)}{tried}"
    inner = [text for text in (last.message if "\n" in last.message.strip() else "", last.output) if text]
    body = fenced(clean(cut("\n\n".join(inner), MAX_OUTPUT))) if inner else ""
    return _joined([f"<details><summary>{head}<br>{message}</summary>", body, "</details>"]).rstrip()


def _troubles(tally: Tally, heading: str, clean: Callable[[str], str]) -> list[str]:
    common = [trouble for trouble in tally.troubles if len(trouble.cases) > 1][:10]
    if not common:
        return []
    rows = [f"| {number(len(one.cases))} | {code(clean(one.message))} |" for one in common]
    return ["\n".join([f"{heading} What they have in common\n", "| cases | say |", "| --: | --- |", *rows])]


def _flaky(tally: Tally, heading: str, clean: Callable[[str], str]) -> list[str]:
    if not tally.flaky:
        return []
    rows = []
    for told in tally.flaky[:FLAKY]:
        first = next(one for one in told.attempts if one.status.bad)
        words = ", ".join(one.status.value for one in told.attempts)
        rows.append(f"| {code(clean(str(told.case)))} | {words} | {escaped(clean(first_line(first.message, 160)))} |")
    more = [f"\nand {len(tally.flaky) - FLAKY} more"] if len(tally.flaky) > FLAKY else []
    head = [f"{heading} Flaky: {number(len(tally.flaky))}\n", "| case | attempts | at first |"]
    return ["\n".join([*head, "| --- | --- | --- |", *rows, *more])]


def _slowest(tally: Tally, heading: str, clean: Callable[[str], str]) -> list[str]:
    slowest = tally.slowest(SLOWEST)
    if not slowest:
        return []
    whole = sum(told.seconds for told in tally.cases) or 1.0
    rows = [f"| {code(clean(str(t.case)))} | {duration(t.seconds)} | {percent(t.seconds / whole)} |" for t in slowest]
    return ["\n".join([f"{heading} Slowest\n", "| case | time | of all |", "| --- | --: | --: |", *rows])]


def _cut_to(text: str, room: int) -> str:
    """At most `room` bytes, in whole lines. Only needed where not even the fixed parts fit."""
    raw = text.encode()
    if len(raw) <= room:
        return text
    return raw[: max(0, room - 40)].decode("utf-8", "ignore").rpartition("\n")[0] + "\n\n(cut off here)\n"
