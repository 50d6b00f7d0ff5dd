"""Unpacks a source distribution or a bundle that nobody here has seen before: no way out of the folder, no bomb.

Links are made last, when nothing is written any more, so that no file can be written through one; whether they stay
inside is for the snapshot to judge.
"""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from domain.errors import SpecError

MAX_FILES = 200_000
MAX_BYTES = 4 << 30
_CHUNK = 1 << 20


class _Member(NamedTuple):
    name: str
    kind: str  # f, x, l, d
    content: IO[bytes] | None
    target: str = ""


def _tar(archive: tarfile.TarFile) -> Iterator[_Member]:
    for member in archive:
        if member.isdir():
            yield _Member(member.name, "d", None)
        elif member.issym():
            yield _Member(member.name, "l", None, member.linkname)
        elif member.isreg() or member.islnk():
            yield _Member(member.name, "x" if member.mode & stat.S_IXUSR else "f", archive.extractfile(member))
        else:
            raise SpecError(f"{member.name} is a device or a pipe", fix="pack files, folders and links only")


def _zip(archive: zipfile.ZipFile) -> Iterator[_Member]:
    for member in archive.infolist():
        mode = member.external_attr >> 16
        if member.is_dir():
            yield _Member(member.filename, "d", None)
        elif stat.S_ISLNK(mode):
            if member.file_size > 4096:
                raise SpecError(f"the link {member.filename} is too long", fix="pack it anew")
            yield _Member(member.filename, "l", None, os.fsdecode(archive.read(member)))
        else:
            yield _Member(member.filename, "x" if mode & stat.S_IXUSR else "f", archive.open(member))


def _inside(name: str, file: Path) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise SpecError(f"{file} holds a path that leaves its folder: {name!r}", fix="do not use this archive")
    return path


def unpack(file: Path, into: Path, *, max_files: int = MAX_FILES, max_bytes: int = MAX_BYTES) -> Path:
    """Unpack a .tar, .tar.gz, .tar.xz, .tar.bz2 or .zip into a new folder.

    Returns the folder of its files: the only top folder, if there is only one (as in every source distribution), else
    `into`. SpecError for what is no archive, is damaged, too big, or has paths that leave the folder.
    """
    into.mkdir(parents=True)
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                _write(_zip(archive), file, into, max_files, max_bytes)
        elif tarfile.is_tarfile(file):
            with tarfile.open(file) as archive_:
                _write(_tar(archive_), file, into, max_files, max_bytes)
        else:
            raise SpecError(f"{file} is neither a folder nor a .tar.gz or .zip archive", fix="name a project's folder")
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError, ValueError) as error:
        # zipfile says RuntimeError for an encrypted member, tarfile KeyError for a link to a member that is not there.
        raise SpecError(f"{file} is damaged or encrypted: {error}", fix="fetch or pack it again") from error
    inside = list(into.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() and not inside[0].is_symlink() else into


def _write(members: Iterator[_Member], file: Path, into: Path, max_files: int, max_bytes: int) -> None:
    links: list[tuple[Path, str]] = []
    written = 0
    for count, member in enumerate(members, 1):
        if count > max_files:
            raise SpecError(f"{file} holds more than {max_files} files", fix="pack only the project")
        target = into / _inside(member.name, file)
        try:
            if member.kind == "d":
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            if member.kind == "l":
                links.append((target, member.target))
                continue
            if member.content is None:
                raise SpecError(f"{file}: {member.name} has no content", fix="fetch or pack it again")
            with member.content as content, target.open("xb") as output:
                while block := content.read(_CHUNK):
                    written += len(block)
                    if written > max_bytes:
                        raise SpecError(f"{file} unpacks to more than {max_bytes} bytes", fix="pack only the project")
                    output.write(block)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise SpecError(f"{file} holds {member.name!r} twice", fix="pack it again") from error
        os.chmod(target, 0o755 if member.kind == "x" else 0o644)
    for target, goal in links:
        try:
            os.symlink(goal, target)
        except FileExistsError as error:
            raise SpecError(f"{file} holds {target.name!r} twice", fix="pack it again") from error
