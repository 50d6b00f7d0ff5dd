"""detect-secrets: credentials in source.

It exits 0 whatever it finds and lists only files with findings. What it was given is therefore counted here, with its
own rules: every regular file below the root that is not excluded and that decodes as UTF-8. It leaves out, silently,
files that do not; one that is text in another encoding makes the gate blind, a binary one does not. Its verbose log is
never asked for: it quotes the strings that it looks at. Nothing is verified over the network.

It has no severities. Ours: `critical` for an issuer's own token format and for private keys (as GitLab's secret
detection and Trivy rate them), `high` for credentials in a URL and where both heuristics (a telling name, a high
entropy) agree on one string, `medium` for one heuristic alone, `low` for a public IP address.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from domain.errors import ReportError
from domain.findings import Finding, ScanReport, Severity, distinct
from toolchain.command import Command, Ran
from toolchain.reports.trusted import Report, finished, one_line, read
from toolchain.scanners import ScanRequest
from toolchain.scanners._paths import scope

TOOL = "detect-secrets"
CODES = frozenset({0})
KEYWORD = "Secret Keyword"
ENTROPY = frozenset({"Base64 High Entropy String", "Hex High Entropy String"})
SEVERITY = {
    "Basic Auth Credentials": Severity.HIGH,
    KEYWORD: Severity.MEDIUM,
    "Public IP (ipv4)": Severity.LOW,
    **dict.fromkeys(ENTROPY, Severity.MEDIUM),
}
URL = "https://github.com/Yelp/detect-secrets#viewing-all-enabled-plugins"
SHOWN = 5
SNIFFED = 8192  # bytes; what git looks at to tell text from binary


class _Secret(Report):
    type: str
    line_number: int
    hashed_secret: str


class _Plugin(Report):
    name: str


class _Baseline(Report):
    version: str
    plugins_used: tuple[_Plugin, ...]
    results: dict[str, tuple[_Secret, ...]]


def command(request: ScanRequest) -> Command:
    """Scans every file below the root, tracked by git or not; the report is its standard output."""
    excluded = tuple(part for regex in scope(request).regexes for part in ("--exclude-files", regex))
    argv = (TOOL, "scan", "--all-files", "--no-verify", *excluded, ".")
    return Command(argv=argv, cwd=request.root, timeout=request.timeout, creates=(request.out,))


def parse(ran: Ran, request: ScanRequest) -> ScanReport:
    """The findings, none with the secret or its hash. ToolError, ReportError when it cannot be trusted."""
    finished(ran, TOOL, CODES)
    if ran.truncated:
        raise ReportError("detect-secrets wrote more than is kept of its report", fix="exclude generated files")
    told = read(_Baseline, ran, ran.stdout, TOOL)
    if not told.plugins_used:
        raise ReportError("detect-secrets ran without a single detector", fix="check its installation")
    area = scope(request)
    findings = (
        finding
        for name, secrets in told.results.items()
        if area.covers(path := area.relative(name))
        for finding in _findings(path, secrets)
    )
    looked_at, blind = _looked_at(area.files(), request.root)
    return ScanReport(scanner="detect_secrets", findings=distinct(findings), looked_at=looked_at, blind=blind)


def _findings(path: str, secrets: Iterable[_Secret]) -> Iterable[Finding]:
    """One finding a secret and line, by the strongest of the detectors that saw it."""
    same: dict[tuple[str, int], set[str]] = {}
    for secret in secrets:
        same.setdefault((secret.hashed_secret, secret.line_number), set()).add(secret.type)
    for (_, line), types in same.items():
        rule = max(sorted(types), key=lambda t: (SEVERITY.get(t, Severity.CRITICAL).rank, t == KEYWORD))
        agreed = rule == KEYWORD and bool(types & ENTROPY)
        yield Finding(
            scanner="detect_secrets",
            rule=one_line(rule, 80),
            severity=Severity.HIGH if agreed else SEVERITY.get(rule, Severity.CRITICAL),
            path=path,
            line=line,
            message=f"looks like a secret: {one_line(rule, 80)}",
            url=URL,
        )


def _looked_at(files: Iterable[Path], root: Path) -> tuple[int, tuple[str, ...]]:
    read_, other, closed = 0, [], []
    for path in files:
        name = one_line(path.relative_to(root).as_posix(), 120)
        try:
            content = path.read_bytes()
        except OSError:
            closed.append(name)
            continue
        try:
            content.decode()
            read_ += 1
        except UnicodeDecodeError:
            if b"\0" not in content[:SNIFFED]:
                other.append(name)
    blind = []
    for names, why in ((closed, "cannot be read"), (other, "not UTF-8, so not examined")):
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            blind.append(f"{len(names)} file(s) {why}: {', '.join(names[:SHOWN])}{more}")
    return read_, tuple(blind)
