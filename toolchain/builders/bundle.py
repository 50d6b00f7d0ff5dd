"""The embedded default: an archive of the source beside a locked environment, made with venv and pip.

pip runs from our own environment and works on the other one (`--python`), so that none has to be installed there.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from domain.errors import ReportError
from toolchain.command import Command, Ran

TOOL = sys.executable
_LOUD = re.compile(r"^\s*(?:ERROR|error|CRITICAL)\b:?\s*(.*)$")
_INPUT = re.compile(r"-r \S+ \(line (?:\d+)\)")
_CREDENTIALS = re.compile(r"(\w+://)[^/@\s]+@")


def _pip(python: Path, *arguments: str) -> tuple[str, ...]:
    quiet = ("--no-input", "--disable-pip-version-check", "--no-color")
    # -I: a pip.py in the project must not be imported instead.
    return (sys.executable, "-I", "-m", "pip", "--python", str(python), *quiet, *arguments)


def create(python: str, folder: Path, timeout: float) -> Command:
    """Make an empty virtual environment. Without pip it takes 50 ms instead of 2 s."""
    return Command(argv=(python, "-I", "-m", "venv", "--clear", "--without-pip", str(folder)), timeout=timeout)


def install(python: Path, work: Path, lines: Sequence[str], constraints: Sequence[str], timeout: float) -> Command:
    """Resolve and install, with a report of what was chosen. Byte code is left to the first import."""
    requirements, limits, report = work / "requirements.txt", work / "constraints.txt", work / "report.json"
    limited = ("-c", str(limits)) if constraints else ()
    options = ("--no-compile", "--no-warn-script-location", "--progress-bar", "off")
    return Command(
        argv=_pip(python, "install", *options, "--report", str(report), "-r", str(requirements), *limited),
        files={requirements: _text(lines), **({limits: _text(constraints)} if constraints else {})},
        timeout=timeout,
        report=report,
    )


def wheel(python: Path, project: Path, out: Path, timeout: float, *, isolated: bool) -> Command:
    """Build the project's wheel, without its dependencies: with what is installed beside that interpreter, or
    isolated, with what pip then downloads for this one build."""
    options = ("--no-deps", "--use-pep517", "--progress-bar", "off", "--wheel-dir", str(out))
    shared = () if isolated else ("--no-build-isolation",)
    return Command(argv=_pip(python, "wheel", *options, *shared, str(project)), creates=(out,), timeout=timeout)


def install_wheel(python: Path, file: Path, timeout: float) -> Command:
    """Install one wheel and nothing else; no index is asked."""
    options = ("--no-deps", "--no-index", "--no-compile", "--no-warn-script-location", "--force-reinstall")
    return Command(argv=_pip(python, "install", *options, str(file)), timeout=timeout)


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def lock(report: Path) -> str:
    """The lock that a pip installation report says: `name==version --hash=...`, sorted, without any index's address.

    What came from an address that the project itself names stays `name @ address`, without credentials; what came
    from a folder of the source is a comment. ReportError when the report cannot be read.
    """
    try:
        chosen: list[dict[str, Any]] = json.loads(report.read_bytes())["install"]
        rows = sorted(_row(item) for item in chosen)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReportError(
            f"pip's report {report} cannot be read: {error!r}", fix="upgrade pip: at least 23.1"
        ) from error
    return "".join(f"{row}\n" for row in rows)


def _row(item: dict[str, Any]) -> str:
    name = re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower()
    pin, origin = f"{name}=={item['metadata']['version']}", item["download_info"]
    if item.get("is_direct"):
        if "dir_info" in origin or origin["url"].startswith("file:"):
            return f"# {pin} from the source"
        revision = origin.get("vcs_info", {}).get("commit_id")
        vcs = origin.get("vcs_info", {}).get("vcs")
        url = _CREDENTIALS.sub(r"\1", origin["url"])
        return f"{name} @ {vcs}+{url}@{revision}" if vcs else f"{name} @ {url}"
    hashes = sorted(origin["archive_info"]["hashes"].items())
    return " \\\n    ".join([pin, *(f"--hash={kind}:{value}" for kind, value in hashes)])


def pins(text: str) -> tuple[str, ...]:
    """A lock's `name==version`, without hashes: constraints for an environment that must agree with it."""
    return tuple(re.findall(r"^([A-Za-z0-9][^\s=]*==\S+)", text, re.MULTILINE))


def requires(file: Path) -> tuple[str, ...]:
    """A wheel's Requires-Dist. ReportError when it is none."""
    try:
        with ZipFile(file) as archive:
            name = next(n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
            metadata = BytesHeaderParser().parsebytes(archive.read(name))
    except (OSError, BadZipFile, StopIteration) as error:
        raise ReportError(f"{file} is not a wheel: {error!r}", fix="check the project's build backend") from error
    return tuple(str(value) for value in metadata.get_all("Requires-Dist", []))


def trouble(ran: Ran) -> str:
    """What pip says went wrong, in its own words, without its traceback and without credentials."""
    text = ran.stderr.read_text("utf-8", "replace") + ran.stdout.read_text("utf-8", "replace")
    said = dict.fromkeys(match[1].strip() for line in text.splitlines() if (match := _LOUD.match(line)))
    conflict = re.search(r"The conflict is caused by:\n((?:    .*\n)+)", text)
    noise = ("subprocess-exited-with-error", "ResolutionImpossible")
    told = [_INPUT.sub("requirement", line) for line in said if line and not line.startswith(noise)][:6]
    if conflict:
        told.append("; ".join(line.strip() for line in conflict[1].splitlines()[:6]))
    return _CREDENTIALS.sub(r"\1***@", "; ".join(told) or ran.tail(300))
