"""Which lines a change has, from `git diff -U0`: the new numbers of added and altered lines, by file."""

from __future__ import annotations

import re

_HUNK = re.compile(r"^@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_ESCAPE = re.compile(r'\\([0-7]{3}|[abfnrtv"\\])')
_ESCAPED = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, '"': 34, "\\": 92}


def changed_lines(diff: str) -> dict[str, frozenset[int]]:
    """`git diff -U0 --no-color --no-ext-diff` → the lines of each file as it is now. A file of which lines were only
    removed has none; one that was deleted is not there. Lines of the files' own text are never taken for the diff's.
    """
    found: dict[str, set[int]] = {}
    path: str | None = None
    skip = 0
    for line in diff.split("\n"):
        if skip:
            # "\ No newline at end of file" is no line of either side.
            skip -= not line.startswith("\\")
        elif line.startswith("+++ "):
            path = _path(line[4:])
        elif path is not None and (match := _HUNK.match(line)):
            removed, first, added = int(match[1] or 1), int(match[2]), int(match[3] or 1)
            found.setdefault(path, set()).update(range(first, first + added))
            skip = removed + added
    return {name: frozenset(lines) for name, lines in found.items()}


def _path(text: str) -> str | None:
    """The name behind `+++ `: with git's prefix, a tab after a name with spaces, and quoted as C would."""
    text = text.removesuffix("\r").removesuffix("\t")
    if text.startswith('"') and text.endswith('"'):
        raw = _ESCAPE.sub(lambda match: chr(_ESCAPED.get(match[1]) or int(match[1], 8)), text[1:-1])
        text = raw.encode("latin-1", "replace").decode("utf-8", "replace") if raw.isascii() is False else raw
    return None if text == "/dev/null" else text.removeprefix("b/")
