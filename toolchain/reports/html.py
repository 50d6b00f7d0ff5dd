"""The report of a test run as one page: no network, no server, nothing beside it. It opens from a disk or an archive.

What a reader needs first is in the page itself, so that it can be read where scripts are forbidden: the verdict with
its reasons, what failed, what is flaky, when each worker did what. All cases are in it as data, and a short script
lists, finds and unfolds them. The page allows itself nothing else: its content security policy admits that script and
that style by their hashes, so that nothing which a test printed can ever run.

The same results give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain.cases import Attempt, CaseId, Status
from domain.excerpt import cut, without_colours
from domain.redaction import redact
from domain.tally import Tally, Told
from domain.timeline import timeline
from domain.trend import TrendPoint
from domain.verdict import Verdict, worst
from toolchain.reports import _html_data, words
from toolchain.reports._sparkline import sparkline
from toolchain.reports.junit_xml import printable

if TYPE_CHECKING:
    import jinja2

SHOWN = 60
"""Bad cases, and flaky ones, whose text is in the page itself; all others are drawn by the script."""
SLOWEST = 15
FILES = 50
LANES = 64
STATIC_OUTPUT = 12_000

_HERE = Path(__file__).parent
_ORDER = (Status.PASSED, Status.FAILED, Status.ERROR, Status.CRASHED, Status.XPASSED, Status.XFAILED, Status.SKIPPED)


def write(
    tally: Tally,
    verdicts: Sequence[Verdict],
    path: Path,
    *,
    trend: Sequence[TrendPoint] = (),
    quarantined: Collection[CaseId] = (),
    secrets: Collection[str] = (),
    title: str = "",
) -> None:
    """Writes the page. It appears whole or not at all. `trend` are earlier runs, oldest first."""
    page = _render(tally, verdicts, trend, set(quarantined), secrets, title)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        # A lone surrogate is no UTF-8: it stands as in Python's source, which is also how JSON writes it.
        unfinished.write_bytes(page.encode("utf-8", "backslashreplace"))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _render(
    tally: Tally,
    verdicts: Sequence[Verdict],
    trend: Sequence[TrendPoint],
    quarantined: set[CaseId],
    secrets: Collection[str],
    title: str,
) -> str:
    from markupsafe import Markup

    def plain(text: str) -> str:
        return printable(redact(without_colours(text), secrets)) if text else ""

    def coloured(text: str) -> str:
        if not text:
            return ""
        # A colour in the middle of a secret would hide it from us, not from a reader: then the colours go.
        bare = without_colours(text)
        safe = redact(bare, secrets)
        return text if safe == bare else safe

    def static(attempt: Attempt) -> str:
        return plain(cut(attempt.output, STATIC_OUTPUT))

    outcome = worst(verdict.outcome for verdict in verdicts)
    cases = _html_data.chosen(tally)
    style, script = _file("_report.css"), _file("_report.js")
    here = TrendPoint(
        at=tally.began,
        outcome=outcome,
        cases=len(tally.cases),
        passed=tally.counts[Status.PASSED],
        flaky=len(tally.flaky),
        seconds=tally.seconds,
    )
    points = [*trend, here] if trend else []
    return _template().render(
        title=plain(title) or " + ".join(tally.suites) or "tests",
        outcome=outcome,
        verdicts=verdicts,
        tally=tally,
        counts=[(status, tally.counts[status]) for status in _ORDER if tally.counts[status]],
        compared=round(sum(verdict.metrics.get("compared", 0.0) for verdict in verdicts)),
        missed=round(sum(verdict.metrics.get("misses", 0.0) for verdict in verdicts)),
        shown=SHOWN,
        slowest=tally.slowest(SLOWEST),
        files=tally.files,
        files_shown=FILES,
        timeline=timeline(tally),
        lanes_shown=LANES,
        trend=points,
        sparkline=sparkline(points) if points else None,
        left_out=len(tally.cases) - len(cases),
        plain=plain,
        static=static,
        first=lambda text: plain(cut(text, _html_data.MAX_MESSAGE)),
        quarantined=quarantined,
        name=lambda told: plain(_title(told)),
        where=lambda told: plain(_where(told.case)),
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        data=Markup(_html_data.data(tally, cases, coloured, plain, lambda told: told.case in quarantined)),
        **{name: getattr(words, name) for name in ("duration", "number", "percent", "plural", "moment")},
    )


def _title(told: Told) -> str:
    return told.case.name or told.case.classname or told.case.file or "(unnamed)"


def _where(case: CaseId) -> str:
    return "::".join(filter(None, (case.file, case.classname))) or case.suite


@lru_cache(maxsize=4)
def _file(name: str) -> str:
    return "\n" + (_HERE / name).read_text("utf-8").strip() + "\n"


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    import jinja2

    options: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True, "undefined": jinja2.StrictUndefined}
    environment = jinja2.Environment(autoescape=True, loader=jinja2.FileSystemLoader(_HERE), **options)
    return environment.get_template("_report.html")
