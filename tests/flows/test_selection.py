"""The nightly look at what selection would have missed, for real on a project of one file."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.verdict import Outcome, Verdict
from records.read.trend import trend
from tasks.course import course
from tasks.selection import GATE, command, compared, parse
from toolchain.command import Ran


async def test_what_nobody_could_see_is_a_number_with_a_name_and_the_verdict_is_the_tests(
    tes_home: Path, tmp_path: Path
) -> None:
    outside, project = tmp_path / "outside.txt", tmp_path / "project"
    outside.write_text("1")
    project.mkdir()
    (project / "test_a.py").write_text(
        f"def test_a(): assert open({str(outside)!r}).read() == '1'\ndef test_b(): ...\n"
    )
    first = await said(project)
    assert first.outcome is Outcome.PASS and first.metrics == {"misses": 0, "compared": 0}
    outside.write_text("2")
    second = await said(project)
    assert second.outcome is Outcome.FAIL and second.metrics == {"misses": 1, "compared": 2}
    assert "test_a.py::test_a" in second.reasons
    points = [point for point in trend("project") if point.stage == GATE]
    assert [point.metrics["misses"] for point in points] == [1, 0]  # in the records, for the API
    assert not list((tes_home / "impact").glob("*"))  # a person's memory is another one


async def said(project: Path) -> Verdict:
    """What the flow's one stage said, as the flow composes it, without a Prefect server."""
    async with course("selection", [GATE], str(project)) as run:
        stage = await compared.fn(run.run)
        run.heard([stage])
        await run.end()
    verdict: Verdict = stage.verdict
    return verdict


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", 2),
        ('{"outcome": "PASS"}', 0),
        ('{"outcome": "PASS", "reasons": [], "misses": 0, "missed": [], "compared": 1}', 1),
        ('{"outcome": "PASS", "reasons": [], "misses": 1, "missed": [], "compared": 1}', 0),
    ],
)
def test_an_answer_that_cannot_be_believed_is_inconclusive(tmp_path: Path, text: str, code: int) -> None:
    (tmp_path / "out").write_text(text)
    ran = Ran(argv=command(tmp_path).argv, exit_code=code, seconds=1, stdout=tmp_path / "out", stderr=tmp_path / "e")
    assert parse(ran).outcome is Outcome.INCONCLUSIVE
