"""Durations as people write them in tes.yaml and on the command line: `500ms`, `30s`, `5m`, `2h`, `1d`."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_DURATION = re.compile(r"^\s*(\d{1,12}(?:\.\d{1,9})?)\s*(ms|s|m|h|d)?\s*$", re.ASCII)
_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}
LONGEST = 366 * 86400.0


def seconds(value: Any) -> float:
    """`500ms`, `30s`, `5m`, `2h`, `1d` or a plain number of seconds → seconds. ValueError otherwise."""
    if isinstance(value, bool):
        raise ValueError("a duration is wanted, like 30s or 5m")
    if isinstance(value, int | float):
        found = math.inf if abs(value) > LONGEST else float(value)
    else:
        match = _DURATION.match(value) if isinstance(value, str) else None
        found = float(match[1]) * _UNIT[match[2]] if match else -1.0
    if not 0 <= found:
        raise ValueError("a duration is wanted, like 500ms, 30s, 5m or 2h")
    if found > LONGEST:
        raise ValueError("a duration of at most 366d is wanted")
    return found


_DURATION_SCHEMA = {
    "type": ["number", "string"],
    "minimum": 0,
    "maximum": LONGEST,
    "pattern": r"^\s*[0-9]{1,12}(\.[0-9]{1,9})?\s*(ms|s|m|h|d)?\s*$",
}
Seconds = Annotated[float, BeforeValidator(seconds), Field(json_schema_extra=_DURATION_SCHEMA)]
# A time-out or an interval of nothing would never let anything happen.
Timeout = Annotated[Seconds, Field(gt=0, json_schema_extra={**_DURATION_SCHEMA, "exclusiveMinimum": 0})]
