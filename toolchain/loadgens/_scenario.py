"""A declared scenario as the JSON that both `_scenario.js` (k6) and `_locustfile.py` read."""

from __future__ import annotations

import json
import math
from fractions import Fraction

from domain.errors import SpecError
from domain.spec import Request, Scenario
from toolchain.reports.trusted import one_line

NAME = 80  # characters of a check's name
AROUND = 20.0  # seconds: to start, and to wait for the last answers


def check_time(scenario: Scenario, timeout: float) -> None:
    """SpecError when the generator would be stopped before it is done."""
    if (needed := scenario.duration + AROUND) > timeout:
        raise SpecError(
            f"load.timeout: {timeout:.0f} s are too few for a scenario of {scenario.duration:.0f} s",
            fix=f"set load.timeout to {math.ceil(needed)}s or more",
        )


def as_json(scenario: Scenario) -> str:
    """Both generators' input: the arrival rate as a fraction (k6 takes integers), the requests with their names."""
    rate = Fraction(scenario.rate).limit_denominator(3600) or Fraction(1, 3600)
    lasts = max(1.0, scenario.duration)  # k6's shortest
    return json.dumps(
        {
            "arrivals": rate.numerator,
            "per": f"{rate.denominator}s",
            "rate": float(rate),
            "seconds": lasts,
            "duration": f"{math.ceil(lasts * 1000)}ms",
            # Enough for answers of one second; k6 makes more, up to max_vus, while it runs.
            "vus": min(scenario.max_vus, max(1, math.ceil(scenario.rate))),
            "max_vus": scenario.max_vus,
            "requests": [_request(request) for request in scenario.requests],
        },
        indent=1,
    )


def _request(request: Request) -> dict[str, object]:
    name = one_line(f"{request.method} {request.path}", NAME)
    headers = dict(request.headers)
    if request.json_body is not None and "content-type" not in {key.lower() for key in headers}:
        headers["Content-Type"] = "application/json"
    return {
        "name": name,
        "method": request.method,
        "path": request.path,
        "headers": headers,
        "body": request.json_body,
        "status": request.status,
        "contains": request.contains,
        "check": f"{name} is {request.status or '2xx or 3xx'}",
        "check_contains": f"{name} contains {one_line(request.contains or '', NAME)!r}",
    }
