"""Reports damaged at random: a parser returns, or says in our own words what is wrong; a cut one is refused."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import ReportError, TesError
from domain.findings import Finding
from tests.toolchain.scanners import tree, trivy_db
from toolchain.command import Ran
from toolchain.loadgens import LoadRequest
from toolchain.registry import known, module
from toolchain.scanners import ScanRequest

HERE = Path(__file__).parent
PACKAGES = {"scanners": "findings.json", "loadgens": "failing.json"}
TOOLS = [(package, name) for package in PACKAGES for name in known(f"toolchain.{package}")]
junk = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5)
values = junk | st.lists(junk, max_size=2) | st.dictionaries(st.text(max_size=3), junk, max_size=2)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        tree.faulty(Path(name) / "source")
        trivy_db.write(Path(name) / "cache", "requests", "2.20.0", datetime.now(UTC))
        yield Path(name)


def parse(package: str, name: str, content: bytes, folder: Path) -> Any:
    report, silent = folder / "report.json", folder / "stderr.log"
    report.write_bytes(content)
    silent.touch()
    code = 1 if name in ("bandit", "pip_audit") else 0
    ran = Ran(argv=(name,), exit_code=code, seconds=1, stdout=report, stderr=silent, report=report)
    root = folder / "source"
    request: ScanRequest | LoadRequest
    if package == "scanners":
        options = {"cache_dir": str(folder / "cache")}
        request = ScanRequest(root=root, out=folder, lock=root / "requirements.txt", options=options)
    else:
        request = LoadRequest(base_url="http://127.0.0.1:1", out=folder)
    return module(f"toolchain.{package}", name).parse(ran, request)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a JSON document."""
    yield at
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*at, key))


@pytest.mark.parametrize(("package", "name"), TOOLS)
@settings(max_examples=60)
@given(data=st.data())
def test_one_value_replaced(package: str, name: str, data: st.DataObject, folder: Path) -> None:
    recorded = json.loads((HERE / package / "fixtures" / name / PACKAGES[package]).read_text())
    changed = copy.deepcopy(recorded)
    *way, last = data.draw(st.sampled_from([place for place in places(recorded) if place]))
    target = changed
    for key in way:
        target = target[key]
    target[last] = data.draw(values)
    try:
        told = parse(package, name, json.dumps(changed).encode(), folder)
    except TesError as error:
        assert len(error.message) < 1000
    else:
        for finding in getattr(told, "findings", ()):
            assert isinstance(finding, Finding) and len(finding.message) <= 600 and len(finding.rule) <= 80


@pytest.mark.parametrize(("package", "name"), TOOLS)
@settings(max_examples=40)
@given(share=st.floats(0, 1))
def test_a_report_cut_anywhere_is_refused(package: str, name: str, share: float, folder: Path) -> None:
    whole = (HERE / package / "fixtures" / name / PACKAGES[package]).read_bytes().rstrip()
    with pytest.raises(ReportError):
        parse(package, name, whole[: int(share * (len(whole) - 1))], folder)
