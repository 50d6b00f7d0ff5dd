"""An archive that nobody here has seen before cannot write outside of its folder, nor fill the disk."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from domain.errors import SpecError
from tasks.archive import unpack


def tar(path: Path, *members: tarfile.TarInfo | str, content: bytes = b"x") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_the_only_top_folder_is_the_project(tmp_path: Path) -> None:
    assert (
        unpack(tar(tmp_path / "a.tar.gz", "demo-1/a.py", "demo-1/b/c.py"), tmp_path / "1") == tmp_path / "1" / "demo-1"
    )
    assert unpack(tar(tmp_path / "b.tar.gz", "a.py", "b/c.py"), tmp_path / "2") == tmp_path / "2"
    assert unpack(tar(tmp_path / "c.tar.gz", "./d/a.py"), tmp_path / "3") == tmp_path / "3" / "d"


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..", "a\\..\\evil"])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_no_path_leaves_the_folder(tmp_path: Path, name: str, kind: str) -> None:
    file = tmp_path / "bad"
    if kind == "tar":
        tar(file, "good", name)
    else:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(name, "x")
    with pytest.raises(SpecError, match="leaves its folder"):
        unpack(file, tmp_path / "here" / "into")
    assert not list(tmp_path.rglob("evil"))


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    file = tar(tmp_path / "bad", special("d", tarfile.SYMTYPE, "../outside"), "d/evil")
    with pytest.raises(SpecError, match="twice"):
        unpack(file, tmp_path / "into")
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_devices_and_pipes_are_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(SpecError, match="device or a pipe"):
        unpack(tar(tmp_path / "bad", special("null", kind)), tmp_path / "into")


def test_a_bomb_is_stopped_at_the_limit(tmp_path: Path) -> None:
    file = tar(tmp_path / "bomb.tar.gz", "zeros", content=bytes(20 << 20))
    assert file.stat().st_size < 100_000
    with pytest.raises(SpecError, match="unpacks to more than 1000000 bytes"):
        unpack(file, tmp_path / "into", max_bytes=1_000_000)
    assert sum(p.stat().st_size for p in (tmp_path / "into").rglob("*")) <= 1 << 20
    with pytest.raises(SpecError, match="more than 3 files"):
        unpack(tar(tmp_path / "many", *"abcdef"), tmp_path / "other", max_files=3)


def test_a_zip_that_lies_about_sizes_is_stopped_too(tmp_path: Path) -> None:
    file = tmp_path / "bomb.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(20 << 20))
    with pytest.raises(SpecError, match="unpacks to more than"):
        unpack(file, tmp_path / "into", max_bytes=1_000_000)


def test_damaged_and_doubled_archives_are_told(tmp_path: Path) -> None:
    whole = tar(tmp_path / "a.tar.gz", *(f"d/{number}" for number in range(50)), content=bytes(range(256)) * 50)
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(SpecError, match="damaged"):
        unpack(cut, tmp_path / "1")
    with pytest.raises(SpecError, match="twice"):
        unpack(tar(tmp_path / "twice", "a", "a"), tmp_path / "2")
    with pytest.raises(SpecError, match="twice"):
        unpack(tar(tmp_path / "under", "a", "a/b"), tmp_path / "3")
    (tmp_path / "empty.zip").write_bytes(b"")
    with pytest.raises(SpecError, match="neither a folder nor"):
        unpack(tmp_path / "empty.zip", tmp_path / "4")


def test_links_and_modes_survive_in_both_kinds(tmp_path: Path) -> None:
    run = tarfile.TarInfo("d/run")
    run.mode = 0o4755
    one = unpack(
        tar(
            tmp_path / "a", run, special("d/soft", tarfile.SYMTYPE, "run"), special("d/hard", tarfile.LNKTYPE, "d/run")
        ),
        tmp_path / "1",
    )
    with zipfile.ZipFile(tmp_path / "b", "w") as archive:
        for name, mode, text in (("d/run", 0o755 | stat.S_IFREG, "x"), ("d/soft", 0o777 | stat.S_IFLNK, "run")):
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, text)
    two = unpack(tmp_path / "b", tmp_path / "2")
    for root in (one, two):
        assert (root / "soft").is_symlink() and (root / "soft").resolve() == (root / "run").resolve()
        assert stat.S_IMODE((root / "run").stat().st_mode) == 0o755, "no set-user-id bit"
    assert (one / "hard").read_text() == "x"
