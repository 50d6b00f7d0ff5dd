"""The page of a test run: it says what happened, runs nothing that a test printed, and works in a real browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.cases import Attempt, CaseId, Status, SuiteReport, judge
from domain.tally import tally
from domain.trend import TrendPoint
from domain.verdict import Outcome
from tests.toolchain.reports.browser import opened
from toolchain.reports import _html_data, html

EVIL = '</script><script>document.title="run"; console.error("run")</script><img src=x onerror=alert(1)>'


def attempt(name: str, status: Status = Status.PASSED, **more: object) -> Attempt:
    case = CaseId(suite="unit", file=str(more.pop("file", "tests/test_a.py")), classname="TestIt", name=name)
    return Attempt.model_validate({"case": case, "status": status, **more})


def run(*attempts: Attempt, **more: Any) -> SuiteReport:
    return SuiteReport(suite="unit", attempts=attempts, seconds=2.5, workers=2, **more)


MIXED = run(
    attempt("adds", started=100.0, seconds=0.5, worker="gw0"),
    attempt("breaks", Status.FAILED, started=100.0, seconds=0.7, worker="gw1", message="assert 1 == 2", output="trace"),
    attempt("wavers", Status.FAILED, started=100.6, seconds=0.2, worker="gw0", message="late", output="first go"),
    attempt("wavers", number=2, started=101.0, seconds=0.2, worker="gw0"),
    attempt("waits", Status.SKIPPED, message="needs docker", file="tests/test_b.py"),
    attempt("again", reused=True, file="tests/test_b.py"),
    notes=("seed 1",),
)


def page(tmp_path: Path, *reports: SuiteReport, **options: Any) -> Path:
    path = tmp_path / "report.html"
    html.write(tally(reports), [judge(report) for report in reports], path, **options)
    return path


def data_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    content: dict[str, Any] = json.loads(found[1])
    return content


def test_what_ran_what_was_reused_and_what_selection_would_have_missed_stand_beside_each_other(tmp_path: Path) -> None:
    text = page(tmp_path, MIXED).read_text()
    assert "<dt>run</dt><dd>4</dd>" in text and "<dt>reused</dt><dd>1</dd>" in text and "missed by" not in text
    verdict = judge(MIXED)
    for missed, colour in ((0, "passed"), (2, "failed")):
        told = verdict.model_copy(update={"metrics": {"misses": float(missed), "compared": 5.0}})
        html.write(tally([MIXED]), [told], tmp_path / "report.html")
        tile = f'<div class="s-{colour}"><dt>missed by selection</dt><dd>{missed} <small>of 5</small></dd></div>'
        assert tile in (tmp_path / "report.html").read_text()


class Shape(HTMLParser):
    """Every element with its attributes, and whether each was closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_verdict_with_its_reasons_comes_first(tmp_path: Path) -> None:
    text = page(tmp_path, MIXED, title="checkout").read_text()
    body = text[text.index("<body>") :]
    places = [body.index(word) for word in ("FAIL", "checkout", "first bad: ", 'id="cases"', 'id="timeline"')]
    assert places == sorted(places)
    assert "5 cases" in body and "2.5 s" in body and "seed 1" in body


def test_failures_and_every_attempt_of_a_flaky_case_can_be_read_without_scripts(tmp_path: Path) -> None:
    text = page(tmp_path, MIXED).read_text()
    static = text[text.index('<div id="list">') : text.index("<noscript>")]
    assert static.count("<details") == 2
    for word in ("breaks", "assert 1 == 2", "trace", "wavers", "late", "first go", "Attempt 2 of 2", "passed on retry"):
        assert word in static


def test_a_problem_is_shown_as_a_reason_for_disbelief(tmp_path: Path) -> None:
    text = page(tmp_path, run(attempt("a"), complete=False)).read_text()
    assert "INCONCLUSIVE" in text and "Why this run cannot be believed" in text and "the report is cut off" in text


def test_the_page_needs_nothing_and_allows_nothing_but_its_own_style_and_script(tmp_path: Path) -> None:
    text = page(tmp_path, MIXED).read_text()
    shape = Shape(text)
    assert not shape.open
    policy = next(a["content"] for t, a in shape.elements if t == "meta" and a.get("http-equiv"))
    assert policy and policy.startswith("default-src 'none'") and "unsafe" not in policy
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    for tag, attributes in shape.elements:
        assert not any(name.startswith("on") or name in ("style", "src") for name in attributes), tag
        assert str(attributes.get("href", "#")).startswith(("#", "data:image/svg+xml,"))


