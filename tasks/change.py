"""Which lines of a project were changed, as git knows it. The work tree is never written."""

from __future__ import annotations

import subprocess
from pathlib import Path

from domain.coverage import Change
from domain.diff import changed_lines
from domain.errors import SpecError
from tasks import revision
from tasks.revision import git

_DEFAULTS = ("origin/HEAD", "origin/main", "origin/master", "main", "master")
# A new file of more lines than this is data.
_LONGEST = 1_000_000


def change(project: Path, ref: str | None, base: str | None) -> Change:
    """The changed lines of `ref`, or of the work tree with its new files, since it left `base` or the default branch;
    on the default branch itself, of its last commit. A change that cannot be known says why, and raises nothing."""
    try:
        if not revision.inside(project):
            return Change(problem="the project is not in a git repository")
        tip = _commit(project, ref or "HEAD")
        if tip is None:
            return Change(problem=f"there is no revision {ref or 'HEAD'}")
        start = _start(project, tip, base, clean=ref is not None or not revision.state(project).dirty)
        if isinstance(start, Change):
            return start
        fixed = (
            "-U0",
            "--no-color",
            "--no-ext-diff",
            "--no-renames",
            "--relative",
            "--src-prefix=a/",
            "--dst-prefix=b/",
        )
        ends = (start, tip) if ref is not None else (start,)
        diff = git(project, "-c", "core.quotePath=false", "diff", *fixed, *ends, "--", ".").decode("utf-8", "replace")
        lines = changed_lines(diff)
        return Change(base=base or start[:12], lines=lines | ({} if ref is not None else _new(project)))
    except (SpecError, subprocess.CalledProcessError, OSError) as error:
        told = getattr(error, "stderr", None) or str(error)
        text = told.decode("utf-8", "replace") if isinstance(told, bytes) else told
        return Change(problem=f"git cannot tell what was changed: {text.strip()[-200:]}")


def _start(project: Path, tip: str, base: str | None, *, clean: bool) -> str | Change:
    """The commit that the change begins at."""
    named = (base,) if base else _DEFAULTS
    other = next((found for name in named if (found := _commit(project, name))), None)
    if other is None:
        return Change(problem=f"there is no revision {base}" if base else "there is no default branch to compare with")
    try:
        start = git(project, "merge-base", other, tip).decode().strip()
    except subprocess.CalledProcessError:
        return Change(
            problem=f"{base or other[:12]} and {tip[:12]} have no common commit here; fetch the whole history"
        )
    if start != tip or not clean or base:
        return start
    return _commit(project, f"{tip}^") or Change(problem="there is no commit before this one")


def _commit(project: Path, name: str) -> str | None:
    if name.startswith("-"):
        return None
    try:
        return git(project, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").decode().strip()
    except subprocess.CalledProcessError:
        return None


def _new(project: Path) -> dict[str, frozenset[int]]:
    """Files that git does not track yet: all of their lines."""
    names = git(project, "ls-files", "--others", "--exclude-standard", "-z").decode("utf-8", "surrogateescape")
    found = {}
    for name in filter(None, names.split("\0")):
        if name.endswith(".py") and (project / name).is_file():
            count = (project / name).read_bytes().count(b"\n") + 1
            found[name] = frozenset(range(1, min(count, _LONGEST) + 1))
    return found
