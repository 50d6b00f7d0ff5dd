"""Finds and reads a project's tes.yaml; without one, or where it is silent, looks at the project itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

from blocks import platforms
from domain.detection import MAX_READ, MAX_SAMPLED, complete, detect, is_read, is_sample, is_skipped
from domain.errors import SpecError
from domain.spec import Spec, Suite
from domain.spec_checks import missing, named_files
from domain.spec_problem import Problem, Severity
from domain.spec_text import decode, parse, problems, refused
from domain.verdict import Value
from domain.yaml_tree import MAX_BYTES, Unreadable, tree
from toolchain.registry import known

NAMES = ("tes.yaml", "tes.yml")
_MAX_LISTED = 20_000


class LoadedSpec(Value):
    """What is wanted of a project. `path` is the file, None when there is none; `detected` are sentences that say what
    was found out by looking, and from what; `warnings` are the file's; `by_pytest` as in `Detected`, where suites were
    detected."""

    spec: Spec
    path: Path | None = None
    detected: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    by_pytest: tuple[Suite, str] | None = None


def load_spec(project: Path, *, file: Path | None = None, files: bool = True) -> LoadedSpec:
    """The spec of a project's folder, complete with what could be detected. `file` is read in place of its tes.yaml;
    without `files` it may name files that are not there: a rollback needs none of them.

    SpecError when the folder or the file cannot be used; it names every error of the file at once.
    """
    if not project.is_dir():
        kind = "is not a folder" if project.exists() else "is not there"
        raise SpecError(f"project {project} {kind}", fix="name the folder that holds the service's source")
    path = file or find(project)
    text = read(path) if path is not None else ""
    where = str(path or "")
    found = problems(text, where, known=known_names(), today=date.today())
    found += _not_there(text, where, project) if files else []
    errors = [problem for problem in found if problem.severity is Severity.ERROR]
    if errors:
        raise refused(errors, where)
    said = parse(text, where)
    detected = detect(*look(project)).runnable(known_names()["runners"])
    sentences = detected.sentences(said)
    if path is None:
        sentences = ("there is no tes.yaml: everything is detected or a default", *sentences)
    elif said == Spec():
        sentences = (f"{path.name} says nothing: everything is detected or a default", *sentences)
    warnings = tuple(str(problem) for problem in found if problem.severity is Severity.WARNING)
    return LoadedSpec(
        spec=complete(said, detected),
        path=path,
        detected=sentences,
        warnings=warnings,
        by_pytest=detected.by_pytest if said.tests.suites is None else None,
    )


def find(project: Path) -> Path | None:
    """The project's tes.yaml or tes.yml, None without one. SpecError when there are both."""
    found = [project / name for name in NAMES if os.path.lexists(project / name)]
    if len(found) > 1:
        raise SpecError(f"{project} has both {NAMES[0]} and {NAMES[1]}", fix=f"keep {NAMES[0]}, remove {NAMES[1]}")
    return found[0] if found else None


def read(path: Path) -> str:
    """The text of a file that may be anything. SpecError when it is not a small readable text file."""
    try:
        # Not to block on a pipe that somebody left there.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise SpecError(f"{path} is not a file", fix="remove it, or name a file")
            data = opened.read(MAX_BYTES + 1)
    except IsADirectoryError:
        raise SpecError(f"{path} is a folder", fix="remove it, or name a file") from None
    except FileNotFoundError:
        target = f" (a link to {os.readlink(path)})" if path.is_symlink() else ""
        raise SpecError(f"{path} is not there{target}", fix="name a file that exists, or run `tes init`") from None
    except PermissionError:
        raise SpecError(f"{path} cannot be read: permission denied", fix=f"chmod u+r {path}") from None
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}", fix="make it a readable file") from None
    if len(data) > MAX_BYTES:
        size = f"{status.st_size:,} bytes, and at most {MAX_BYTES:,} are read"
        raise SpecError(f"{path} has {size}", fix="a tes.yaml has some hundred lines; is it the right file?")
    return decode(data, str(path))


def known_names() -> Mapping[str, Sequence[str]]:
    """The names that a tes.yaml may use here, by kind."""
    packages = {"scanners": "toolchain.scanners", "runners": "toolchain.runners"}
    names = {kind: known(package) for kind, package in packages.items()}
    return {**names, "platforms": platforms.known()}


def look(project: Path) -> tuple[str, list[str], dict[str, str]]:
    """What detection needs of a project: its folder's name, its files (posix, relative), the small ones' texts.

    At most 20,000 files are listed.
    """
    listing: list[str] = []
    for folder, files in listed(project):
        inside = folder.relative_to(project)
        listing += [(inside / name).as_posix() for name in files]
    texts = {}
    sampled = 0
    for name in listing:
        sampled += is_sample(name)
        if is_read(name) and (sampled <= MAX_SAMPLED or not is_sample(name)):
            try:
                with (project / name).open("rb") as opened:
                    texts[name] = opened.read(MAX_READ).decode("utf-8", "replace")
            except OSError:
                continue  # What cannot be read tells nothing; the build will say so if it matters.
    return project.resolve().name, listing[:_MAX_LISTED], texts


def listed(project: Path) -> Iterator[tuple[Path, list[str]]]:
    """The folders of a project that detection looks into, each with the names of its files, sorted.

    Vendored and generated ones are not entered; three deep, and no more when 20,000 files were seen.
    """
    seen = 0
    for folder, folders, files in os.walk(project):
        inside = Path(folder).relative_to(project)
        folders[:] = sorted(name for name in folders if not is_skipped(name)) if len(inside.parts) < 3 else []
        yield Path(folder), sorted(files)
        seen += len(files)
        if seen > _MAX_LISTED:
            break


def check(path: Path) -> list[Problem]:
    """Every problem of a file, errors and warnings; files that it names are looked for beside it. SpecError when it
    cannot be read at all."""
    text = read(path)
    found = problems(text, str(path), known=known_names(), today=date.today())
    found += _not_there(text, str(path), path.parent)
    return sorted(found, key=lambda problem: (problem.line, problem.column, problem.key))


def _not_there(text: str, where: str, project: Path) -> list[Problem]:
    """The files that a tes.yaml names and that are not in the project."""
    try:
        root = tree(text)
    except Unreadable:
        return []  # told already
    found = []
    for keys, node, name in named_files(root) if root is not None and isinstance(root.value, dict) else ():
        if Path(name).is_absolute() or ".." in Path(name).parts:
            found.append(missing(keys, node, where, "a file outside of the project is no part of the release"))
        elif "\0" in name or not (project / name).exists():
            found.append(missing(keys, node, where, "there is no such file"))
    return found
