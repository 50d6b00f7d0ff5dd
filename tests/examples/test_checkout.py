"""The example is a real service: its tests pass, each break breaks what it says, and undo puts back every byte."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2] / "examples" / "checkout"
BREAKS = ("failing-test", "hardcoded-secret", "slow-endpoint", "never-healthy", "errors-after-promotion")
# Asks the service in process, as each kind of visitor would: prints status codes and seconds.
ASK = """
import json, time
from starlette.testclient import TestClient
from checkout import migrate
from checkout.app import app
migrate.migrate()
client = TestClient(app, raise_server_exceptions=False)
began = time.monotonic()
order = {"customer": "a", "items": [{"product": 1, "quantity": 1}]}
direct = [client.get("/products").status_code, client.post("/orders", json=order).status_code]
seconds = time.monotonic() - began
client.headers.update({"X-Forwarded-For": "203.0.113.7"})
front = [client.get("/products").status_code, client.post("/orders", json=order).status_code]
health = client.get("/healthz").status_code
print(json.dumps({"health": health, "direct": direct, "front": front, "seconds": seconds}))
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", ".pytest_cache", ".hypothesis")
    return Path(shutil.copytree(CHECKOUT, tmp_path / "checkout", ignore=ignored))


def _bytes(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mode)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _run(copy: Path, *argv: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    values = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "CHECKOUT_DATA": str(copy.parent / "data")}
    return subprocess.run(
        [sys.executable, *argv],
        cwd=copy,
        env={**values, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _tests(copy: Path) -> int:
    return _run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider").returncode


def _asked(copy: Path, environment: str) -> dict[str, object]:
    ran = _run(copy, "-c", ASK, environment={"TES_ENVIRONMENT": environment})
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    assert isinstance(answer, dict)
    return answer


def test_five_ways_to_break_it_are_listed(copy: Path) -> None:
    lines = _run(copy, "break.py", "--list").stdout.splitlines()
    assert tuple(line.split()[0] for line in lines) == BREAKS


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_one_change_that_undo_takes_back_to_the_byte(copy: Path, name: str) -> None:
    before = _bytes(copy)
    assert _run(copy, "break.py", name).returncode == 0
    broken = _bytes(copy)
    assert len([path for path in before if before[path] != broken[path]]) == 1 and before.keys() == broken.keys()
    for other in (BREAKS[0], name):
        again = _run(copy, "break.py", other)
        assert again.returncode != 0 and "broken already" in again.stderr
    assert _bytes(copy) == broken
    assert name in _run(copy, "break.py", "--undo").stdout
    assert _bytes(copy) == before
    assert "not broken" in _run(copy, "break.py", "--undo").stdout


def test_code_that_has_changed_is_not_touched(copy: Path) -> None:
    (copy / "checkout" / "pricing.py").write_text("# mine now\n")
    before = _bytes(copy)
    ran = _run(copy, "break.py", "failing-test")
    assert ran.returncode != 0 and "has changed" in ran.stderr and "Traceback" not in ran.stderr
    assert _bytes(copy) == before


def test_it_works_and_its_own_tests_pass(copy: Path) -> None:
    assert _tests(copy) == 0
    for environment in ("staging", "production", "preview-1"):
        asked = _asked(copy, environment)
        assert (asked["health"], asked["direct"], asked["front"]) == (200, [200, 201], [200, 201])


def test_the_failing_test_fails(copy: Path) -> None:
    _run(copy, "break.py", "failing-test")
    assert _tests(copy) == 1


@pytest.mark.parametrize("name", BREAKS[1:])
def test_the_other_breaks_pass_the_tests(copy: Path, name: str) -> None:
    _run(copy, "break.py", name)
    assert _tests(copy) == 0


def test_the_secret_is_found_in_the_broken_tree_only(copy: Path) -> None:
    scan = ("-m", "detect_secrets", "scan", "--all-files", ".")
    assert json.loads(_run(copy, *scan).stdout)["results"] == {}
    _run(copy, "break.py", "hardcoded-secret")
    found = json.loads(_run(copy, *scan).stdout)["results"]
    assert [[one["type"] for one in secrets] for secrets in found.values()] == [["AWS Access Key"]]


def test_the_slow_endpoint_is_beyond_the_threshold(copy: Path) -> None:
    _run(copy, "break.py", "slow-endpoint")
    assert float(str(_asked(copy, "preview-1")["seconds"])) > 0.3


def test_never_healthy_where_customers_are_and_healthy_in_a_preview(copy: Path) -> None:
    _run(copy, "break.py", "never-healthy")
    health = {name: _asked(copy, name)["health"] for name in ("preview-1", "staging", "production")}
    assert health == {"preview-1": 200, "staging": 503, "production": 503}


def test_errors_only_through_the_front_of_production(copy: Path) -> None:
    _run(copy, "break.py", "errors-after-promotion")
    assert _asked(copy, "preview-1")["front"] == [200, 201]
    asked = _asked(copy, "production")
    assert (asked["health"], asked["direct"], asked["front"]) == (200, [200, 201], [500, 500])
