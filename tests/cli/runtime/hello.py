"""A flow for the embedded worker: it says what it was given."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from prefect import flow


@flow
async def hello(report: str, hold: float = 0) -> None:
    """Write the environment to `report`, then stay for `hold` seconds."""
    Path(report).write_text(json.dumps(dict(os.environ)))
    time.sleep(hold)
