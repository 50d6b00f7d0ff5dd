"""What we rely on in Trivy's JSON report (SchemaVersion 2), and the findings in it.

A secret's own text is masked by Trivy, but the lines around it are not: `Code` and `Match` are never read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from domain.findings import Finding, Severity
from toolchain.reports.trusted import Report, link, one_line

Rated = Literal["UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL"]
LICENCE = {"forbidden": Severity.HIGH, "restricted": Severity.MEDIUM}


class _Package(Report):
    name: str = Field("", alias="Name")


class _Vulnerability(Report):
    id: str = Field(alias="VulnerabilityID")
    package: str = Field(alias="PkgName")
    installed: str = Field("", alias="InstalledVersion")
    fixed: str = Field("", alias="FixedVersion")
    severity: Rated = Field("UNKNOWN", alias="Severity")
    title: str = Field("", alias="Title")
    path: str = Field("", alias="PkgPath")
    url: str = Field("", alias="PrimaryURL")


class _Cause(Report):
    line: int = Field(0, alias="StartLine")


class _Misconfiguration(Report):
    id: str = Field(alias="ID")
    message: str = Field("", alias="Message")
    title: str = Field("", alias="Title")
    severity: Rated = Field("UNKNOWN", alias="Severity")
    status: str = Field(alias="Status")
    url: str = Field("", alias="PrimaryURL")
    cause: _Cause = Field(_Cause(), alias="CauseMetadata")


class _Secret(Report):
    id: str = Field(alias="RuleID")
    severity: Rated = Field("UNKNOWN", alias="Severity")
    title: str = Field("", alias="Title")
    line: int = Field(0, alias="StartLine")


class _Licence(Report):
    name: str = Field(alias="Name")
    category: str = Field("unknown", alias="Category")
    package: str = Field("", alias="PkgName")
    path: str = Field("", alias="FilePath")


class Result(Report):
    """What it says of one target: a file, an image's operating system, its Python packages."""

    target: str = Field(alias="Target")
    packages: tuple[_Package, ...] | None = Field(None, alias="Packages")
    vulnerabilities: tuple[_Vulnerability, ...] | None = Field(None, alias="Vulnerabilities")
    misconfigurations: tuple[_Misconfiguration, ...] | None = Field(None, alias="Misconfigurations")
    secrets: tuple[_Secret, ...] | None = Field(None, alias="Secrets")
    licences: tuple[_Licence, ...] | None = Field(None, alias="Licenses")


class TrivyReport(Report):
    """The whole report. A tree in which nothing was found has no `Results` at all."""

    version: Literal[2] = Field(alias="SchemaVersion")
    kind: str = Field(alias="ArtifactType")
    results: tuple[Result, ...] | None = Field(None, alias="Results")


def findings(result: Result) -> Iterator[Finding]:
    """All findings of one target, of every kind."""
    for v in result.vulnerabilities or ():
        cure = f"fixed in {v.fixed}" if v.fixed else "no fixed version"
        text = one_line(f"{v.package} {v.installed}: {v.title}; {cure}")
        yield _finding(v.id, _severity(v.severity), v.path or result.target, 0, text, v.url)
    for m in result.misconfigurations or ():
        if m.status == "FAIL":
            yield _finding(m.id, _severity(m.severity), result.target, m.cause.line, m.message or m.title, m.url)
    for s in result.secrets or ():
        yield _finding(s.id, _severity(s.severity), result.target, s.line, f"looks like a secret: {s.title}", "")
    for licence in result.licences or ():
        text = f"{licence.package or 'file'}: licence {licence.name} ({licence.category})"
        severity = LICENCE.get(licence.category.lower(), Severity.LOW)
        yield _finding(f"licence:{licence.name}", severity, licence.path or result.target, 0, text, "")


def _finding(rule: str, severity: Severity, path: str, line: int, message: str, url: str) -> Finding:
    return Finding(
        scanner="trivy",
        rule=one_line(rule, 80),
        severity=severity,
        path=path,
        line=line,
        message=one_line(message),
        url=link(url),
    )


def _severity(rated: Rated) -> Severity:
    return Severity.MEDIUM if rated == "UNKNOWN" else Severity(rated.lower())
