"""The exact argv of every generator, and what a declared scenario becomes."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

import toolchain.loadgens
from domain.errors import SpecError
from domain.spec import Request, Scenario
from toolchain.loadgens import LoadRequest, k6, locust
from toolchain.loadgens._scenario import as_json

OUT = Path("/out")
HOME = Path(toolchain.loadgens.__file__).parent
URL = "http://127.0.0.1:8000"
RUN_K6 = (
    *("k6", "run", "--quiet", "--no-color", "--log-format", "json", "--address", ""),
    *("--summary-export", "/out/k6.json"),
    *("--summary-trend-stats", "min,med,avg,max,p(50),p(90),p(95),p(99)"),
)


def test_k6_runs_a_script() -> None:
    request = LoadRequest(base_url=URL, out=OUT, script=Path("/source/load.js"), environment={"USERS": "5"})
    command = k6.command(request)
    assert command.argv == (*RUN_K6, "/source/load.js")
    assert command.environment == {"USERS": "5", "BASE_URL": URL, "K6_NO_USAGE_REPORT": "true"}
    assert command.files == {} and command.report == OUT / "k6.json"


def test_k6_runs_a_declared_scenario() -> None:
    scenario = Scenario(rate=5)
    command = k6.command(LoadRequest(base_url=URL, out=OUT, scenario=scenario))
    assert command.argv == (*RUN_K6, str(HOME / "_scenario.js"))
    assert command.environment["SCENARIO"] == "/out/scenario.json"
    assert command.files == {OUT / "scenario.json": as_json(scenario)}


def test_locust_runs_a_declared_scenario_without_opening_a_port() -> None:
    scenario = Scenario(duration=9.5)
    command = locust.command(LoadRequest(base_url=URL, out=OUT, scenario=scenario))
    assert command.argv == (
        *("locust", "--locustfile", str(HOME / "_locustfile.py"), "--headless", "--users", "1", "--spawn-rate", "1"),
        *("--run-time", "25s", "--only-summary", "--loglevel", "WARNING", "--exit-code-on-error", "0"),
    )
    assert command.environment == {"BASE_URL": URL, "SCENARIO": "/out/scenario.json", "REPORT": "/out/locust.json"}


def test_without_anything_to_run_it_refuses_before_it_starts() -> None:
    with pytest.raises(SpecError, match="neither a script nor a scenario"):
        k6.command(LoadRequest(base_url=URL, out=OUT))
    with pytest.raises(SpecError, match="not k6 scripts"):
        locust.command(LoadRequest(base_url=URL, out=OUT, script=Path("/source/load.js")))


@pytest.mark.parametrize("generator", [k6, locust])
def test_a_scenario_that_would_not_get_to_its_end_is_refused(generator: ModuleType) -> None:
    request = LoadRequest(base_url=URL, out=OUT, scenario=Scenario(duration=890), timeout=900)
    with pytest.raises(SpecError, match="900 s are too few for a scenario of 890 s") as caught:
        generator.command(request)
    assert caught.value.fix == "set load.timeout to 910s or more"


@given(st.floats(min_value=0.001, max_value=20_000), st.floats(min_value=0.01, max_value=7200))
def test_the_arrival_rate_becomes_a_fraction_that_k6_can_take(rate: float, duration: float) -> None:
    told = json.loads(as_json(Scenario(rate=rate, duration=duration)))
    per = int(told["per"].removesuffix("s"))
    assert isinstance(told["arrivals"], int) and told["arrivals"] >= 1 and 1 <= per <= 3600
    assert told["arrivals"] / per == pytest.approx(rate, rel=0.2, abs=1 / 3600)
    assert 1 <= told["vus"] <= told["max_vus"] and int(told["duration"].removesuffix("ms")) >= 1000


def test_a_body_gets_its_content_type_unless_the_team_names_another() -> None:
    requests = (
        Request(method="POST", path="/a", json={"n": 1}),
        Request(method="POST", path="/b", json=[], headers={"content-type": "application/x-ndjson"}),
        Request(path="/c"),
    )
    told = json.loads(as_json(Scenario(requests=requests)))["requests"]
    assert [r["headers"] for r in told] == [
        {"Content-Type": "application/json"},
        {"content-type": "application/x-ndjson"},
        {},
    ]


def test_the_name_of_a_check_is_bounded() -> None:
    long = Request(path="/" + "a" * 5000, contains="b" * 5000)
    told = json.loads(as_json(Scenario(requests=(long,))))["requests"][0]
    assert len(told["name"]) <= 80 and len(told["check"]) < 120 and len(told["check_contains"]) < 200
    assert told["path"] == long.path and told["contains"] == long.contains
