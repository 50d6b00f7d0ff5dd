"""What differs between a git revision and the work tree, for `--base`."""

from __future__ import annotations

import subprocess
from pathlib import Path

from domain.blocks import Blocks, blocks
from domain.errors import SpecError


def check(root: Path, base: str) -> None:
    """SpecError when `root` is in no repository or the revision is unknown."""
    if not base.startswith("-") and _git(root, "rev-parse", "--verify", "--quiet", f"{base}^{{commit}}") is not None:
        return
    if _git(root, "rev-parse", "--git-dir") is None:
        raise SpecError(
            f"--base {base}: {root} is in no git repository", fix="leave --base out: --changed needs no git"
        )
    raise SpecError(f"--base {base}: git knows no such revision in {root}", fix="name a branch, a tag or a commit")


def changes(root: Path, base: str) -> dict[str, Blocks | None]:
    """Path from `root` → the blocks it had at `base`; None where there were none: a new file, or not a Python one.
    SpecError as `check`."""
    check(root, base)
    told = _git(root, "diff", "--name-only", "--no-renames", "--relative", "-z", base, "--") or b""
    new = _git(root, "ls-files", "--others", "--exclude-standard", "-z") or b""
    found: dict[str, Blocks | None] = {}
    for name in [part.decode("utf-8", "surrogateescape") for part in (told + new).split(b"\0") if part]:
        source = _git(root, "show", f"{base}:./{name}") if name.endswith(".py") else None
        found[name] = None if source is None else blocks(source)
    return found


def _git(root: Path, *words: str) -> bytes | None:
    """What git prints; None when it fails."""
    try:
        ran = subprocess.run(["git", "-C", str(root), *words], capture_output=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SpecError(f"--base needs git: {error}", fix="install git") from error
    return ran.stdout if ran.returncode == 0 else None
