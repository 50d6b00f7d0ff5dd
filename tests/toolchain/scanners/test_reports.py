"""What is read from recorded reports of the real tools. A new case is a file below fixtures/ and a row here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.findings import ScanReport
from tests.toolchain.scanners import tree, trivy_db
from tests.toolchain.scanners.gate import recorded
from toolchain.registry import module
from toolchain.scanners import ScanRequest

FIXTURES = Path(__file__).with_name("fixtures")
MAIN, KEYS, TEST = "app/main.py", "app/keys.py", "tests/test_main.py"

# scanner, report, exit code → (rule, severity, path, line) of each finding, worst first; what was looked at; blind
READ: list[tuple[str, str, int, list[tuple[str, str, str, int]], int, list[str]]] = [
    ("bandit", "findings", 1, [("B602", "high", MAIN, 7), ("B404", "low", MAIN, 1), ("B105", "low", MAIN, 3)], 3, []),
    ("bandit", "clean", 0, [], 1, []),
    ("bandit", "nothing", 0, [], 0, []),
    ("bandit", "unparsed", 0, [], 1, ["app/broken.py: syntax error"]),
    (
        "detect_secrets",
        "findings",
        0,
        [("AWS Access Key", "critical", KEYS, 1), ("Secret Keyword", "medium", MAIN, 3)],
        5,
        [],
    ),
    ("detect_secrets", "clean", 0, [], 5, []),
    ("pip_audit", "findings", 1, [("PYSEC-2099-1", "high", "requirements.txt", 0)], 2, []),
    ("pip_audit", "clean", 0, [], 1, ["in the lock, but not in the report: requests"]),
    ("pip_audit", "nothing", 0, [], 0, ["2 package(s) in the lock, but not in the report: requests, jinja2"]),
    ("pip_audit", "skipped", 0, [], 0, ["2 package(s) not looked up: requests (Dependency not found"]),
    (
        "trivy",
        "findings",
        0,
        [
            ("aws-access-key-id", "critical", KEYS, 1),
            ("DS-0002", "high", "Dockerfile", 0),
            ("CVE-2099-0001", "high", "requirements.txt", 0),
            ("DS-0001", "medium", "Dockerfile", 1),
        ],
        5,
        [],
    ),
    ("trivy", "clean", 0, [], 5, []),
]


@pytest.fixture
def request_(tmp_path: Path) -> ScanRequest:
    root = tree.faulty(tmp_path / "source")
    trivy_db.write(tmp_path / "cache", "requests", "2.20.0", datetime.now(UTC))
    return ScanRequest(
        root=root,
        out=tmp_path / "out",
        exclude=("tests/**",),
        lock=root / "requirements.txt",
        options={"cache_dir": str(tmp_path / "cache")},
    )


def parsed(scanner: str, report: str, code: int, request: ScanRequest, *argv: str) -> ScanReport:
    ran = recorded(FIXTURES / scanner / f"{report}.json", request, code, argv or (scanner,))
    read: Callable[..., ScanReport] = module("toolchain.scanners", scanner).parse
    return read(ran, request)


@pytest.mark.parametrize(("scanner", "report", "code", "found", "looked_at", "blind"), READ)
def test_a_recorded_report_says(
    scanner: str,
    report: str,
    code: int,
    found: list[tuple[str, str, str, int]],
    looked_at: int,
    blind: list[str],
    request_: ScanRequest,
) -> None:
    told = parsed(scanner, report, code, request_)
    assert [(f.rule, f.severity.value, f.path, f.line) for f in told.findings] == found
    assert told.looked_at == looked_at
    assert len(told.blind) == len(blind) and all(want in said for want, said in zip(blind, told.blind, strict=True))


@pytest.mark.parametrize("scanner", ["bandit", "detect_secrets", "trivy"])
def test_no_secret_gets_from_a_report_into_a_finding(scanner: str, request_: ScanRequest) -> None:
    report = FIXTURES / scanner / "findings.json"
    told = parsed(scanner, "findings", 1 if scanner == "bandit" else 0, request_).model_dump_json()
    assert told.count("fingerprint") == 0 and tree.PASSWORD not in told and "AKIA" not in told
    hashes = {line.split('"')[3] for line in report.read_text().splitlines() if "hashed_secret" in line}
    assert not any(value in told for value in hashes)


def test_what_is_excluded_is_neither_reported_nor_counted(request_: ScanRequest) -> None:
    everything = request_.model_copy(update={"exclude": ()})
    for scanner, code in (("bandit", 1), ("detect_secrets", 0)):
        all_, some = (parsed(scanner, "findings", code, r) for r in (everything, request_))
        assert any(f.path == TEST for f in all_.findings) and not any(f.path == TEST for f in some.findings)
        assert some.looked_at < all_.looked_at


def test_two_heuristics_that_agree_on_a_string_weigh_more_than_one(tmp_path: Path, request_: ScanRequest) -> None:
    report = tmp_path / "report.json"
    same = '{"type": "%s", "line_number": 3, "hashed_secret": "00"}'
    both = ", ".join(same % kind for kind in ("Base64 High Entropy String", "Secret Keyword"))
    report.write_text('{"version": "1", "plugins_used": [{"name": "x"}], "results": {"app/main.py": [%s]}}' % both)
    told = module("toolchain.scanners", "detect_secrets").parse(recorded(report, request_, 0), request_)
    assert [(f.rule, f.severity) for f in told.findings] == [("Secret Keyword", "high")]


@pytest.mark.parametrize(
    ("content", "blind"),
    [
        (b"name = 'M\xfcller'\n", "1 file(s) not UTF-8, so not examined: app/latin.txt"),
        (b"\x89PNG\r\n\0\0\xff", None),
    ],
)
def test_text_that_detect_secrets_cannot_decode_makes_it_blind_and_a_binary_does_not(
    content: bytes, blind: str | None, request_: ScanRequest
) -> None:
    (request_.root / "app" / "latin.txt").write_bytes(content)
    told = parsed("detect_secrets", "clean", 0, request_)
    assert told.blind == ((blind,) if blind else ()) and told.looked_at == 5


DATABASE = [
    (timedelta(days=-2), None),
    (timedelta(days=-4), "the vulnerability database is too old"),
    (timedelta(days=2), "the vulnerability database is too old"),
]


@pytest.mark.parametrize(("age", "blind"), DATABASE)
def test_trivy_with_an_old_database_is_blind(
    age: timedelta, blind: str | None, request_: ScanRequest, tmp_path: Path
) -> None:
    trivy_db.write(tmp_path / "other", "requests", "2.20.0", datetime.now(UTC) + age)
    request = request_.model_copy(update={"options": {"cache_dir": str(tmp_path / "other")}})
    told = parsed("trivy", "clean", 0, request)
    assert [line[: len(blind or "")] for line in told.blind] == ([blind] if blind else [])


def test_trivy_without_a_database_still_finds_secrets_and_says_what_it_did_not_see(request_: ScanRequest) -> None:
    told = parsed("trivy", "no_database", 0, request_, "trivy", "--scanners", "secret,misconfig,license")
    assert {f.rule for f in told.findings} == {"aws-access-key-id", "DS-0001", "DS-0002"}
    assert told.blind[0].startswith("vulnerabilities not examined")


def test_a_lock_with_hashes_markers_and_comments_is_read(tmp_path: Path) -> None:
    lock = tmp_path / "request.lock"
    lock.write_text(
        "# made by the builder\n--only-binary :all:\n"
        "Jinja2==3.1.6 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n    # via flask\n"
        'pywin32==306 ; sys_platform == "win32"\nuvicorn[standard]==0.30.0  # why\n'
    )
    assert module("toolchain.scanners", "pip_audit").locked(lock) == ("jinja2", "uvicorn")
