"""What must hold before a report is believed: the tool ended by itself, in a way it documents, and the report is whole.

An exit code proves nothing on its own (many tools exit 0 on trouble), and neither does a report: both have to fit.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from domain.errors import ReportError, ToolError
from toolchain.command import Ran

LIMIT = 64 * 1024 * 1024
"""Bytes. A longer report is refused: it would have to fit into memory several times over."""


class Report(BaseModel):
    """The base of a report's schema: only what we rely on is named, the rest is ignored.

    An input value is never quoted in an error: it may hold the very secret that was found.
    """

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, frozen=True, allow_inf_nan=False)


R = TypeVar("R", bound=BaseModel)


def finished(ran: Ran, tool: str, codes: frozenset[int]) -> None:
    """Returns when it ended by itself with one of its documented exit codes.

    ToolError when it ran out of time or died of a signal, ReportError at any other exit code.
    """
    if ran.timed_out or ran.exit_code is None:
        raise ToolError(f"{tool} was stopped after {ran.seconds:.0f} s", fix="raise its timeout or give it less to do")
    if ran.exit_code < 0:
        raise ToolError(f"{tool} died of {_signal(-ran.exit_code)}: {said(ran)}", fix="often memory: see its log")
    if ran.exit_code not in codes:
        wanted = ", ".join(map(str, sorted(codes)))
        raise ReportError(
            f"{tool} ended with exit code {ran.exit_code} (known: {wanted}): {said(ran)}", fix=f"see {ran.stderr}"
        )


def read(schema: type[R], ran: Ran, path: Path | None, tool: str) -> R:
    """The JSON report at a path, as its schema. ReportError when missing, empty, too long, cut off or another thing."""
    if path is None:
        raise ReportError(f"{tool} was not told where to write its report", fix="this is a defect: report it")
    try:
        size = path.stat().st_size
        if size > LIMIT:
            raise ReportError(
                f"{tool}'s report has {size} bytes, more than {LIMIT}", fix="exclude generated files from the scan"
            )
        content = path.read_bytes()
    except OSError as error:
        why = "" if isinstance(error, FileNotFoundError) else f" ({path.name}: {error.strerror})"
        raise ReportError(f"{tool} left no report{why}: {said(ran)}", fix=f"see {ran.stderr}") from None
    if not content.strip():
        raise ReportError(f"{tool}'s report is empty: {said(ran)}", fix=f"see {ran.stderr}")
    try:
        return schema.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise ReportError(
            f"{tool}'s report cannot be read: {one_line(first['msg'], 200)} ({where}, of {len(content)} bytes)",
            fix=f"cut off, or written by another version of {tool} than the ones we know: see docs/reference",
        ) from None


def believed(schema: type[R], tool: str, **numbers: object) -> R:
    """The value made of a report's numbers. ReportError when they cannot be true: a share over 1, a negative time."""
    try:
        return schema.model_validate(numbers)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ReportError(f"{tool}'s report cannot be true: {where}: {first['msg']}", fix="see its log") from None


def said(ran: Ran, characters: int = 300) -> str:
    """The last line that it printed, for a message; of a traceback that is the error itself."""
    lines = [line for line in ran.tail(4000).splitlines() if line.strip()]
    return one_line(lines[-1], characters) if lines else "it printed nothing"


def one_line(text: str, characters: int = 300) -> str:
    """A foreign text made fit for a message: one line, printable, no longer than that many characters."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text[: characters * 8]).split())
    return flat if len(flat) <= characters else flat[: characters - 1] + "…"


def link(text: str) -> str:
    """A foreign link when it is one for a browser, else nothing: it will be shown as a link on a page."""
    return text if text.startswith(("https://", "http://")) and text.isprintable() and len(text) <= 500 else ""


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
