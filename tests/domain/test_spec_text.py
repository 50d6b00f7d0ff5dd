"""What is wrong with a tes.yaml is told all at once: line, column, key, value, fix."""

from __future__ import annotations

import json
import time
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import SpecError
from domain.spec import Spec
from domain.spec_problem import Severity
from domain.spec_text import decode, parse, problems
from domain.yaml_tree import MAX_BYTES, MAX_NODES

KNOWN = {"scanners": ["bandit", "trivy"], "runners": ["pytest"], "platforms": ["local", "memory"]}
TODAY = date(2026, 11, 1)
LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
# A chain of aliases, each one level deeper: short to write, deep to walk.
DEEP = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 60))

# Text, then (line, column, key, part of the message, part of the fix) of each thing that is wrong.
CASES: dict[str, tuple[str, list[tuple[int, int, str, str, str]]]] = {
    "not a mapping": ("- a\n", [(1, 1, "", "a mapping is wanted", "tes init")]),
    "a word": ("hello", [(1, 1, "", "a mapping is wanted", "tes init")]),
    "null at the top": ("~", [(1, 1, "", "a mapping is wanted", "tes init")]),
    "not YAML": ("a: [1", [(1, 6, "", "not YAML", "correct")]),
    "a tab": ("build:\n\tbuilder: auto", [(2, 1, "", "not YAML", "spaces")]),
    "a reserved sign": ("name: @x", [(1, 7, "", "cannot start", "quotes")]),
    "a python tag": ("name: !!python/object:os.system x", [(1, 7, "", "!!python/object", "remove")]),
    "a second document": ("name: a\n---\nname: b", [(2, 1, "", "second document", "---")]),
    "an old YAML": ("%YAML 1.1\n---\nname: a", [(2, 1, "", "YAML 1.1", "remove")]),
    "NUL": ("name: \x00", [(1, 7, "", "control character", "remove")]),
    "an alias of nothing": ("name: *x", [(1, 7, "", "*x stands for nothing", "&x")]),
    "an alias of itself": ("build: &a\n  exclude: [*a]", [(2, 13, "", "stands inside", "remove")]),
    "anchors that explode": (LAUGHS, [(5, 11, "", f"more than {MAX_NODES:,}", "shorten")]),
    "aliases that go deep": (DEEP, [(40, 12, "", "deeper", "flatten")]),
    "brackets that go deep": ("a: " + "[" * 50_000, [(1, 43, "", "deeper", "flatten")]),
    "a mapping as key": ("{a: 1}: 2", [(1, 1, "", "key must be a word", "quotes")]),
    "too large": ("x" * (MAX_BYTES + 1), [(1, 1, "", "larger than", "right file")]),
    "too many values": ("a: [" + "1," * (MAX_NODES + 1) + "]", [(1, 40003, "", "more than", "shorten")]),
    "a key twice": ("name: a\nname: b", [(2, 1, "name", "twice, first at line 1", "keep one")]),
    "a key twice, below": (
        "build:\n  builder: auto\n  builder: docker",
        [(3, 3, "build.builder", "twice, first at line 2", "keep one")],
    ),
    "an unknown key": ("buidl: {}", [(1, 1, "buidl", "unknown key", "`build`")]),
    "an unknown key, in a list": (
        "load: {scenario: {requests: [{pth: /}]}}",
        [(1, 31, "load.scenario.requests[0].pth", "unknown key", "`path`")],
    ),
    "an unknown key, like no other": ("zzz: 1", [(1, 1, "zzz", "unknown key", "known here: name, build")]),
    "an unknown key, by its alias": (
        "load: {scenario: {requests: [{jsn: 1}]}}",
        [(1, 31, "load.scenario.requests[0].jsn", "unknown key", "`json`")],
    ),
    "a version without quotes": ("build: {python: 3.10}", [(1, 9, "build.python", "text is wanted", '"3.10"')]),
    "no duration": ("build: {timeout: 5 parsecs}", [(1, 9, "build.timeout", "a duration is wanted", "")]),
    "endless": ("build: {timeout: .inf}", [(1, 9, "build.timeout", "at most 366d", "")]),
    "no number": ("build: {timeout: .nan}", [(1, 9, "build.timeout", "a duration is wanted", "")]),
    "no time at all": ("build: {timeout: 0s}", [(1, 9, "build.timeout", "greater than 0", "")]),
    "nearly a word": ("scan: {severity: hihg}", [(1, 8, "scan.severity", "one of these is wanted", "`high`")]),
    "small letters": (
        "load: {scenario: {requests: [{method: get}]}}",
        [(1, 31, "load.scenario.requests[0].method", "one of these", "`GET`")],
    ),
    "no list": (
        "release: {command: python app.py}",
        [(1, 11, "release.command", "a list is wanted", "[python, app.py]")],
    ),
    "an empty list": ("release: {command: []}", [(1, 11, "release.command", "at least one", "")]),
    "no whole number": (
        "tests:\n  suites:\n    - shards: many",
        [(3, 7, "tests.suites[0].shards", "whole number", "")],
    ),
    "no true or false": (
        "environments: {a: {approval: maybe}}",
        [(1, 20, "environments.a.approval", "true or false", "")],
    ),
    "a name with capitals": ("name: My_App", [(1, 1, "name", "small letters", "my-service")]),
    "an environment with capitals": (
        "environments:\n  Prod: {}",
        [(2, 3, "environments.Prod", "small letters", "rename")],
    ),
    "missing": (
        "scan:\n  waivers:\n    - {rule: B1, owner: me, expires: 2027-01-01}",
        [(3, 7, "scan.waivers[0].reason", "missing", "add it")],
    ),
    "no date": (
        "scan: {waivers: [{rule: B1, owner: me, reason: x, expires: soon}]}",
        [(1, 51, "scan.waivers[0].expires", "date", "")],
    ),
    "the same suite name": (
        "tests:\n  suites:\n    - {name: a}\n    - {name: a}",
        [(4, 14, "tests.suites[1].name", "at line 3", "its own name")],
    ),
    "the same suite name, unsaid": (
        "tests:\n  suites:\n    - {shards: 2}\n    - {shards: 3}",
        [(4, 7, "tests.suites[1].name", "at line 3", "its own name")],
    ),
    "weights that fall": (
        "environments:\n  p:\n    strategy: canary\n    steps: [{weight: 50}, {weight: 10}]",
        [(4, 36, "environments.p.steps[1].weight", "weights must rise, and 50", "order")],
    ),
    "steps without canary": (
        "environments:\n  p:\n    steps: [{weight: 50}]",
        [(3, 12, "environments.p.steps", "not blue_green", "strategy: canary")],
    ),
    "canary without steps": (
        "environments: {p: {strategy: canary}}",
        [(1, 30, "environments.p.strategy", "needs steps", "steps:")],
    ),
    "an unknown gate": (
        "environments: {p: {gates: {bandt: advisory}}}",
        [(1, 28, "environments.p.gates.bandt", "no such gate", "`bandit`")],
    ),
    "an unknown mode": (
        "environments: {p: {gates: {load: advise}}}",
        [(1, 28, "environments.p.gates.load", "one of these", "`advisory`")],
    ),
    "an unknown scanner": ("scan: {scanners: [trivvy]}", [(1, 19, "scan.scanners[0]", "no such scanner", "`trivy`")]),
    "an unknown framework": (
        "tests: {suites: [{framework: pytst}]}",
        [(1, 30, "tests.suites[0].framework", "no such runner", "`pytest`")],
    ),
    "an unknown platform": (
        "environments: {p: {platform: locl}}",
        [(1, 30, "environments.p.platform", "no such platform", "`local`")],
    ),
    "a script for locust": (
        "load: {generator: locust, script: a.js}",
        [(1, 19, "load.generator", "cannot run a k6 script", "scenario")],
    ),
    "a limit that nobody sets": (
        "release: {resources: {cpus: 2}}",
        [(1, 29, "release.resources.cpus", "no platform limits", "leave it out")],
    ),
    "merging no mapping": ("a: &a 1\nbuild:\n  <<: *a", [(3, 3, "", "<< takes mappings", "*name")]),
    "all at once": (
        "buidl: {}\nname: A\nscan: {severity: hihg}\nenvironments: {p: {strategy: canary, approval: maybe}}",
        [
            (1, 1, "buidl", "unknown key", "`build`"),
            (2, 1, "name", "small letters", ""),
            (3, 8, "scan.severity", "one of", "`high`"),
            (4, 30, "environments.p.strategy", "needs steps", ""),
            (4, 38, "environments.p.approval", "true or false", ""),
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_told_with_its_place_and_its_fix(name: str) -> None:
    text, expected = CASES[name]
    found = problems(text, "tes.yaml", known=KNOWN, today=TODAY)
    assert [(p.line, p.column, p.key) for p in found] == [case[:3] for case in expected]
    for problem, (*_, message, fix) in zip(found, expected, strict=True):
        assert message in problem.message
        assert fix in problem.fix
        assert problem.fix
    with pytest.raises(SpecError) as caught:
        parse(text, "tes.yaml", known=KNOWN, today=TODAY)
    for problem in found:
        assert f"tes.yaml:{problem.line}:{problem.column}" in caught.value.message
        assert problem.message in caught.value.message
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "---\n",
        "{}",
        "build:\nscan:\ntests:\n",
        "x-shared: &s {weight: 5}\n",
        "environments:\n  staging:\n  production:\n",
    ],
)
def test_what_says_nothing_is_valid(text: str) -> None:
    assert parse(text, "tes.yaml", known=KNOWN, today=TODAY) == Spec()


def test_shared_settings_can_be_merged_and_overridden() -> None:
    text = "x-place: &p {platform: memory, warm: 5m}\nenvironments:\n  a: *p\n  b:\n    <<: *p\n    warm: 1h\n"
    places = parse(text, "tes.yaml", known=KNOWN).environments
    assert (places["a"].platform, places["a"].warm) == ("memory", 300)
    assert (places["b"].platform, places["b"].warm) == ("memory", 3600)


@pytest.mark.parametrize(
    ("written", "read"), [("yes", "yes"), ("on", "on"), ("12:30", "12:30"), ('"3.10"', "3.10"), ("'true'", "true")]
)
def test_words_of_old_yaml_are_text(written: str, read: str) -> None:
    release = parse(f"release: {{environment: {{A: {written}}}}}", "t").release
    assert release is not None and release.environment == {"A": read}


def test_a_secret_in_the_wrong_place_is_not_repeated() -> None:
    text = "release:\n  secrets: {DB: hunter2}\n  environment: {KEY: 8675309}"
    shown = "\n".join(map(str, problems(text, "tes.yaml")))
    assert "release.secrets.DB" in shown and "release.environment.KEY" in shown
    assert "hunter2" not in shown and "8675309" not in shown


def test_an_expired_waiver_is_a_warning() -> None:
    text = "scan: {waivers: [{rule: B1, owner: me, reason: x, expires: 2026-10-31}]}"
    (problem,) = problems(text, "tes.yaml", today=TODAY)
    assert problem.severity is Severity.WARNING and "1 days ago" in problem.message
    assert parse(text, "tes.yaml", today=TODAY).scan.waivers[0].rule == "B1"
    assert problems(text, "tes.yaml", today=date(2026, 10, 31)) == []


@pytest.mark.parametrize("framework", ["go", "cargo", "node", "maven", "gradle", "command"])
def test_a_limit_of_a_case_that_a_framework_cannot_keep_is_a_warning(framework: str) -> None:
    text = f"tests: {{suites: [{{name: a, framework: {framework}, case_timeout: 5s}}]}}"
    found = [one for one in problems(text, "tes.yaml") if one.key.endswith("case_timeout")]
    assert [one.severity for one in found] == [Severity.WARNING] and "not applied" in found[0].message


@pytest.mark.parametrize("suite", ["framework: jest", "framework: cargo, args: [nextest, run]", "name: x"])
def test_a_limit_of_a_case_that_is_kept_is_no_problem(suite: str) -> None:
    assert problems(f"tests: {{suites: [{{{suite}, case_timeout: 5s}}]}}", "t") == []


def test_gates_of_detected_suites_cannot_be_unknown() -> None:
    assert problems("environments: {p: {gates: {tests.unit: advisory}}}", "t", known=KNOWN) == []
    (problem,) = problems("tests: {suites: [{name: api}]}\nenvironments: {p: {gates: {tests.ap: advisory}}}", "t")
    assert "`tests.api`" in problem.fix


def test_a_suite_has_a_gate_for_its_coverage_when_that_is_measured() -> None:
    suites = "tests: {suites: [{name: api%s}]}\nenvironments: {p: {gates: {coverage.api: advisory}}}"
    assert problems(suites % ", coverage: {}", "t", known=KNOWN) == []
    (problem,) = problems(suites % "", "t", known=KNOWN)
    assert "there is no such gate" in problem.message


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"\xff\xfen\x00", "UTF-16"),
        (b"name: a\nb: \xff", "t:2:4: not UTF-8 (byte 0xff)"),
        (b"\xc3", "t:1:1: not UTF-8"),
    ],
)
def test_what_is_not_utf8_is_refused_with_its_place(data: bytes, part: str) -> None:
    with pytest.raises(SpecError, match="UTF") as caught:
        decode(data, "t")
    assert part in caught.value.message


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert parse(decode(b"\xef\xbb\xbfname: a", "t"), "t").name == "a"


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert isinstance(parse(text, "t"), Spec)
    except SpecError as error:
        assert "t:" in error.message


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["name", "suites", "steps", "weight", "requests", "gates", "zz"]), inner, max_size=3
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*Spec.model_fields, "zz"]), _VALUES, max_size=4))
def test_any_values_are_read_or_refused_with_places_in_the_file(values: dict[str, object]) -> None:
    text = json.dumps(values, indent=1)  # JSON is YAML, but for NaN and infinities, which are then text
    lines = text.count("\n") + 1
    for problem in problems(text, "t", known=KNOWN, today=TODAY):
        assert 1 <= problem.line <= lines and problem.column >= 1 and problem.message


@pytest.mark.parametrize("text", [LAUGHS, DEEP, "[" * 900_000, "x" * 50_000_000, "- a\n" * 240_000, "#" * 900_000])
def test_a_hostile_text_is_refused_quickly(text: str) -> None:
    began = time.process_time()
    problems(text, "t")
    assert time.process_time() - began < 5
