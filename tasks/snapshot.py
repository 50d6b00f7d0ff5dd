"""A clean copy of a project's files at one moment, under `store/sources/<digest>/tree`; the same files are kept once.

A tree appears under its digest in one step, so that a crash leaves nothing half. Nobody should write into it: who
needs a place to make a mess (a test run) takes `work_copy`. One that was changed all the same is noticed and renewed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from domain.errors import SpecError, TesError
from domain.supply import Source
from tasks import archive, manifest, revision
from tasks.walk import chosen, walk

log = logging.getLogger(__name__)
_TRIES = 3


async def take(project: Path, store: Path, *, name: str, ref: str | None = None, exclude: Sequence[str] = ()) -> Source:
    """The snapshot of a folder, of a git revision of it, or of a source distribution (.tar.gz, .zip).

    SpecError when the project or the ref cannot be used, TesError when the store cannot be written (a full disk).
    """
    return await asyncio.to_thread(_take, project.expanduser(), store.expanduser().absolute(), name, ref, exclude)


async def work_copy(source: Source, into: Path) -> Path:
    """A copy of the snapshot in a new folder, to be written into at will. Returns the folder."""
    return await asyncio.to_thread(_work_copy, source, into)


def entries(source: Source) -> list[manifest.Entry]:
    """What the snapshot holds. SpecError when its copy is gone or was changed since."""
    tree = Path(source.root)
    kept = manifest.load(tree.parent / "manifest.json", tree)
    if kept is None:
        raise SpecError(f"the snapshot {tree} was changed or removed", fix="run the flow again: it is taken anew")
    return kept


def _work_copy(source: Source, into: Path) -> Path:
    with room(into):
        manifest.copy(Path(source.root), entries(source), into)
    return into


def _take(project: Path, store: Path, name: str, ref: str | None, exclude: Sequence[str]) -> Source:
    if not project.exists():
        raise SpecError(f"the project {project} is not there", fix="name a folder, or a .tar.gz or .zip of one")
    if not os.access(project, os.R_OK):
        raise SpecError(f"the project {project} cannot be read", fix="give this user the right to read it")
    project = project.resolve()
    with room(store):
        (store / "sources").mkdir(parents=True, exist_ok=True)
        _sweep(store / "sources")
    for attempt in range(1, _TRIES + 1):
        try:
            if project.is_file():
                return _of_archive(project, store, name, ref, exclude)
            if not project.is_dir():
                raise SpecError(f"the project {project} is not a folder", fix="name a folder, or a .tar.gz or .zip")
            if ref is not None:
                return _of_revision(project, store, name, ref, exclude)
            return _of_work_tree(project, store, name, exclude)
        except manifest.Changed as changed:
            if attempt == _TRIES:
                raise SpecError(
                    f"{changed} in {project} keeps changing while it is copied",
                    fix="stop what writes it, or leave it out with build.exclude",
                ) from changed
    raise AssertionError("unreachable")


def _of_archive(file: Path, store: Path, name: str, ref: str | None, exclude: Sequence[str]) -> Source:
    if ref is not None:
        raise SpecError(f"{file} is an archive and has no ref {ref!r}", fix="leave the ref out")
    with _scratch(store) as scratch, room(store):
        root = archive.unpack(file, scratch / "unpacked")
        return _keep(root, chosen(walk(root, ignored=False), exclude), store, name)


def _of_revision(project: Path, store: Path, name: str, ref: str, exclude: Sequence[str]) -> Source:
    if not revision.inside(project):
        raise SpecError(f"ref {ref!r} was asked for, but {project} is not in a git repository", fix="leave it out")
    commit, tree = revision.resolve(project, ref)
    said = {"revision": commit, "ref": ref}
    pointer = store / "sources" / "revisions" / f"{tree}-{_key(exclude)}"
    with contextlib.suppress(OSError):
        held = _held(store, pointer.read_text())
        if held is not None:
            return _source(store, name, held).model_copy(update=said)
    with _scratch(store) as scratch, room(store):
        (scratch / "tree").mkdir()
        revision.check_out(project, tree, scratch / "tree", scratch / "index")
        names = chosen(walk(scratch / "tree", ignored=False), exclude)
        source = _keep(scratch / "tree", names, store, name).model_copy(update=said)
        manifest.write(pointer, source.digest)
    return source


def _of_work_tree(project: Path, store: Path, name: str, exclude: Sequence[str]) -> Source:
    in_git = revision.inside(project) and revision.tracks(project)
    # The store may lie inside the project, under any name.
    own = [store.relative_to(project).as_posix() + "/"] if store.is_relative_to(project) else []
    try:
        names = revision.files(project) if in_git else list(walk(project, ignored=True))
        state = revision.state(project) if in_git else revision.State(None, False)
    except PermissionError as error:
        raise SpecError(f"{error.filename} cannot be read", fix="make it readable, or leave it out") from error
    memory = store / "sources" / "memory" / f"{_key([str(project), *exclude])}.json"
    source = _keep(project, chosen(names, [*exclude, *own]), store, name, memory)
    return source.model_copy(update={"revision": state.revision, "dirty": state.dirty})


def _key(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _keep(root: Path, names: Sequence[str], store: Path, name: str, memory: Path | None = None) -> Source:
    if not names:
        raise SpecError(f"there is no file to take in {root}", fix="look at .gitignore and build.exclude")
    with room(store):
        found = manifest.read(root, names, memory)
        digest = manifest.digest(found)
        held = _held(store, digest)
        if held is None:
            _store(root, found, digest, store)
    return _source(store, name, (digest, found))


def _held(store: Path, digest: str) -> tuple[str, list[manifest.Entry]] | None:
    home = store / "sources" / digest.removeprefix("sha256:")
    kept = manifest.load(home / "manifest.json", home / "tree")
    return None if kept is None else (digest, kept)


def _store(root: Path, found: Sequence[manifest.Entry], digest: str, store: Path) -> None:
    home = store / "sources" / digest.removeprefix("sha256:")
    with _scratch(store) as scratch:
        manifest.copy(root, found, scratch / "new" / "tree")
        manifest.save(scratch / "new" / "manifest.json", scratch / "new" / "tree", found)
        if home.exists() and _held(store, digest) is None:
            log.warning("the snapshot %s was changed since it was taken; it is taken anew", home)
            with contextlib.suppress(FileNotFoundError):
                os.rename(home, scratch / "damaged")
        try:
            os.rename(scratch / "new", home)
        except OSError as error:
            # Another process was quicker: the same digest is the same content.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or _held(store, digest) is None:
                raise


def _source(store: Path, name: str, held: tuple[str, Sequence[manifest.Entry]]) -> Source:
    digest, found = held
    root = store / "sources" / digest.removeprefix("sha256:") / "tree"
    return Source(project=name, root=str(root), digest=digest, **manifest.sizes(found))


def _sweep(sources: Path) -> None:
    """Remove what a killed process left behind: scratch folders that are a day old."""
    for left in sources.glob(".taking-*"):
        with contextlib.suppress(FileNotFoundError):
            if left.stat().st_mtime < time.time() - 86400:
                shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def _scratch(store: Path) -> Iterator[Path]:
    """A folder on the store's own file system, gone afterwards whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix=".taking-", dir=store / "sources"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def room(store: Path) -> Iterator[None]:
    """Tell a full or read-only disk in one sentence instead of a traceback."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise TesError(
                f"no space left on the disk of {store}", fix="free some, or set TES_HOME elsewhere"
            ) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise TesError(
                f"{store} cannot be written: {error.strerror} ({error.filename})", fix="set TES_HOME elsewhere"
            ) from error
        raise
