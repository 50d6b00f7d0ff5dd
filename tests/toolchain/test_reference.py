"""What the reference pages of the tools show is true: the YAML is valid, the script runs, every module is described."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from domain.load import judge
from domain.spec import Load, Spec
from domain.verdict import Outcome
from tasks.execute import execute
from tests.toolchain.loadgens.service import answering
from toolchain.loadgens import LoadRequest, k6
from toolchain.registry import known

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
PAGES = {"scanners.md": "toolchain.scanners", "load.md": "toolchain.loadgens", "runners.md": "toolchain.runners"}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (REFERENCE / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_the_yaml_is_valid(page: str) -> None:
    shown = blocks(page, "yaml")
    assert shown
    for text in shown:
        Spec.model_validate(YAML(typ="safe").load(text))


@pytest.mark.parametrize("page", PAGES)
def test_every_module_has_its_row(page: str) -> None:
    text = (REFERENCE / page).read_text()
    assert not [name for name in known(PAGES[page]) if f"\n| `{name}` |" not in text]


@pytest.mark.requires("k6")
async def test_the_script_runs(tmp_path: Path) -> None:
    [shown] = blocks("load.md", "javascript")
    script = tmp_path / "script.js"
    script.write_text(shown.replace('"10s"', '"1s"').replace("vus: 5", "vus: 1"))
    with answering(after=0.01) as url:
        request = LoadRequest(base_url=url, out=tmp_path / "out", script=script, timeout=60)
        summary = k6.parse(await execute(k6.command(request), request.out), request)
    assert judge(summary, Load().thresholds).outcome is Outcome.PASS, summary
