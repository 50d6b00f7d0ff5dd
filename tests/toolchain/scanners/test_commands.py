"""The exact argv of every scanner."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.errors import ReportError
from domain.supply import Artifact
from tests.toolchain.scanners import trivy_db
from toolchain.scanners import ScanRequest, bandit, detect_secrets, pip_audit, trivy

ROOT, OUT = Path("/source"), Path("/out")


def request(**more: object) -> ScanRequest:
    return ScanRequest.model_validate({"root": ROOT, "out": OUT, **more})


def test_bandit() -> None:
    command = bandit.command(request(exclude=("tests/**", "vendored/", "*.gen.py")))
    excluded = "*/.git/*,./tests/*,*/vendored/*"
    assert command.argv == ("bandit", "-r", ".", "-f", "json", "-o", "/out/bandit.json", "-x", excluded)
    assert (command.cwd, command.report) == (ROOT, OUT / "bandit.json")


def test_detect_secrets_verifies_nothing_over_the_network_and_is_not_verbose() -> None:
    command = detect_secrets.command(request(exclude=("tests/**",)))
    assert command.argv == (
        *("detect-secrets", "scan", "--all-files", "--no-verify"),
        *("--exclude-files", r"^(?:.+/)?\.git(?P<ps_d>/)", "--exclude-files", "^tests/", "."),
    )
    assert command.report is None


def test_pip_audit_resolves_nothing() -> None:
    command = pip_audit.command(request(lock=OUT / "request.lock"))
    assert command.argv == (
        *("pip-audit", "--requirement", "/out/request.lock", "--no-deps", "--disable-pip", "--format", "json"),
        *("--output", "/out/pip_audit.json", "--progress-spinner", "off", "--timeout", "10"),
        *("--cache-dir", "/out/pip-audit-cache"),
    )


def test_pip_audit_asks_the_osv_mirror_that_is_named() -> None:
    command = pip_audit.command(request(lock=OUT / "request.lock", options={"osv_url": "http://osv.internal/v1/query"}))
    assert command.argv[-4:] == ("--vulnerability-service", "osv", "--osv-url", "http://osv.internal/v1/query")


def test_pip_audit_needs_a_lock() -> None:
    with pytest.raises(ReportError, match="no lock"):
        pip_audit.command(request())


COMMON = ("--offline-scan", "--skip-version-check", "--disable-telemetry", "--skip-check-update", "--no-progress")


def test_trivy_updates_a_missing_database_from_where_it_is_told(tmp_path: Path) -> None:
    options = {"cache_dir": str(tmp_path), "db_repository": "127.0.0.1:5000/trivy-db:2"}
    command = trivy.command(request(exclude=("tests/**", "vendored/"), options=options))
    assert command.argv == (
        *("trivy", "fs", "--scanners", "vuln,secret,misconfig,license", "--format", "json"),
        *("--output", "/out/trivy.json", "--cache-dir", str(tmp_path), "--timeout", "600s", *COMMON, "--config", ""),
        *("--db-repository", "127.0.0.1:5000/trivy-db:2"),
        *("--skip-dirs", "**/.git", "--skip-dirs", "tests", "--skip-dirs", "**/vendored", "."),
    )


def test_trivy_leaves_a_fresh_database_as_it_is(tmp_path: Path) -> None:
    trivy_db.write(tmp_path, "requests", "2.20.0", datetime.now(UTC) - timedelta(days=1))
    command = trivy.command(request(options={"cache_dir": str(tmp_path)}))
    assert command.argv[command.argv.index("--config") :] == (
        *("--config", "", "--skip-db-update", "--skip-dirs", "**/.git", "."),
    )


@pytest.mark.parametrize("archive", [True, False])
def test_trivy_looks_at_the_image_that_was_built(tmp_path: Path, archive: bool) -> None:
    tar = tmp_path / "image.tar"
    tar.touch()
    location = str(tar) if archive else "registry.example/shop@sha256:ab"
    image = Artifact(kind="image", digest="sha256:ab", location=location)
    command = trivy.command(request(artifact=image, options={"cache_dir": str(tmp_path)}))
    assert command.argv[:2] == ("trivy", "image")
    assert command.argv[-2:] == (("--input", location) if archive else ("", location))


def test_no_secret_and_no_shell_in_any_argv() -> None:
    for made in (bandit.command(request()), detect_secrets.command(request()), trivy.command(request())):
        assert made.secrets == {} and not {"sh", "bash", "-c"} & set(made.argv)
