"""Which paths a scan covers: gitignore-style exclusions, the same for every scanner.

Each scanner has its own dialect of patterns. A pattern is handed to the tool only where it cannot exclude more than
gitignore would (it saves the tool's time); `Scope.covers` then decides about every path that comes back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from pathspec import GitIgnoreSpec

from domain.errors import SpecError
from toolchain.scanners import ScanRequest

ALWAYS = (".git/",)
_MAGIC = frozenset("*?[]!\\,{}")


class Scope:
    """The part of a tree that is scanned. SpecError at a pattern that gitignore does not know."""

    def __init__(self, root: Path, exclude: Sequence[str]) -> None:
        self.root = root
        self.patterns = (*ALWAYS, *(line for line in exclude if line.strip() and not line.startswith("#")))
        self.negated = any(pattern.startswith("!") for pattern in self.patterns)
        try:
            self._spec = GitIgnoreSpec.from_lines(self.patterns)
        except ValueError as error:
            raise SpecError(f"scan.exclude: {error}", fix="use gitignore's patterns, e.g. tests/**") from None

    def relative(self, path: str) -> str:
        """A path as a tool names it → relative to the root, with forward slashes."""
        plain = os.path.normpath(path)
        if os.path.isabs(plain):
            for root in (self.root, self.root.resolve()):
                if Path(plain).is_relative_to(root):
                    return Path(plain).relative_to(root).as_posix()
        return Path(plain).as_posix()

    def covers(self, path: str) -> bool:
        """Whether a path, relative to the root, is scanned."""
        return not self._spec.match_file(path)

    def files(self) -> Iterator[Path]:
        """The regular files that are scanned, sorted; a link is not followed."""
        for folder, folders, names in os.walk(self.root):
            here = Path(folder)
            kept = (
                n for n in folders if self.negated or self.covers((here / n).relative_to(self.root).as_posix() + "/")
            )
            folders[:] = sorted(kept)
            for name in sorted(names):
                path = here / name
                if path.is_file() and not path.is_symlink() and self.covers(path.relative_to(self.root).as_posix()):
                    yield path

    @cached_property
    def regexes(self) -> tuple[str, ...]:
        """The exclusions as Python regular expressions for `search` on a relative path; none if one is negated."""
        if self.negated:
            return ()
        return tuple(p.regex.pattern for p in self._spec.patterns if p.include and p.regex is not None)

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """The exclusions that are a folder and all below it, without wildcards: `/docs` anchored, `docs` anywhere."""
        if self.negated:
            return ()
        plain = []
        for pattern in (line.strip() for line in self.patterns):
            if pattern.endswith(("/", "/**")):
                anchored = "/" in pattern.removeprefix("**/").rstrip("/")
                stem = pattern.removeprefix("**/").removesuffix("/**").strip("/")
                if stem and not _MAGIC & set(stem) and not (anchored and pattern.startswith("**/")):
                    plain.append(f"/{stem}" if anchored else stem)
        return tuple(dict.fromkeys(plain))


def scope(request: ScanRequest) -> Scope:
    """The part of the request's tree that is scanned."""
    return Scope(request.root, request.exclude)
