"""What the load balancer measured of one target group, from CloudWatch.

Source: CloudWatch metrics for your Application Load Balancer (namespace AWS/ApplicationELB).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from domain.place import Traffic

_MINUTE = 60
_COUNTS = ("RequestCount", "HTTPCode_Target_5XX_Count", "TargetConnectionErrorCount")
_PERCENTILES = ("p50", "p95", "p99")


def queries(balancer: str, group: str, since: float, now: float) -> dict[str, Any]:
    """A GetMetricData over the whole time at once, so that percentiles are those of all requests. Both ARNs."""
    dimensions = [
        {"Name": "LoadBalancer", "Value": balancer.partition(":loadbalancer/")[2]},
        {"Name": "TargetGroup", "Value": group.rpartition(":")[2]},
    ]
    period = _MINUTE * max(1, math.ceil((now - since) / _MINUTE))
    wanted = [(name.lower(), name, "Sum") for name in _COUNTS]
    wanted += [(stat, "TargetResponseTime", stat) for stat in _PERCENTILES]
    return {
        "MetricDataQueries": [
            {
                "Id": id_,
                "MetricStat": {
                    "Metric": {"Namespace": "AWS/ApplicationELB", "MetricName": metric, "Dimensions": dimensions},
                    "Period": period,
                    "Stat": stat,
                },
            }
            for id_, metric, stat in wanted
        ],
        "StartTime": datetime.fromtimestamp(since, UTC),
        "EndTime": datetime.fromtimestamp(max(now, since + 1.0), UTC),
    }


def told(version: str, results: Sequence[Mapping[str, Any]], seconds: float) -> Traffic:
    """From a GetMetricData. Where it has two periods the greater percentile holds: rather too slow than too fast."""
    values: dict[str, list[float]] = {}
    for one in results:
        values.setdefault(str(one["Id"]), []).extend(float(value) for value in one["Values"])
    count, errors, unanswered = (round(sum(values.get(name.lower(), []))) for name in _COUNTS)
    p50, p95, p99 = (max(values.get(stat, []), default=0.0) for stat in _PERCENTILES)
    return Traffic(
        version=version, requests=count, errors=errors + unanswered, seconds=seconds, p50=p50, p95=p95, p99=p99
    )
