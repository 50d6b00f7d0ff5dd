"""The bundle is the same bytes on any day, holds what the snapshot holds, and is never half there."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import tarfile
import time
from pathlib import Path

import pytest

from domain.errors import SpecError, TesError
from domain.spec import Build, Spec
from tasks import archive, bundle
from tasks.snapshot import take
from tests.tasks.supply import lay, paths, source_of

FILES = {"app.py": "print(1)\n", "pkg/a b.txt": "x", "run.sh": "#!/bin/sh\n", "pkg/__init__.py": ""}


async def test_two_builds_on_two_days_in_two_places_give_the_same_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for number, day in enumerate((0.0, 86_400.0 * 400)):
        root = lay(tmp_path / f"p{number}", FILES)
        os.utime(root / "app.py", (day, day))
        now = time.time() + day
        monkeypatch.setattr(time, "time", lambda now=now: now)
        store = tmp_path / f"store{number}"
        made.append(await bundle.build_bundle(await take(root, store, name="demo"), Spec(), store))
        monkeypatch.undo()
    first, second = made
    assert first.digest == second.digest and first.lock_digest == second.lock_digest
    assert second.created - first.created > 86_400 * 399
    assert Path(first.location).read_bytes() == Path(second.location).read_bytes()


async def test_the_digest_is_the_sha256_of_the_file_and_its_name(tmp_path: Path) -> None:
    source = await source_of(FILES, tmp_path)
    artifact = await bundle.build_bundle(source, Spec(), tmp_path / "store")
    content = Path(artifact.location).read_bytes()
    assert artifact.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert Path(artifact.location).name == f"{artifact.digest.removeprefix('sha256:')}.tar.gz"
    assert (artifact.kind, artifact.builder, artifact.size) == ("bundle", "bundle", len(content))
    assert artifact.environment and (Path(artifact.environment) / "bin" / "python").exists()


async def test_members_have_no_time_no_owner_and_plain_modes(tmp_path: Path) -> None:
    root = lay(tmp_path / "project", FILES)
    (root / "run.sh").chmod(0o751)
    (root / "link").symlink_to("app.py")
    source = await take(root, tmp_path / "store", name="demo")
    packed = bundle.pack(source, tmp_path / "store")
    assert packed.read_bytes()[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", "no name, no time, no system"
    with tarfile.open(packed) as members:
        rows = {m.name: (m.mtime, m.uid, m.gid, m.uname, m.gname, oct(m.mode)) for m in members}
    assert list(rows) == sorted(paths(source))
    assert {row[:5] for row in rows.values()} == {(0, 0, 0, "", "")}
    assert (rows["run.sh"][5], rows["app.py"][5], rows["link"][5]) == ("0o755", "0o644", "0o777")


async def test_what_is_packed_can_be_unpacked(tmp_path: Path) -> None:
    source = await source_of(FILES, tmp_path)
    root = archive.unpack(bundle.pack(source, tmp_path / "store"), tmp_path / "unpacked")
    again = await take(root, tmp_path / "other", name="demo")
    assert again.digest == source.digest


async def test_litter_in_the_stored_tree_is_not_packed(tmp_path: Path) -> None:
    source = await source_of(FILES, tmp_path)
    before = bundle.pack(source, tmp_path / "one")
    lay(Path(source.root), {"__pycache__/app.pyc": "", "test.db": ""})
    assert bundle.pack(source, tmp_path / "two").name == before.name


async def test_a_changed_snapshot_is_refused(tmp_path: Path) -> None:
    source = await source_of(FILES, tmp_path)
    file = Path(source.root) / "app.py"
    kept = file.stat()
    file.write_text("print(2)\n")
    with pytest.raises(SpecError, match="was changed"):
        bundle.pack(source, tmp_path / "store")
    os.utime(file, ns=(kept.st_atime_ns, kept.st_mtime_ns))  # even when its time was put back
    with pytest.raises(TesError, match=r"app\.py was changed"):
        bundle.pack(source, tmp_path / "store")


async def test_a_damaged_artifact_is_made_again(tmp_path: Path) -> None:
    source = await source_of(FILES, tmp_path)
    first = bundle.pack(source, tmp_path / "store")
    whole = first.read_bytes()
    modified = first.stat().st_mtime_ns
    assert bundle.pack(source, tmp_path / "store").stat().st_mtime_ns == modified, "used again"
    first.write_bytes(whole[:-9])
    assert bundle.pack(source, tmp_path / "store").read_bytes() == whole


async def test_a_full_disk_while_packing_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = await source_of(FILES, tmp_path)

    def full(*arguments: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(gzip.GzipFile, "write", full)
    with pytest.raises(TesError, match="no space left"):
        bundle.pack(source, tmp_path / "store")
    assert list((tmp_path / "store" / "artifacts").iterdir()) == []


async def test_an_interpreter_that_is_not_there_is_told(tmp_path: Path) -> None:
    source = await source_of(FILES, tmp_path)
    with pytest.raises(SpecError, match=r"build\.python: 'python9\.9' is not here"):
        await bundle.build_bundle(source, Spec(build=Build(python="python9.9")), tmp_path / "store")
