"""The k6 scripts of the owner's guide run, and their thresholds tell a good service from a bad one."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.load import judge
from domain.spec import Load
from tasks.execute import execute
from tests.toolchain.loadgens.service import answering
from toolchain.loadgens import LoadRequest, k6

HERE = Path(__file__).parent
SHORT = {
    "load_test.js": {"RATE": "5", "DURATION": "1s"},
    "stress_test.js": {"PEAK": "10", "STAGE": "1s"},
}


@pytest.mark.requires("k6")
@pytest.mark.parametrize("name", SHORT)
@pytest.mark.parametrize(("status", "outcome"), [(200, "PASS"), (500, "FAIL")])
async def test_the_script_judges_the_service(name: str, status: int, outcome: str, tmp_path: Path) -> None:
    with answering(status=status) as url:
        request = LoadRequest(base_url=url, out=tmp_path, script=HERE / name, environment=SHORT[name], timeout=60)
        summary = k6.parse(await execute(k6.command(request), tmp_path), request)
    assert judge(summary, Load().thresholds).outcome == outcome, summary
    assert bool(summary.crossed) is (status == 500)
