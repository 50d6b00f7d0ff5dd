"""What git knows of a project: its files, its revision, the files of another revision. The work tree is never written.

A project may be a folder inside a repository: everything here is about that folder alone.
"""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from domain.errors import SpecError, ToolError

# What nobody ships, even where no .gitignore says so. Files that git tracks are kept whatever their name.
NEVER = (".git", "__pycache__", ".venv", "node_modules", ".tes", "*.pyc")


class State(NamedTuple):
    """A work tree's commit (None before the first) and whether it differs from it."""

    revision: str | None
    dirty: bool


def git(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> bytes:
    """Standard output of a git command. CalledProcessError when it fails."""
    # A caller inside a git hook has GIT_DIR and GIT_INDEX_FILE set, for another repository.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    fixed = {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    return subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env=inherited | fixed | (environment or {}),
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    ).stdout


def _told(error: subprocess.CalledProcessError) -> str:
    return bytes(error.stderr or b"").decode("utf-8", "replace").strip()[-600:]


def inside(folder: Path) -> bool:
    """Whether git, being there, takes the folder for a part of a repository (bare ones too).

    SpecError where there is a repository that git will not read, such as one of another owner.
    """
    if shutil.which("git") is None:
        return False
    try:
        git(folder, "rev-parse", "--git-dir")
    except subprocess.CalledProcessError as error:
        told = _told(error)
        if "not a git repository" in told:
            return False
        raise SpecError(
            f"git cannot read the repository of {folder}: {told.splitlines()[0] if told else error.returncode}",
            fix=f"make `git -C {folder} status` work, then try again",
        ) from error
    return True


def tracks(folder: Path) -> bool:
    """Whether the folder is in a work tree that does not ignore it: a build folder inside a repository is ignored."""
    try:
        if git(folder, "rev-parse", "--is-inside-work-tree").strip() != b"true":
            return False
    except subprocess.CalledProcessError:
        return False
    try:
        git(folder, "check-ignore", "--quiet", ".")
    except subprocess.CalledProcessError:
        return True
    return False


def state(folder: Path) -> State:
    """The commit of the work tree, and whether anything below the folder differs from it."""
    lines = git(folder, "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--", ".")
    revision: str | None = None
    dirty = False
    for line in lines.split(b"\0"):
        if line.startswith(b"# branch.oid "):
            oid = line.removeprefix(b"# branch.oid ").decode()
            revision = None if oid == "(initial)" else oid
        elif line and not line.startswith(b"# "):
            dirty = True
    return State(revision, dirty)


def files(folder: Path) -> list[str]:
    """Tracked files, and untracked ones that are not ignored, relative to the folder. Submodules' files are theirs."""
    never = [f"--exclude={pattern}" for pattern in NEVER]
    listed = git(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard", *never)
    found: list[str] = []
    for name in sorted({os.fsdecode(raw).rstrip("/") for raw in listed.split(b"\0") if raw}):
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            # A submodule, or another repository lying inside this one.
            found += [f"{name}/{inner}" for inner in files(path)] if (path / ".git").exists() else []
        elif os.path.lexists(path):
            found.append(name)
    return found


def resolve(folder: Path, ref: str) -> tuple[str, str]:
    """The commit that a ref names and the id of the folder's tree in it. SpecError names the nearest refs."""
    try:
        commit = git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    except subprocess.CalledProcessError as error:
        names = git(folder, "for-each-ref", "--format=%(refname:short)").decode("utf-8", "replace").split()
        near = difflib.get_close_matches(ref, names, 3, 0.5) or names[-3:]
        raise SpecError(
            f"ref {ref!r} is not in the repository of {folder}",
            fix=(f"did you mean {' or '.join(near)}? " if near else "") + "Or fetch it: git fetch --tags",
        ) from error
    revision = commit.decode().strip()
    prefix = git(folder, "rev-parse", "--show-prefix").decode().strip().rstrip("/")
    try:
        tree = git(folder, "rev-parse", "--verify", "--end-of-options", f"{revision}:{prefix}")
    except subprocess.CalledProcessError as error:
        raise SpecError(
            f"the folder {prefix!r} is not in revision {ref!r}", fix="name a revision that has it"
        ) from error
    return revision, tree.decode().strip()


def check_out(folder: Path, tree: str, into: Path, index: Path) -> None:
    """The files of a tree, as a checkout would write them, in an empty folder. ToolError when objects are missing."""
    alone = {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(into)}
    try:
        alone["GIT_DIR"] = os.fsdecode(git(folder, "rev-parse", "--absolute-git-dir")).strip()
        git(into, "read-tree", tree, environment=alone)
        git(into, "checkout-index", "--all", "--quiet", environment=alone)
    except subprocess.CalledProcessError as error:
        raise ToolError(
            f"git could not write the files of tree {tree[:12]}: {_told(error)}",
            fix="a shallow or damaged clone lacks objects: run git fetch --unshallow, or free disk space if it is full",
        ) from error
