"""coverage.py: what it is told in the tested project's interpreter, and the commands that merge and report its data.

Workers and shards leave one data file each, with paths relative to the project's root, so that those of different
folders and machines are of the same files.
"""

from __future__ import annotations

import configparser
import re
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from domain.spec import Coverage
from toolchain.command import Command

# In the tested project's environment.
REQUIREMENTS = ("coverage>=7.9",)
# The files of a project that measure nothing of it.
OMITTED = ("tests/*", "test/*", "*/tests/*", "*/test_*.py", "test_*.py", "*/conftest.py", "conftest.py", "setup.py")


def rcfile(wanted: Coverage, root: Path) -> str:
    """The configuration for the project at `root`, for measuring and for reporting. What the project's own leaves out
    is left out (`own`). Where its package was installed, that is measured, and told as the files it was made of.

    No contexts: they cost a third of the time, and which case executes what is the impact store's to know. `sysmon` is
    taken where it can measure what is asked for (branches from Python 3.14 on); elsewhere coverage.py goes back to its
    C tracer by itself.
    """
    theirs = own(root)
    installed = sorted(path.parent.name for path in root.glob("src/*/__init__.py"))
    omit = (*wanted.omit, *theirs.get("omit", ()), *(() if wanted.source else OMITTED))
    lines = ["[run]", f"branch = {wanted.branch}", "parallel = True", "relative_files = True", "core = sysmon"]
    source = wanted.source or theirs.get("source", ())
    lines += _several("source", source or (".",)) + _several("source_pkgs", () if source else installed)
    lines += _several("omit", omit)
    # That there is no data is said when it is merged; each worker's warning would only be noise.
    lines += _several(
        "disable_warnings", ("no-data-collected", "module-not-measured", "module-not-imported", "no-sysmon")
    )
    lines += ["[paths]", *_several("installed", ("src/", "*/site-packages/"))]
    lines += [*_several("beside", ("./", "*/site-packages/"))]
    lines += ["[report]", "ignore_errors = False", *_several("omit", omit)]
    lines += _several("exclude_lines", theirs.get("exclude_lines", ()))
    lines += _several("exclude_also", theirs.get("exclude_also", ()))
    return "\n".join(lines) + "\n"


def own(root: Path) -> dict[str, tuple[str, ...]]:
    """What the project's own configuration says is not to be measured: `source`, `omit`, `exclude_lines`,
    `exclude_also`; of the first file that says anything, in coverage.py's own order."""
    for name, prefix in (
        (".coveragerc", ""),
        ("setup.cfg", "coverage:"),
        ("tox.ini", "coverage:"),
        ("pyproject.toml", ""),
    ):
        try:
            text = (root / name).read_text("utf-8")
            if name == "pyproject.toml":
                tables: dict[str, dict[str, Any]] = tomllib.loads(text).get("tool", {}).get("coverage", {})
            else:
                parser = configparser.ConfigParser(interpolation=None, strict=False)
                parser.read_string(text)
                sections = (section for section in ("run", "report") if parser.has_section(prefix + section))
                tables = {section: dict(parser[prefix + section]) for section in sections}
        except (OSError, ValueError, configparser.Error):
            continue
        run, told = tables.get("run", {}), tables.get("report", {})
        if run or told:
            found = {
                "source": _list(run.get("source"), commas=True),
                "omit": _list(run.get("omit"), commas=True) + _list(told.get("omit"), commas=True),
                "exclude_lines": _list(told.get("exclude_lines")),
                "exclude_also": _list(told.get("exclude_also")),
            }
            return {key: value for key, value in found.items() if value}
    return {}


def _list(value: Any, *, commas: bool = False) -> tuple[str, ...]:
    """A list of TOML, or the lines of an ini file; regular expressions are not divided at commas."""
    if isinstance(value, str):
        value = (value.replace(",", "\n") if commas else value).splitlines()
    return tuple(line.strip() for line in value if str(line).strip()) if isinstance(value, list) else ()


def _several(key: str, values: Sequence[str]) -> list[str]:
    return [f"{key} =", *(f"    {value}" for value in values)] if values else []


def combine(data: Sequence[Path], root: Path, out: Path, timeout: float = 300.0) -> Command:
    """Merges the data files, and keeps them."""
    return _command(("combine", "--keep", *map(str, data)), root, out, timeout)


def combined(printed: str) -> int:
    """How many data files were taken, duplicates among them: `combine` goes on past one that it cannot read, and exits
    with 0."""
    said = re.search(r"^Combined (\d+) files?(?:, skipped (\d+))?", printed, re.MULTILINE)
    return int(said[1]) + int(said[2] or 0) if said else 0


def report(kind: str, root: Path, out: Path, timeout: float = 300.0) -> Command:
    """`json`, `xml` (Cobertura) or `html`, of the merged data and the files below `root`."""
    target = {"json": ("-o", "coverage.json"), "xml": ("-o", "coverage.xml"), "html": ("-d", "html")}[kind]
    command = _command((kind, "-q", target[0], str(out / target[1])), root, out, timeout)
    return command if kind == "html" else command.model_copy(update={"report": out / target[1]})


def _command(words: Sequence[str], root: Path, out: Path, timeout: float) -> Command:
    where = (f"--data-file={out / '.coverage'}", f"--rcfile={out / 'coveragerc'}")
    return Command(
        argv=(sys.executable, "-P", "-m", "coverage", words[0], *where, *words[1:]), cwd=root, timeout=timeout
    )
