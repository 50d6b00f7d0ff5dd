"""What a Python project wants installed, gathered from requirement files into one list that does not depend on where
the files lie. Pure: reading a file is the caller's.

Understands pip's requirement file format (pip documentation, "Requirements File Format"): comments, continued lines,
nested -r and -c files, options, hashes, and the project itself as `.`, `.[extra]` or `-e .`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence

from packaging.requirements import InvalidRequirement, Requirement

from domain.errors import SpecError
from domain.verdict import Value

_PROJECT = re.compile(r"^(?:(?:-e|--editable)[ =]?\s*)?(?:\.|\./)(?:\[([^\]]*)\])?$")
_INCLUDE = re.compile(r"^(-r|--requirement|-c|--constraint)[ =]?\s*(\S+)$")
_HASH = re.compile(r"\s+--hash[= ]\S+")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']*)["']""")
_DEPTH = 20


class Wanted(Value):
    """`lines` and `constraints` are in pip's format. `project` tells that the project itself is to be installed."""

    lines: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    project: bool = False
    extras: tuple[str, ...] = ()

    @property
    def hashed(self) -> bool:
        """Whether pip will insist on a hash for each package."""
        return any("--hash" in line for line in self.lines)

    @property
    def local(self) -> bool:
        """Whether something is installed from a folder of the source."""
        return any(re.match(r"^(-e\s+|--editable[ =])?\.{0,2}/", line) for line in self.lines)

    def without_hashes(self) -> Wanted:
        """The same, for installing beside packages that have none; the versions are then held by constraints."""
        lines = tuple(_HASH.sub("", line) for line in self.lines if line != "--require-hashes")
        return self.model_copy(update={"lines": lines})

    def and_also(self, other: Wanted) -> Wanted:
        """Both together."""
        return Wanted(
            lines=self.lines + other.lines,
            constraints=self.constraints + other.constraints,
            project=self.project or other.project,
            extras=tuple(sorted({*self.extras, *other.extras})),
        )


def gather(entries: Sequence[str], read: Callable[[str], str], *, key: str = "build.requirements") -> Wanted:
    """All that the entries of a tes.yaml ask for. `read` gives a file's text by its path in the source.

    SpecError for an entry that is neither a requirement, a requirement file nor the project.
    """
    wanted = Wanted()
    for entry in entries:
        text = entry.strip()
        if not text.startswith("-") and re.search(r"\.(txt|in)$", text) and "@" not in text:
            text = f"-r {text}"
        wanted = wanted.and_also(_line(text, "", read, f"{key}: {entry!r}", 0))
    return wanted


def _line(text: str, folder: str, read: Callable[[str], str], where: str, depth: int) -> Wanted:
    if match := _PROJECT.match(text):
        extras = sorted(part.strip() for part in (match[1] or "").split(",") if part.strip())
        return Wanted(project=True, extras=tuple(extras))
    if match := _INCLUDE.match(text):
        path = posixpath.normpath(posixpath.join(folder, match[2]))
        if path.startswith(("../", "/")) or path == ".." or depth > _DEPTH:
            raise SpecError(f"{where}: {match[2]} is outside of the project or includes itself", fix="correct the path")
        inner = _file(path, read, where, depth + 1)
        return Wanted(constraints=inner.lines + inner.constraints) if match[1] in ("-c", "--constraint") else inner
    if text.startswith("-") or re.match(r"^\.{0,2}/", text):
        return Wanted(lines=(text,))
    if not re.match(r"^(git|hg|svn|bzr)\+|^https?://|^file:", text):
        try:
            Requirement(_HASH.sub("", text))
        except InvalidRequirement as error:
            raise SpecError(
                f"{where}: {text!r} is no requirement: {str(error).splitlines()[0]}",
                fix="write it like flask>=3, requirements.txt or '.'",
            ) from error
    return Wanted(lines=(text,))


def _file(path: str, read: Callable[[str], str], where: str, depth: int) -> Wanted:
    try:
        text = read(path)
    except FileNotFoundError as error:
        raise SpecError(
            f"{where}: there is no file {path} in the source", fix="create it or correct the path"
        ) from error
    except UnicodeDecodeError as error:
        raise SpecError(f"{where}: {path} is not UTF-8 text", fix="save it as UTF-8") from error
    wanted = Wanted()
    for line in re.sub(r"\\\r?\n", " ", text.removeprefix("\ufeff")).splitlines():
        stripped = re.sub(r"(^|\s)#.*$", "", line).strip()
        if stripped:
            wanted = wanted.and_also(_line(stripped, posixpath.dirname(path), read, f"{path}", depth))
    return wanted


def of_metadata(requires: Sequence[str], extras: Sequence[str], name: str) -> tuple[str, ...]:
    """A distribution's Requires-Dist as requirement lines, with the extras that are wanted switched on.

    Other markers stay, for pip to judge them in the environment it installs into. An extra that is made of other
    extras of the same distribution (`shop[a,b]; extra == "all"`) is taken apart: no index may have the project.
    """
    chosen = {_normal(extra) for extra in extras}
    own = [line for line in requires if _normal(Requirement(line).name) == _normal(name)]
    while True:
        here = [Requirement(_switched(line, chosen)) for line in own]
        more = {_normal(e) for r in here if r.marker is None or r.marker.evaluate() for e in r.extras}
        if more <= chosen:
            return tuple(_switched(line, chosen) for line in requires if line not in own)
        chosen |= more


def _switched(requirement: str, chosen: set[str]) -> str:
    def switch(match: re.Match[str]) -> str:
        return f'python_version {">=" if _normal(match[1]) in chosen else "<"} "0"'

    return _EXTRA.sub(switch, requirement)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def detect(files: Callable[[str], bool], pyproject: dict[str, object]) -> tuple[str, ...]:
    """What to install when tes.yaml does not say. `files` tells whether the source has a file at its root.

    requirements.txt says what the service runs with. The project itself is installed when it can be built: it has a
    setup.py, or a pyproject.toml with a [build-system]. A [project] without one only lists dependencies, and its code
    runs from the source. With both, both: the file pins, the project gets its commands and metadata.
    """
    found: tuple[str, ...] = ("requirements.txt",) if files("requirements.txt") else ()
    if files("setup.py") or "build-system" in pyproject and ("project" in pyproject or files("setup.cfg")):
        return (*found, ".")
    tool = pyproject.get("tool")
    if "build-system" in pyproject and isinstance(tool, dict) and {"poetry", "flit"} & tool.keys():
        return (*found, ".")
    project = pyproject.get("project")
    if not found and isinstance(project, dict):
        dependencies = project.get("dependencies", [])
        return tuple(str(line) for line in dependencies) if isinstance(dependencies, list) else ()
    return found