@settings(max_examples=60)
@given(st.text(st.characters(), min_size=1, max_size=40), st.text(st.characters(), max_size=60))
def test_whatever_a_test_is_called_or_prints_the_page_keeps_its_shape(
    tmp_path_factory: pytest.TempPathFactory, name: str, said: str
) -> None:
    folder = tmp_path_factory.getbasetemp()

    def shape(name: str, said: str) -> list[str]:
        one = attempt(name, Status.FAILED, message=f"x{said}", output=f"x{said}", started=1.0, seconds=1.0, worker=said)
        text = page(folder, run(one, notes=(said,), problems=(said,))).read_text("utf-8")
        assert len(data_of(text)["rows"]) == 1
        return [tag for tag, _ in Shape(text).elements]

    assert shape(name, said) == shape("name", "said" if said else "")


def test_no_secret_is_in_the_page_not_even_one_with_a_colour_in_its_middle(tmp_path: Path) -> None:
    one = attempt(
        "a[hunter2-b]",
        Status.FAILED,
        message="hunter2-b",
        output="\x1b[31mpass hun\x1b[1mter2-b\x1b[0m\npassword=opensesame",
    )
    text = page(tmp_path, run(one, notes=("hunter2-b",)), secrets=["hunter2-b"]).read_text()
    assert "hunter2-b" not in text and "ter2-b" not in text and "opensesame" not in text


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    first = page(tmp_path, MIXED).read_bytes()
    assert page(tmp_path, MIXED.model_copy(update={"attempts": MIXED.attempts[::-1]})).read_bytes() == first


def test_twenty_thousand_cases_stay_light(tmp_path: Path) -> None:
    attempts = tuple(
        attempt(
            f"test_that_{n}[{n % 7}]",
            Status.FAILED if n % 50 == 0 else Status.PASSED,
            file=f"tests/test_{n // 100}.py",
            started=1000 + n * 0.01,
            seconds=0.01 + n % 3 * 0.001,
            worker=f"gw{n % 4}",
            output="x" * 30_000 if n % 50 == 0 else "",
        )
        for n in range(20_000)
    )
    began = time.process_time()
    path = page(tmp_path, SuiteReport.model_construct(suite="unit", attempts=attempts))
    took = time.process_time() - began
    assert path.stat().st_size < 15e6
    assert path.read_text().count("<rect") < 4 * 1300
    assert took < 6, f"{took:.1f} s of processor time, 3 on a quiet machine"


def test_of_very_many_cases_those_that_matter_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_html_data, "MOST_CASES", 1300)
    attempts = [attempt(f"t{n}", Status.FAILED if n % 10 == 0 else Status.PASSED, seconds=n) for n in range(2000)]
    told = tally([run(*attempts)])
    kept = _html_data.chosen(told)
    assert len(kept) == 1300 and {one.case for one in told.bad} < {one.case for one in kept}


TREND = [
    TrendPoint(at=50.0 + n, outcome=Outcome.PASS if n % 2 else Outcome.FAIL, cases=5, passed=5 - n % 2, seconds=n)
    for n in range(8)
]


def test_the_trend_ends_with_this_run_and_is_a_table_too(tmp_path: Path) -> None:
    text = page(tmp_path, MIXED, trend=TREND).read_text()
    assert text.count('class="dot') == 9 and ">this one<" in text
    assert "Trend" not in page(tmp_path, MIXED).read_text()


@pytest.mark.requires("chromium")
def test_the_filter_works_in_a_browser_without_a_word_on_its_console(tmp_path: Path) -> None:
    path = page(tmp_path, MIXED, trend=TREND)
    seen = opened(path)
    assert seen.texts("name")[:1] == ["breaks"] and "1 of 5 cases" in seen.dom
    chosen = opened(path, urlencode({"view": "all", "file": "tests/test_b.py"}))
    assert [name for name in chosen.texts("name") if name in ("waits", "again", "adds", "breaks")][:2] == [
        "again",
        "waits",
    ]
    assert "2 of 5 cases" in chosen.dom
    found = opened(path, urlencode({"view": "all", "find": "FIRST go"}))
    assert "1 of 5 cases" in found.dom and "passed on retry" in found.texts("tag flaky")
    assert seen.console == chosen.console == found.console == ()


@pytest.mark.requires("chromium")
def test_a_script_in_a_name_or_an_output_stays_text(tmp_path: Path) -> None:
    one = attempt(
        EVIL, Status.FAILED, message=EVIL, output=f"\x1b[31m{EVIL}", file=EVIL, worker=EVIL, started=1, seconds=1
    )
    seen = opened(page(tmp_path, run(one, notes=(EVIL,), problems=(EVIL,)), title=EVIL))
    assert seen.console == ()
    assert EVIL in seen.texts("name") and EVIL in seen.texts("message") and EVIL in seen.texts("a1")
    assert seen.dom.count("<script") == 2 and "<img" not in seen.dom


@pytest.mark.requires("chromium")
def test_the_browser_would_tell_of_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text("<!doctype html><script>nothing.here()</script>")
    assert opened(tmp_path / "bad.html").console
