"""A bundle becomes a folder, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from domain.errors import Rejected
from domain.supply import Artifact

_MARK = "artifact-digest"


class _ReachesOut(Exception):
    """A member that would be written outside of the folder, or is no file, folder or link."""


def unpack(artifact: Artifact, folder: Path) -> Path:
    """`folder`/tree holds the bundle. Rejected when the archive is missing, is another one, would write outside of its
    folder, is no archive, or does not fit on the disk; then nothing of it is left."""
    tree, mark = folder / "tree", folder / _MARK
    if tree.is_dir() and mark.is_file() and mark.read_text() == artifact.digest:
        os.utime(folder)
        return tree
    archive = Path(artifact.location)
    _check_digest(artifact, archive)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
    except OSError as error:
        raise _refusal(error, archive, folder) from error
    try:
        with tarfile.open(archive, "r:*") as bundle:
            # Our own checks, in place of tarfile's: Debian 12's Python (3.11.2) has no extraction filters yet.
            bundle.extraction_filter = lambda info, path: info
            bundle.extractall(partial, members=_inside(bundle, partial))
        partial.chmod(0o755)
        if tree.exists():
            shutil.rmtree(tree)
        os.replace(partial, tree)
        mark.write_text(artifact.digest)
    except (OSError, tarfile.TarError, EOFError, _ReachesOut) as error:
        raise _refusal(error, archive, folder) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return tree


def _inside(bundle: tarfile.TarFile, folder: Path) -> Iterator[tarfile.TarInfo]:
    """The members as they are to be written: ours, writable by nobody else, and none of them outside. Each is looked at
    when those before it are written, so that a path through a link is seen for what it is."""
    root = os.path.realpath(folder)
    for info in bundle:
        info.name = info.name.lstrip("/")
        at = os.path.join(root, info.name)
        reached = [at]
        if info.issym():
            reached.append(os.path.join(os.path.dirname(at), info.linkname))
        elif info.islnk():
            reached.append(os.path.join(root, info.linkname))
        elif not (info.isfile() or info.isdir()):
            raise _ReachesOut(f"{info.name!r} is neither a file nor a folder nor a link")
        for path in reached:
            if os.path.commonpath([root, os.path.realpath(path)]) != root:
                raise _ReachesOut(f"{info.name!r} reaches {os.path.realpath(path)}")
        info.uid, info.gid, info.uname, info.gname = os.getuid(), os.getgid(), "", ""
        info.mode = info.mode & 0o755 | (0o700 if info.isdir() else 0o600)
        yield info


def _check_digest(artifact: Artifact, archive: Path) -> None:
    try:
        with open(archive, "rb") as file:
            digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Rejected(
            f"the bundle {archive} cannot be read: {error.strerror}", fix="build it again, e.g. `tes build`"
        ) from error
    if digest != artifact.digest:
        raise Rejected(
            f"the bundle {archive} is not the one that was built: its digest is {digest}, expected {artifact.digest}",
            fix="build it again, e.g. `tes build`",
        )


def _refusal(error: Exception, archive: Path, folder: Path) -> Rejected:
    if isinstance(error, _ReachesOut):
        return Rejected(
            f"the bundle {archive} would write outside of its folder: {error}", fix="remove that link or path from it"
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        free = shutil.disk_usage(folder if folder.exists() else folder.anchor).free
        return Rejected(
            f"no room to unpack {archive} in {folder}: {error.strerror}, {free / 2**20:.0f} MiB free",
            fix=f"free some space on the disk of {folder}; nothing of it was kept",
        )
    return Rejected(f"the bundle {archive} cannot be unpacked: {error}", fix="build it again, e.g. `tes build`")
