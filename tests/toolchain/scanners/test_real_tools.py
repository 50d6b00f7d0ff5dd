"""The real tools, offline, on a project with known faults."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.errors import ReportError
from domain.findings import ScanReport
from domain.supply import Artifact
from domain.verdict import Outcome
from tasks.execute import execute
from tests.toolchain.scanners import image, osv, tree, trivy_db
from tests.toolchain.scanners.gate import judged
from toolchain.scanners import ScanRequest, bandit, detect_secrets, pip_audit, trivy


@pytest.fixture
def request_(tmp_path: Path) -> ScanRequest:
    root = tree.faulty(tmp_path / "source")
    options = {"cache_dir": str(tmp_path / "cache")}
    lock = root / "requirements.txt"
    return ScanRequest(root=root, out=tmp_path / "out", exclude=("tests/**",), lock=lock, options=options, timeout=90)


@pytest.mark.requires("bandit")
async def test_bandit_finds_the_shell_and_not_what_is_excluded(request_: ScanRequest) -> None:
    ran = await execute(bandit.command(request_), request_.out)
    told = bandit.parse(ran, request_)
    assert [(f.rule, f.path, f.line) for f in told.findings][:1] == [("B602", "app/main.py", 7)]
    assert told.looked_at == 3 and {f.path for f in told.findings} == {"app/main.py"}


@pytest.mark.requires("bandit")
async def test_bandit_on_a_tree_without_python_is_inconclusive(request_: ScanRequest, tmp_path: Path) -> None:
    request = request_.model_copy(update={"root": tree.write(tmp_path / "other", {"index.js": "eval('1')\n"})})
    assert judged(bandit, await execute(bandit.command(request), request.out), request).outcome is Outcome.INCONCLUSIVE


@pytest.mark.requires("detect-secrets")
async def test_detect_secrets_finds_the_key_and_keeps_it_to_itself(request_: ScanRequest) -> None:
    ran = await execute(detect_secrets.command(request_), request_.out)
    told = detect_secrets.parse(ran, request_)
    assert [(f.rule, f.path) for f in told.findings][:1] == [("AWS Access Key", "app/keys.py")]
    assert not any(f.path.startswith("tests/") for f in told.findings)
    for path in (ran.stdout, ran.stderr):
        assert tree.AWS_KEY not in path.read_text() and tree.PASSWORD not in path.read_text()


@pytest.mark.requires("detect-secrets")
async def test_detect_secrets_looks_at_files_that_git_does_not_track(tmp_path: Path) -> None:
    root = tree.write(tmp_path / "source", {".git/config": "", "new.py": f'KEY = "{tree.AWS_KEY}"\n'})
    request = ScanRequest(root=root, out=tmp_path / "out")
    told = detect_secrets.parse(await execute(detect_secrets.command(request), request.out), request)
    assert [f.path for f in told.findings] == ["new.py"] and told.looked_at == 1


@pytest.mark.requires("pip-audit")
async def test_pip_audit_finds_what_an_osv_responder_knows(request_: ScanRequest) -> None:
    with osv.responder() as url:
        request = request_.model_copy(update={"options": {"osv_url": url}})
        ran = await execute(pip_audit.command(request), request.out)
    told = pip_audit.parse(ran, request)
    assert [(f.rule, f.severity.value) for f in told.findings] == [("PYSEC-2099-1", "high")]
    assert "requests 2.19.0" in told.findings[0].message and "fixed in 2.20.0" in told.findings[0].message
    assert (told.looked_at, told.blind) == (2, ())
    assert judged(pip_audit, ran, request).outcome is Outcome.FAIL


@pytest.mark.requires("pip-audit")
async def test_pip_audit_reads_a_lock_with_hashes(request_: ScanRequest, tmp_path: Path) -> None:
    lock = tmp_path / "request.lock"
    lock.write_text(f"jinja2==3.1.6 \\\n    --hash=sha256:{'0' * 64}\n")
    with osv.responder() as url:
        request = request_.model_copy(update={"lock": lock, "options": {"osv_url": url}})
        ran = await execute(pip_audit.command(request), request.out)
    assert judged(pip_audit, ran, request).outcome is Outcome.PASS


@pytest.mark.requires("pip-audit")
@pytest.mark.parametrize("service", ["osv", "pypi"])
async def test_pip_audit_offline_is_inconclusive(
    service: str, request_: ScanRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    options = {"osv_url": "http://127.0.0.1:9/v1/query"} if service == "osv" else {}
    request = request_.model_copy(update={"options": options})
    ran = await execute(pip_audit.command(request), request.out)
    with pytest.raises(ReportError, match="left no report: .*Max retries exceeded"):
        pip_audit.parse(ran, request)


async def look(request: ScanRequest) -> ScanReport:
    """As the scan stage does it."""
    ran = await execute(trivy.command(request), request.out)
    lesser = trivy.fallback(ran, request)
    return trivy.parse(await execute(lesser, request.out) if lesser else ran, request)


UNREACHABLE = {"db_repository": "127.0.0.1:9/trivy-db:2"}


@pytest.mark.requires("trivy")
async def test_trivy_without_a_database_looks_at_the_rest(request_: ScanRequest) -> None:
    told = await look(request_.model_copy(update={"options": {**request_.options, **UNREACHABLE}}))
    assert {"aws-access-key-id", "DS-0002"} <= {f.rule for f in told.findings}
    assert told.blind and told.blind[0].startswith("vulnerabilities not examined")
    assert tree.PASSWORD not in told.model_dump_json() and tree.AWS_KEY not in told.model_dump_json()


@pytest.mark.requires("trivy")
async def test_trivy_finds_a_vulnerability_in_a_fresh_database(request_: ScanRequest, tmp_path: Path) -> None:
    trivy_db.write(tmp_path / "cache", "requests", "2.20.0", datetime.now(UTC))
    told = await look(request_)
    [found] = [f for f in told.findings if f.rule == trivy_db.ADVISORY]
    assert found.message == "requests 2.19.0: Made up for a test; fixed in 2.20.0" and told.blind == ()


@pytest.mark.requires("trivy")
async def test_trivy_uses_an_old_database_that_it_cannot_renew_and_says_so(
    request_: ScanRequest, tmp_path: Path
) -> None:
    trivy_db.write(tmp_path / "cache", "requests", "2.20.0", datetime(2026, 1, 1, tzinfo=UTC))
    told = await look(request_.model_copy(update={"options": {**request_.options, **UNREACHABLE}}))
    assert trivy_db.ADVISORY in {f.rule for f in told.findings}
    assert told.blind == (
        "the vulnerability database is too old (2026-01-01): trivy image --download-db-only renews it",
    )


@pytest.mark.requires("trivy")
async def test_trivy_cannot_read_an_image_that_is_none(request_: ScanRequest, tmp_path: Path) -> None:
    trivy_db.write(tmp_path / "cache", "requests", "2.20.0", datetime.now(UTC))
    tar = tmp_path / "image.tar"
    tar.write_bytes(os.urandom(2048))
    made = Artifact(kind="image", digest="sha256:00", location=str(tar))
    with pytest.raises(ReportError, match="trivy ended with exit code 1"):
        await look(request_.model_copy(update={"artifact": made}))


@pytest.mark.requires("trivy")
async def test_trivy_looks_into_an_image(request_: ScanRequest, tmp_path: Path) -> None:
    trivy_db.write(tmp_path / "cache", "requests", "2.20.0", datetime.now(UTC))
    tar = image.write(tmp_path / "image.tar", "requests", "2.19.0", user="app")
    made = Artifact(kind="image", digest="sha256:00", location=str(tar))
    told = await look(request_.model_copy(update={"artifact": made}))
    assert trivy_db.ADVISORY in {f.rule for f in told.findings}
    assert told.looked_at >= 1 and told.blind == ()
