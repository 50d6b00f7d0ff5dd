"""`tes init`: a commented tes.yaml of what was detected, to be made one's own."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from domain.detection import Detected, detect
from domain.errors import SpecError
from domain.spec_text import parse
from domain.yaml_tree import scalar
from tasks.spec_file import NAMES, known_names, look


def write(project: Path, *, force: bool = False) -> Path:
    """Writes the project's tes.yaml and returns its path. SpecError when there is one (unless `force`) or when the
    folder cannot be written to."""
    if not project.is_dir():
        raise SpecError(f"project {project} is not a folder", fix="name the folder that holds the service's source")
    there = [project / name for name in NAMES if os.path.lexists(project / name)]
    if there and not force:
        raise SpecError(f"{there[0]} is there already", fix="edit it, or write it anew with --force")
    path = there[0] if there else project / NAMES[0]
    text = render(detect(*look(project)).runnable(known_names()["runners"]))
    parse(text, str(path))
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise SpecError(f"{path} cannot be written: {error.strerror}", fix="make the folder writable") from None
    return path


def render(detected: Detected) -> str:
    """The text of a tes.yaml that says what was detected, with the reason beside it, and shows the rest as comments."""
    suites = detected.suites or ()
    why = detected.why
    lines = [
        "# What the Test Execution System does with this project. Every key is optional:",
        "# docs/reference/tes-yaml.md explains them.",
        "# Check it with `tes validate`.",
        *_because(why, "name"),
        f"name: {_text(detected.name or 'service')}",
        "",
        "build:",
        "  builder: auto  # bundle, docker, or whichever the platform runs",
        *_because(why, "build.requirements", "  "),
        _list("requirements", detected.requirements, "  ", "[requirements.txt]"),
        "  # exclude: [docs/**]",
        "",
        "scan:",
        "  scanners: [bandit, detect_secrets, pip_audit, trivy]",
        "  severity: high  # at or above this, a finding fails the release",
        "  # waivers:",
        "  #   - {rule: B105, path: src/example.py, owner: me, reason: not a password, expires: 2030-01-31}",
        "",
        "tests:",
        *_because(why, "tests.requirements", "  "),
        _list("requirements", detected.test_requirements or None, "  ", "[pytest]"),
        *_because(why, "tests.suites", "  "),
        "  suites:" if suites else "  # suites: [{framework: pytest, paths: [tests]}]",
        *(f"    - {{name: {_text(suite.name)}, framework: {_text(suite.framework)}}}" for suite in suites),
        "",
        "# load:",
        "#   scenario: {rate: 20, duration: 10s, requests: [{path: /}]}",
        "#   thresholds: {p95: 300ms, error_rate: 0.01}",
        "",
        "release:",
        *_because(why, "release.command", "  "),
        _list("command", detected.command, "  ", '[python, -m, my_service, --port, "${PORT}"]'),
        "  health:",
        "    path: /healthz  # answers 2xx when a copy can take traffic",
        "    grace: 30s",
        "  # migrations: {command: [python, -m, my_service.migrate]}",
        "  # environment: {LOG_LEVEL: info}",
        "  # secrets: {DATABASE_URL: env:DATABASE_URL}  # a reference, never the secret",
        "",
        "environments:",
        "  staging:",
        "    strategy: all_at_once",
        "  production:",
        "    strategy: canary",
        "    steps: [{weight: 10, bake: 30s}, {weight: 50, bake: 30s}]",
        "    verify:",
        "      bake: 30s",
        "      thresholds: {error_rate: 0}",
        "",
    ]
    return "\n".join(lines)


def _because(why: dict[str, str], key: str, indent: str = "") -> list[str]:
    # A reason may quote a file's name; a comment must stay one line of text.
    words = "".join(sign if sign.isprintable() else " " for sign in why.get(key, "")).split()
    return [f"{indent}# {' '.join(words)}"] if words else []


def _text(value: str) -> str:
    """A word as it is when YAML takes it for that very word, else in quotes, with what cannot be seen escaped."""
    if value.isascii() and value.isalpha() and scalar(value) == value:
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(sign if sign.isprintable() else f"\\U{ord(sign):08x}" for sign in quoted)


def _list(key: str, values: Sequence[str] | None, indent: str, example: str) -> str:
    if values is None:
        return f"{indent}# {key}: {example}"
    return f"{indent}{key}: [{', '.join(_text(value) for value in values)}]"
