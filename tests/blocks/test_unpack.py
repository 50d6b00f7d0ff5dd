"""A bundle is unpacked whole, or nothing of it is left."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from blocks.platforms.local_agent.unpack import unpack
from domain.errors import Rejected
from domain.supply import Artifact
from tests.blocks.bundles import archive


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def rest(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_bundle_becomes_a_folder_and_is_not_unpacked_twice(tmp_path: Path) -> None:
    bundle = archive(tmp_path / "a.tar.gz", {"app.py": "print(1)", "deep/er/x.txt": "x"})
    tree = unpack(bundle, tmp_path / "release")
    assert (tree / "deep/er/x.txt").read_text() == "x"
    Path(bundle.location).unlink()
    assert unpack(bundle, tmp_path / "release") == tree


@pytest.mark.parametrize(
    "bad",
    [
        member("../outside.txt"),
        member("sub/../../outside.txt"),
        member("link", tarfile.SYMTYPE, "../../outside"),
        member("link", tarfile.SYMTYPE, "/etc/passwd"),
        member("link", tarfile.LNKTYPE, "../outside"),
        member("device", tarfile.CHRTYPE),
        member("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda info: f"{info.name}-{info.linkname}",
)
def test_an_archive_that_reaches_out_is_refused_whole(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    bundle = archive(tmp_path / "a.tar.gz", {"app.py": "x"}, [bad])
    with pytest.raises(Rejected, match="would write outside"):
        unpack(bundle, tmp_path / "release")
    assert rest(tmp_path / "release") == [] and rest(tmp_path) == ["a.tar.gz", "release"]


def test_an_absolute_path_lands_inside(tmp_path: Path) -> None:
    bundle = archive(tmp_path / "a.tar.gz", {"/tes-absolute.txt": "x"})
    assert (unpack(bundle, tmp_path / "release") / "tes-absolute.txt").exists()
    assert not Path("/tes-absolute.txt").exists()


def test_another_archive_than_the_one_built_is_refused_with_both_digests(tmp_path: Path) -> None:
    bundle = archive(tmp_path / "a.tar.gz", {"app.py": "x"})
    other = archive(tmp_path / "a.tar.gz", {"app.py": "tampered"})
    with pytest.raises(Rejected, match=f"{other.digest}, expected {bundle.digest}"):
        unpack(bundle, tmp_path / "release")
    assert rest(tmp_path / "release") == []


def test_a_missing_a_cut_off_and_a_false_archive_are_refused(tmp_path: Path) -> None:
    missing = Artifact(kind="bundle", digest="sha256:0", location=str(tmp_path / "none.tar.gz"))
    with pytest.raises(Rejected, match="none.tar.gz cannot be read: No such file"):
        unpack(missing, tmp_path / "release")
    whole = Path(archive(tmp_path / "a.tar.gz", {"app.py": os.urandom(3000).hex()}).location).read_bytes()
    for name, content in {"cut.tar.gz": whole[: len(whole) // 2], "no.tar.gz": b"this is no archive"}.items():
        path = tmp_path / name
        path.write_bytes(content)
        digest = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]
        with pytest.raises(Rejected, match=f"{name} cannot be unpacked"):
            unpack(Artifact(kind="bundle", digest=f"sha256:{digest}", location=str(path)), tmp_path / "release")
    assert rest(tmp_path / "release") == []


def test_a_full_disk_is_said_and_the_partial_tree_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = archive(tmp_path / "a.tar.gz", {"app.py": "x", "big.bin": "x" * 100_000})
    real = tarfile.TarFile.makefile

    def full(self: tarfile.TarFile, info: tarfile.TarInfo, path: str) -> None:
        if info.name == "big.bin":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(self, info, path)

    monkeypatch.setattr(tarfile.TarFile, "makefile", full)
    with pytest.raises(Rejected, match="no room to unpack .* No space left on device, .* MiB free") as raised:
        unpack(bundle, tmp_path / "release")
    assert "free some space" in raised.value.fix
    assert rest(tmp_path / "release") == []


def test_a_file_that_may_not_be_written_whole_is_said_by_the_kernel(tmp_path: Path) -> None:
    """The real thing, in a process that may write no file of more than 50 kB."""
    bundle = archive(tmp_path / "a.tar.gz", {"big.bin": "x" * 100_000})
    code = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
from pathlib import Path
from blocks.platforms.local_agent.unpack import unpack
from domain.supply import Artifact
from domain.errors import Rejected
try:
    unpack(Artifact.model_validate_json({bundle.model_dump_json()!r}), Path({str(tmp_path / "release")!r}))
except Rejected as error:
    print(error.message)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "no room to unpack" in result.stdout and resource.RLIMIT_FSIZE is not None
    assert rest(tmp_path / "release") == []


def test_it_needs_no_extraction_filters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian 12's Python is 3.11.2, and `extractall(filter=...)` came with 3.11.4."""
    real = tarfile.TarFile.extractall

    def of_3_11_2(self: tarfile.TarFile, path: Path, members: object = None, *, numeric_owner: bool = False) -> None:
        real(self, path, members, numeric_owner=numeric_owner)  # type: ignore[arg-type]

    monkeypatch.setattr(tarfile.TarFile, "extractall", of_3_11_2)
    assert (unpack(archive(tmp_path / "a.tar.gz", {"app.py": "x"}), tmp_path / "release") / "app.py").exists()


def test_a_path_through_a_link_of_the_archive_is_refused(tmp_path: Path) -> None:
    through = [member("a", tarfile.SYMTYPE, "sub"), member("b", tarfile.SYMTYPE, "a/../..")]
    bundle = archive(tmp_path / "a.tar.gz", {"sub/x": "x"}, [*through, member("b/out")])
    with pytest.raises(Rejected, match="would write outside"):
        unpack(bundle, tmp_path / "release")
    assert rest(tmp_path) == ["a.tar.gz", "release"]
