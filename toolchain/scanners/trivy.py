"""Trivy: vulnerabilities, secrets, misconfiguration and licences of a source tree or a container image.

Without its vulnerability database Trivy gives up altogether. It updates the database by itself where it can; where it
cannot, `fallback` looks again with what is there: an old database, or everything but vulnerabilities. Either makes the
gate blind, so it never says clean. A database is old after three days: Trivy's is built anew every six hours.

Severities are Trivy's own (https://trivy.dev/docs: the vendor's, else NVD's); UNKNOWN counts as medium. Licences are
the exception: which one is acceptable is a policy of its own, so forbidden is high, restricted medium, the rest low.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from domain.errors import ReportError
from domain.findings import ScanReport, distinct
from toolchain.command import Command, Ran
from toolchain.reports.trusted import finished, one_line, read
from toolchain.scanners import ScanRequest
from toolchain.scanners._paths import Scope, scope
from toolchain.scanners._trivy_database import cache, too_old, updated
from toolchain.scanners._trivy_report import TrivyReport, findings

TOOL = "trivy"
CODES = frozenset({0})
ALL = "vuln,secret,misconfig,license"
NO_VULNERABILITIES = "secret,misconfig,license"


def command(request: ScanRequest) -> Command:
    """Looks at the image where the artifact is one, else at the tree below the root. Nothing is sent to Aqua."""
    fresh = not too_old(updated(cache(request)), datetime.now(UTC))
    return _command(request, ALL, ("--skip-db-update",) if fresh else ())


def fallback(ran: Ran, request: ScanRequest) -> Command | None:
    """The lesser look when the database could not be had; None when the first look worked or failed otherwise."""
    if ran.exit_code == 0 or NO_VULNERABILITIES in ran.argv or "DB error" not in ran.tail(4000):
        return None
    if updated(cache(request)) is not None and "--skip-db-update" not in ran.argv:
        return _command(request, ALL, ("--skip-db-update",))
    return _command(request, NO_VULNERABILITIES, ())


def parse(ran: Ran, request: ScanRequest) -> ScanReport:
    """The findings; `looked_at` counts the files of a tree, or the packages of an image.

    ToolError, ReportError when the report cannot be trusted.
    """
    finished(ran, TOOL, CODES)
    told = read(TrivyReport, ran, ran.report, TOOL)
    image = _is_image(request)
    wanted = "container_image" if image else "filesystem"
    if told.kind != wanted:
        raise ReportError(f"Trivy's report is about a {one_line(told.kind, 40)}, not a {wanted}", fix="see its log")
    area = scope(request)
    results = told.results or ()
    found = (f for result in results for f in findings(result))
    packages = sum(len(result.packages or ()) for result in results)
    return ScanReport(
        scanner="trivy",
        findings=distinct(f for f in found if image or area.covers(area.relative(f.path))),
        looked_at=packages if image else sum(1 for _ in area.files()),
        blind=tuple(_blind(ran, request)),
    )


def _command(request: ScanRequest, scanners: str, database: tuple[str, ...]) -> Command:
    report = request.out / "trivy.json"
    repository = request.options.get("db_repository")
    argv = (
        *(TOOL, "image" if _is_image(request) else "fs", "--scanners", scanners, "--format", "json"),
        *("--output", str(report), "--cache-dir", str(cache(request)), "--timeout", f"{request.timeout:.0f}s"),
        *("--offline-scan", "--skip-version-check", "--disable-telemetry", "--skip-check-update", "--no-progress"),
        # The project's own trivy.yaml could change what is looked at; .trivyignore.yaml, with its dates, is read.
        *("--config", "", *database),
        *(("--db-repository", repository) if repository and "vuln" in scanners and not database else ()),
        *_target(request),
    )
    return Command(argv=argv, cwd=request.root, timeout=request.timeout + 10, report=report, creates=(request.out,))


def _is_image(request: ScanRequest) -> bool:
    return request.artifact is not None and request.artifact.kind == "image"


def _target(request: ScanRequest) -> tuple[str, ...]:
    if request.artifact is not None and request.artifact.kind == "image":
        location = request.artifact.location
        return ("--input", location) if Path(location).is_file() else (location,)
    return (*_skipped(scope(request)), ".")


def _skipped(area: Scope) -> tuple[str, ...]:
    globs = [folder.lstrip("/") if folder.startswith("/") else f"**/{folder}" for folder in area.folders]
    return tuple(part for glob in globs for part in ("--skip-dirs", glob))


def _blind(ran: Ran, request: ScanRequest) -> Iterator[str]:
    if NO_VULNERABILITIES in ran.argv:
        yield "vulnerabilities not examined: the database could not be had (trivy image --download-db-only gets it)"
    else:
        when = updated(cache(request))
        if when is None:
            yield "the age of the vulnerability database is not known"
        elif too_old(when, datetime.now(UTC)):
            yield f"the vulnerability database is too old ({when:%Y-%m-%d}): trivy image --download-db-only renews it"
