"""What a shard left, as one archive, and back: the files of its folder as they are, and no way out of the folder."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
from collections.abc import Collection
from pathlib import Path

from domain.errors import ReportError, SpecError
from tasks.archive import unpack
from toolchain.command import Ran

RAN = "ran.json"
# What the next run of a shard would want, and its judge would not.
NOT_SENT = ("cache", "workers")
MAX_BYTES = 2 << 30
MAX_FILES = 200_000


def packed(folder: Path, top: str, *, leave: Collection[str] = ()) -> bytes:
    """A folder's files and links as a compressed archive, under the one folder `top`; without the names in `leave`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=3) as archive:
        archive.addfile(_folder(top))
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder)
            if (path.is_file() or path.is_symlink()) and relative.parts[0] not in leave:
                archive.add(path, f"{top}/{relative.as_posix()}", recursive=False)
    return buffer.getvalue()


def _folder(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, 0o755
    return info


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def opened(content: bytes, into: Path) -> Path:
    """Unpacks an archive into a folder that is made anew. ReportError for one that is damaged, too big, or leaves its
    folder."""
    shutil.rmtree(into, ignore_errors=True)
    file = into.with_name(f"{into.name}.tar.gz")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    try:
        return unpack(file, into, max_files=MAX_FILES, max_bytes=MAX_BYTES)
    except SpecError as error:
        raise ReportError(f"its archive cannot be used: {error.message}") from error
    finally:
        file.unlink()


def remember(ran: Ran, out: Path) -> None:
    """How the runner ended, beside what it wrote; with names instead of this machine's paths."""
    here = {name: path.name for name in ("stdout", "stderr", "report") if (path := getattr(ran, name)) is not None}
    (out / RAN).write_text(ran.model_copy(update={k: Path(v) for k, v in here.items()}).model_dump_json())


def recalled(out: Path) -> Ran:
    """How it ended, with paths of this machine. ReportError when that is not said."""
    try:
        ran = Ran.model_validate_json((out / RAN).read_bytes())
    except (OSError, ValueError) as error:
        raise ReportError(f"its archive does not say how its runner ended: {error}") from error
    paths = {name: out / path.name for name in ("stdout", "stderr", "report") if (path := getattr(ran, name))}
    return ran.model_copy(update=paths)
