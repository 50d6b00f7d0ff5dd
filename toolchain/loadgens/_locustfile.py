"""Runs a scenario declared in tes.yaml with Locust, as an open model. Loaded by Locust, never by us.

Locust's own users wait for an answer before they send again, so that a slow service is asked less and its worst
latencies are never measured (coordinated omission). Here one user keeps the timetable and starts each request on time
in a greenlet of its own. An arrival that finds `max_vus` requests under way, or that is over a second late, is dropped
and counted, as k6 does. SCENARIO and REPORT name the files to read and to write.
"""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

import gevent
from gevent.pool import Pool
from locust import FastHttpUser, task

REQUEST_TIMEOUT = 10.0
LATE = 1.0
scenario: dict[str, Any] = json.loads(Path(os.environ["SCENARIO"]).read_text())
samples: list[float] = []
checks: dict[str, list[int]] = {}
problems: dict[str, int] = {}
failed = 0


def tally(name: str, passed: bool) -> None:
    checks.setdefault(name, [0, 0])[0 if passed else 1] += 1


def percentile(ordered: list[float], share: float) -> float:
    """The nearest-rank percentile, 0.0 of nothing."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


class Arrivals(FastHttpUser):
    """The timetable."""

    host = os.environ["BASE_URL"]
    concurrency = scenario["max_vus"]
    connection_timeout = network_timeout = REQUEST_TIMEOUT
    max_redirects = 0
    max_retries = 0
    insecure = False

    def send(self, wanted: dict[str, Any]) -> None:
        global failed
        body = None if wanted["body"] is None else json.dumps(wanted["body"])
        began = time.perf_counter()
        try:
            with self.client.request(
                wanted["method"],
                wanted["path"],
                name=wanted["name"],
                data=body,
                headers=wanted["headers"],
                allow_redirects=False,
                catch_response=True,
            ) as answer:
                code, text = answer.status_code, (answer.text or "") if wanted["contains"] else ""
                passed = code == wanted["status"] if wanted["status"] else 200 <= code < 400
                answer.success() if passed else answer.failure(f"status {code}")
        except Exception as error:
            passed, text = False, ""
            name = type(error).__name__
            problems[name] = problems.get(name, 0) + 1
        samples.append(time.perf_counter() - began)
        failed += not passed
        tally(wanted["check"], passed)
        if wanted["contains"]:
            tally(wanted["check_contains"], wanted["contains"] in text)

    @task
    def keep_time(self) -> None:
        total = math.floor(scenario["rate"] * scenario["seconds"] + 1e-9) or 1
        pool = Pool(scenario["max_vus"])
        dropped, began = 0, time.perf_counter()
        for number in range(total):
            due = began + number / scenario["rate"]
            if (early := due - time.perf_counter()) > 0:
                gevent.sleep(early)
            if pool.full() or time.perf_counter() - due > LATE:
                dropped += 1
            else:
                pool.spawn(self.send, scenario["requests"][number % len(scenario["requests"])])
        gevent.sleep(max(0.0, began + scenario["seconds"] - time.perf_counter()))
        # The arrivals' time, without the wait for the last answers: it is what the rate refers to.
        lasted = time.perf_counter() - began
        finished = pool.join(timeout=REQUEST_TIMEOUT + 1)
        write(total, dropped, lasted, bool(finished))
        self.environment.runner.quit()


def write(total: int, dropped: int, lasted: float, finished: bool) -> None:
    """The report, whole or not at all."""
    ordered = sorted(samples)
    report = Path(os.environ["REPORT"])
    scratch = report.with_suffix(".part")
    scratch.write_text(
        json.dumps(
            {
                "arrivals": total,
                "requests": len(ordered),
                "failed": failed,
                "dropped": dropped,
                "seconds": lasted,
                "finished": finished,
                "p50": percentile(ordered, 0.50),
                "p90": percentile(ordered, 0.90),
                "p95": percentile(ordered, 0.95),
                "p99": percentile(ordered, 0.99),
                "max": ordered[-1] if ordered else 0.0,
                "checks": checks,
                "exceptions": problems,
            }
        )
    )
    scratch.replace(report)
