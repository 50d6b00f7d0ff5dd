"""What is refused before anything has moved."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import CapabilityError, SpecError, TesError
from tasks import recording
from tasks.prepare import prepare
from tests.tasks.supply import lay


@pytest.mark.parametrize(
    ("text", "options", "kind", "told"),
    [
        ("", {}, SpecError, "release.command is not set"),
        ("release: {command: [run]}\nbuild: {builder: docker}", {}, CapabilityError, "build.builder docker"),
        ("release: {command: [run]}", {"version": "../x"}, SpecError, "cannot be a version"),
        ("release: {command: [run]}", {"environment": "moon"}, SpecError, "no environment 'moon'"),
        ("release: {command: [run]}", {"start_at": "lunch"}, SpecError, "no stage 'lunch'"),
    ],
)
async def test_what_cannot_end_well_is_refused_before_a_run_is_opened(
    tmp_path: Path,
    tes_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    options: dict[str, str],
    kind: type[TesError],
    told: str,
) -> None:
    async def opened(*_: object) -> None:
        raise AssertionError("a run was opened")

    monkeypatch.setattr(recording, "opened", opened)
    project = lay(tmp_path / "shop", {"tes.yaml": text, "main.txt": "x"})
    with pytest.raises(kind, match=told):
        await prepare("release", str(project), **{"environment": "staging", **options})


async def test_an_image_that_its_cloud_could_not_have_is_refused_before_it_is_built(
    tmp_path: Path, tes_home: Path
) -> None:
    """Without a registry the cloud would look for the name on Docker Hub, where anybody may have put another image."""
    text = "release: {port: 80}\nbuild: {builder: docker}\nenvironments: {staging: {platform: ecs}}"
    project = lay(tmp_path / "shop", {"tes.yaml": text, "Dockerfile": "FROM scratch\n"})
    with pytest.raises(SpecError, match="platform ecs of environment staging .* build.registry is not set"):
        await prepare("release", str(project), environment="staging")
