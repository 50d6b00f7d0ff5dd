"""The smallest project that has every stage: a standard-library service, one test, one second of load, a canary."""

from __future__ import annotations

from pathlib import Path

_APP = """\
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "one"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = VERSION.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

_TEST = """\
import app


def test_it_has_a_version():
    assert app.VERSION
"""

_SPEC = """\
name: {name}
scan: {{scanners: [bandit]}}
tests:
  suites: [{{name: unit, framework: pytest, timeout: 2m}}]
load:
  generator: k6
  scenario: {{rate: 10, duration: 1s, requests: [{{path: /, status: 200}}]}}
  thresholds: {{error_rate: 0, checks: 1, min_requests: 2}}
release:
  command: [python, app.py, "${{PORT}}"]
  health: {{path: /, interval: 100ms, successes: 2, grace: 30s}}
  drain: 1s
environments:
  staging:
    strategy: canary
    steps: [{{weight: 20, bake: 300ms}}, {{weight: 60, bake: 300ms}}]
    warm: 10m
    verify: {{bake: 500ms, rate: 10, smoke: [{{path: /, status: 200}}]}}
"""


def tiny(folder: Path, name: str) -> Path:
    """The project, written into a new folder."""
    folder.mkdir(parents=True)
    (folder / "app.py").write_text(_APP)
    (folder / "requirements.txt").write_text("")
    (folder / "test_app.py").write_text(_TEST)
    (folder / "tes.yaml").write_text(_SPEC.format(name=name))
    return folder


def change(project: Path, version: str) -> None:
    """Makes another revision of it: the service answers with this word from now on."""
    (project / "app.py").write_text(_APP.replace('"one"', f'"{version}"'))
