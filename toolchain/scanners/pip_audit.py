"""pip-audit: known vulnerabilities of the locked Python packages.

With its service out of reach it skips every package, says "No known vulnerabilities found" and exits 0. So the exit
code is not asked: each package of the lock has to be in the report with its version, or the gate is blind. `--strict`
is not used for that reason: it gives up at the first package that cannot be looked up and hides what the others have.

The advisory services tell no severity (OSV's is optional, pip-audit drops it), so every vulnerability is `high`:
unrated is not harmless. `options["osv_url"]` names an OSV responder (https://google.github.io/osv.dev/post-v1-query/),
such as a mirror inside a closed network.
"""

from __future__ import annotations

from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from domain.errors import ReportError
from domain.findings import Finding, ScanReport, Severity, distinct
from toolchain.command import Command, Ran
from toolchain.reports.trusted import Report, finished, link, one_line, read
from toolchain.scanners import ScanRequest

TOOL = "pip-audit"
CODES = frozenset({0, 1})
SHOWN = 5
SOCKET_TIMEOUT = 10  # seconds a package


class _Vulnerability(Report):
    id: str
    fix_versions: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    description: str = ""


class _Dependency(Report):
    name: str
    version: str | None = None
    skip_reason: str | None = None
    vulns: tuple[_Vulnerability, ...] = ()


class _Audit(Report):
    dependencies: tuple[_Dependency, ...]


def command(request: ScanRequest) -> Command:
    """Audits `request.lock` as it stands: nothing is resolved, downloaded or installed. ReportError without a lock."""
    if request.lock is None:
        raise ReportError("there is no lock of Python packages to audit", fix="build first, or leave pip_audit out")
    report = request.out / "pip_audit.json"
    service = request.options.get("osv_url")
    argv = (
        *(TOOL, "--requirement", str(request.lock), "--no-deps", "--disable-pip", "--format", "json"),
        *("--output", str(report), "--progress-spinner", "off", "--timeout", str(SOCKET_TIMEOUT)),
        *("--cache-dir", str(request.out / "pip-audit-cache")),
        *(("--vulnerability-service", "osv", "--osv-url", service) if service else ()),
    )
    return Command(argv=argv, cwd=request.out, timeout=request.timeout, report=report, creates=(request.out,))


def parse(ran: Ran, request: ScanRequest) -> ScanReport:
    """The vulnerabilities; `looked_at` counts the packages that were looked up. ToolError, ReportError if untrusted."""
    if request.lock is None:
        raise ReportError("there is no lock of Python packages to audit", fix="build first, or leave pip_audit out")
    finished(ran, TOOL, CODES)
    told = read(_Audit, ran, ran.report, TOOL)
    skipped = {d.name: d.skip_reason or "no version" for d in told.dependencies if d.version is None or d.skip_reason}
    audited = [d for d in told.dependencies if d.name not in skipped]
    if ran.exit_code == 1 and not any(d.vulns for d in audited):
        raise ReportError("pip-audit ended with exit code 1 and reports no vulnerability", fix=f"see {ran.stderr}")
    heard = {canonicalize_name(d.name) for d in told.dependencies}
    silent = [name for name in locked(request.lock) if name not in heard]
    return ScanReport(
        scanner="pip_audit",
        findings=distinct(_finding(d, v, request.lock.name) for d in audited for v in d.vulns),
        looked_at=len(audited),
        blind=(
            *_blind([f"{name} ({one_line(why, 120)})" for name, why in skipped.items()], "not looked up"),
            *_blind(silent, "in the lock, but not in the report"),
        ),
    )


def locked(lock: Path) -> tuple[str, ...]:
    """The names a lock holds for this interpreter, in pip's requirement file format. ReportError at another line."""
    try:
        text = lock.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"the lock {lock.name} cannot be read: {type(error).__name__}", fix="build again") from None
    names = []
    for number, line in enumerate(text.replace("\\\n", " ").splitlines(), 1):
        plain = line.split(" #")[0].split(" --")[0].strip()
        if not plain or plain.startswith(("#", "-")):
            continue
        try:
            requirement = Requirement(plain)
        except InvalidRequirement:
            raise ReportError(
                f"the lock {lock.name} has a line that is no requirement: line {number}", fix="build again"
            ) from None
        if requirement.marker is None or requirement.marker.evaluate():
            names.append(canonicalize_name(requirement.name))
    return tuple(dict.fromkeys(names))


def _finding(dependency: _Dependency, vulnerability: _Vulnerability, lock: str) -> Finding:
    also = f" ({', '.join(vulnerability.aliases[:3])})" if vulnerability.aliases else ""
    fixed = ", ".join(vulnerability.fix_versions[:3])
    cure = f"fixed in {fixed}" if fixed else "no fixed version"
    text = f"{dependency.name} {dependency.version}{also}: {one_line(vulnerability.description, 160)}; {cure}"
    return Finding(
        scanner="pip_audit",
        rule=one_line(vulnerability.id, 80),
        severity=Severity.HIGH,
        path=lock,
        message=text,
        url=link(f"https://osv.dev/vulnerability/{vulnerability.id}"),
    )


def _blind(names: list[str], why: str) -> tuple[str, ...]:
    if not names:
        return ()
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (f"{len(names)} package(s) {why}: {', '.join(names[:SHOWN])}{more}",)
