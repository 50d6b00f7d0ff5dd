"""Services that nobody here wrote, as published, with nothing but a short tes.yaml: source to production and back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.driver import Tes, Visitor, get

HERE = Path(__file__).parent

HTTPBIN = """
name: httpbin
build: {requirements: [., gunicorn, flasgger, gevent]}
scan:
  scanners: [bandit, detect_secrets]
  severity: critical  # it uses MD5, for HTTP digest authentication
tests: {requirements: [pytest]}
load:
  scenario: {rate: 20, duration: 3s, requests: [{path: /get, status: 200}, {path: /status/201, status: 201}]}
  thresholds: {error_rate: 0, p95: 1s, checks: 1.0}
release:
  command: [gunicorn, "httpbin:app", --bind, "127.0.0.1:${PORT}"]
  health: {path: /status/200}
environments:
  production:
    approval: false
    verify: {bake: 1s, smoke: [{path: /get, status: 200, contains: headers}]}
"""

# Its other test files need what the published archive leaves out: tests/__init__.py and the documentation; the one case
# expects SQLite without extensions.
DATASETTE = """
name: datasette
scan:
  scanners: [bandit, detect_secrets]
  severity: critical
tests:
  requirements: [pytest, pytest-asyncio, pytest-timeout, trustme]
  suites:
    - paths: [tests/test_utils.py, tests/test_routes.py, tests/test_internals_request.py, tests/test_internals_urls.py]
      args: ["--deselect=tests/test_utils.py::test_check_connection_spatialite_raises"]
load:
  scenario: {rate: 20, duration: 3s, requests: [{path: /-/versions.json, status: 200}]}
  thresholds: {error_rate: 0, p95: 1s, checks: 1.0}
release:
  command: [datasette, serve, --memory, --host, 127.0.0.1, --port, "${PORT}"]
  health: {path: /-/versions.json}
environments:
  production:
    approval: false
    strategy: canary
    steps: [{weight: 20, bake: 1s}]
    verify: {bake: 1s, smoke: [{path: /-/versions.json, status: 200, contains: datasette}]}
"""

SERVICES = {
    "httpbin": (HTTPBIN, "httpbin/core.py", "/get"),
    "datasette": (DATASETTE, "datasette/app.py", "/-/versions.json"),
}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distributions, unpacked, their hashes checked."""
    folder = tmp_path_factory.mktemp("published")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--require-hashes"]
    subprocess.run(
        [*pip, "--no-build-isolation", "--dest", str(folder), "-r", str(HERE / "requirements-real.txt")], check=True
    )
    for archive in folder.glob("*.tar.gz"):
        subprocess.run(["tar", "-xzf", str(archive), "-C", str(folder)], check=True)
    return folder


@pytest.mark.long
@pytest.mark.requires("package-index")
@pytest.mark.parametrize("name", SERVICES)
def test_a_published_service_is_released_replaced_without_a_failed_request_and_rolled_back(
    tes: Tes, published: Path, name: str
) -> None:
    spec, module, path = SERVICES[name]
    project = next(published.glob(f"{name}-*/"))
    (project / "tes.yaml").write_text(spec)

    first = tes.run("release", str(project), "-e", "production", "--json", timeout=600)
    assert first.code == 0, first.err + first.out
    assert first.outcomes()["tests.tests"] == "PASS"
    address = first.report["address"]
    assert get(address + path)[0] == 200

    with (project / module).open("a") as file:
        file.write("\n# the next version\n")
    with Visitor(address + path) as visitor:
        second = tes.run("release", str(project), "-e", "production", "--json", timeout=600)
    assert second.code == 0, second.err + second.out
    assert second.report["version"] != first.report["version"]
    assert (visitor.failures, visitor.count > 50) == ([], True)

    with Visitor(address + path) as visitor:
        back = tes.run("rollback", str(project), "-e", "production", "--json")
    assert back.code == 0, back.err + back.out
    assert back.report["version"] == first.report["version"] == tes.stable(name, "production")[0]
    assert (visitor.failures, visitor.count > 10) == ([], True)
