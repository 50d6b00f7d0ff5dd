"""Which files pytest looks at in a project, by its configuration: before any history is known, a plan is made of these.

Only a guess, and harmless where it is wrong: what was not guessed is found by pytest itself, in the first shard.
"""

from __future__ import annotations

import configparser
import fnmatch
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

# pytest's own defaults. Source: https://docs.pytest.org/en/stable/reference/reference.html#configuration-options
_PATTERNS = ("test_*.py", "*_test.py")
_NOT_ENTERED = ("*.egg", ".*", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}")


class Collects(NamedTuple):
    """`paths` are where it starts, empty for everywhere."""

    paths: tuple[str, ...] = ()
    patterns: tuple[str, ...] = _PATTERNS
    not_entered: tuple[str, ...] = _NOT_ENTERED

    def below(self, name: str) -> bool:
        """Whether the file is where it looks; one that is named is looked at."""
        return not self.paths or any(name == path or name.startswith(f"{path}/") for path in self.paths)

    def looks(self, name: str) -> bool:
        """Whether the file looks like one that it collects."""
        path = PurePosixPath(name)
        start = max((len(PurePosixPath(one).parts) for one in self.paths if name.startswith(f"{one}/")), default=0)
        entered = not any(fnmatch.fnmatch(part, bad) for part in path.parts[start:-1] for bad in self.not_entered)
        return name in self.paths or (entered and any(fnmatch.fnmatch(path.name, one) for one in self.patterns))


def collects(root: Path, paths: tuple[str, ...]) -> Collects:
    """What pytest collects below `root` when it is given `paths`, or its configuration's `testpaths`."""
    said = _configuration(root)
    chosen = paths or _words(said.get("testpaths"))
    if any(set(path) & set("*?[") for path in chosen):  # a pattern may mean anything
        chosen = ()
    return Collects(
        tuple(path for one in chosen if (path := str(PurePosixPath(one.partition("::")[0]))) != "."),
        _words(said.get("python_files")) or _PATTERNS,
        _words(said.get("norecursedirs")) or _NOT_ENTERED,
    )


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(map(str, value))
    try:
        return tuple(shlex.split(value)) if isinstance(value, str) else ()
    except ValueError:
        return ()


def _configuration(root: Path) -> Mapping[str, Any]:
    """pytest's own section of the first file that has one, in pytest's own order."""
    for name, section in (
        ("pytest.ini", "pytest"),
        (".pytest.ini", "pytest"),
        ("pyproject.toml", ""),
        ("tox.ini", "pytest"),
        ("setup.cfg", "tool:pytest"),
    ):
        try:
            text = (root / name).read_text("utf-8")
            if not section:
                found = tomllib.loads(text).get("tool", {}).get("pytest", {}).get("ini_options")
                if isinstance(found, dict):
                    return found
                continue
            parser = configparser.ConfigParser(interpolation=None, strict=False)
            parser.read_string(text)
        except (OSError, ValueError, configparser.Error):
            continue
        if parser.has_section(section) or name == "pytest.ini":
            return dict(parser[section]) if parser.has_section(section) else {}
    return {}
