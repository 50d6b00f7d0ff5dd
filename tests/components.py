"""Real components that tests can ask for, and how to see whether one is here.

A probe returns None, or the reason with what to do about it. A name on PATH is enough for a tool;
a service must answer.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

MAVEN_REPO = Path("/usr/share/maven-repo")
"""Where Debian puts what Maven and Gradle need: the tests take nothing from the network."""

Probe = Callable[[], str | None]


def _on_path(*names: str, fix: str) -> Probe:
    def probe() -> str | None:
        return None if any(shutil.which(name) for name in names) else f"{' or '.join(names)} not on PATH ({fix})"

    return probe


def _module(name: str) -> Probe:
    def probe() -> str | None:
        try:
            there = importlib.util.find_spec(name) is not None
        except ModuleNotFoundError:  # of a package that it would be in
            there = False
        return None if there else f"module {name} is not installed (make test installs it)"

    return probe


def _docker() -> str | None:
    # In a process of its own: a client that fails to connect leaves its socket open, and the warning would land
    # on some innocent test.
    ask = [sys.executable, "-c", "import docker; docker.from_env(timeout=5).ping()"]
    try:
        answered = subprocess.run(ask, capture_output=True, timeout=30).returncode == 0
    except subprocess.TimeoutExpired:
        answered = False
    return None if answered else "no engine answers (scripts/start-docker.sh, or start Docker)"


def _java(name: str, *files: str, fix: str) -> Probe:
    def probe() -> str | None:
        tool = _on_path(name, fix=fix)()
        gone = [file for file in files if not any(MAVEN_REPO.glob(file))]
        return tool or (f"no {gone[0]} in {MAVEN_REPO} ({fix})" if gone else None)

    return probe


def _catch2() -> str | None:
    fix = "apt-get install g++ catch2"
    header = "/usr/include/catch2/catch.hpp"
    return _on_path("g++", fix=fix)() or (None if Path(header).exists() else f"no {header} ({fix})")


def _postgres() -> str | None:
    if importlib.util.find_spec("pgserver") or shutil.which("postgres"):
        return None
    if any(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        return None
    return "neither the module pgserver nor a postgres binary (apt-get install postgresql)"


def _package_index() -> str | None:
    ask = [sys.executable, "-m", "pip", "index", "versions", "--quiet", "six"]
    try:
        answered = subprocess.run(ask, capture_output=True, timeout=60).returncode == 0
    except subprocess.TimeoutExpired:
        answered = False
    return None if answered else "pip reaches no package index (see `pip config list`)"


def _npm_registry() -> str | None:
    if not shutil.which("npm"):
        return "npm not on PATH (apt-get install npm)"
    try:
        ask = ["npm", "ping", "--fetch-retries=0", "--fetch-timeout=10000"]
        answered = subprocess.run(ask, capture_output=True, timeout=30).returncode == 0
    except subprocess.TimeoutExpired:
        answered = False
    return None if answered else "npm reaches no registry (see `npm config get registry`)"


def _kubernetes() -> str | None:
    fix = "set KUBECONFIG to a cluster that tests may use: make test-kubernetes KUBECONFIG=..."
    if not os.environ.get("KUBECONFIG"):
        return f"KUBECONFIG is not set ({fix})"
    # In a process of its own, as with docker.
    ask = "from blocks.platforms.kubernetes_parts.api import connected; connected(None, None, 5).get('/version')"
    try:
        answered = subprocess.run([sys.executable, "-c", ask], capture_output=True, timeout=60).returncode == 0
    except subprocess.TimeoutExpired:
        answered = False
    return None if answered else f"no cluster answers at {os.environ['KUBECONFIG']} ({fix})"


def _azure_models() -> str | None:
    names = ("identity", "mgmt.containerinstance", "mgmt.network", "mgmt.trafficmanager")
    for name in names:
        try:
            found = importlib.util.find_spec(f"azure.{name}")
        except ModuleNotFoundError:
            found = None
        if found is None:
            package = f"azure-{name.replace('.', '-')}"
            return f"{package} is not installed (pip install {package})"
    return None


COMPONENTS: dict[str, Probe] = {
    "azure-mgmt": _azure_models,
    "azurite": _on_path("azurite-blob", fix="npm install --global azurite"),
    "bandit": _module("bandit"),
    "boto3": _module("boto3"),
    "cargo": _on_path("cargo", fix="install Rust, rustup.rs"),
    "catch2": _catch2,
    "chromium": _on_path("chromium", "chromium-browser", "google-chrome", fix="apt-get install chromium"),
    "detect-secrets": _module("detect_secrets"),
    "docker": _docker,
    "docker-registry": _on_path("docker-registry", fix="apt-get install docker-registry"),
    "docker-worker": _module("prefect_docker"),
    "ecs-worker": _module("prefect_aws"),
    "go": _on_path("go", fix="apt-get install golang-go"),
    "google-cloud-run": _module("google.cloud.run_v2"),
    "gotestsum": _on_path("gotestsum", fix="apt-get install gotestsum"),
    "gradle": _java("gradle", "junit/junit/4.x", fix="apt-get install gradle junit4"),
    "k6": _on_path("k6", fix="make tools"),
    "kubernetes": _kubernetes,
    "kubernetes-asyncio": _module("kubernetes_asyncio"),
    "kubernetes-worker": _module("prefect_kubernetes"),
    "locust": _module("locust"),
    "maven": _java(
        "mvn",
        *("junit/junit/4.x", "org/apache/maven/plugins/maven-resources-plugin/3.*"),
        *("org/apache/maven/plugins/maven-compiler-plugin/3.*", "org/apache/maven/surefire/surefire-junit4/2.*"),
        fix="apt-get install maven libsurefire-java libmaven-compiler-plugin-java libmaven-resources-plugin-java",
    ),
    "ministack": _module("ministack"),
    "moto": _module("moto"),
    "nextest": _on_path("cargo-nextest", fix="make tools"),
    "node": _on_path("node", fix="apt-get install nodejs"),
    "npm-registry": _npm_registry,
    "package-index": _package_index,
    "phpunit": _on_path("phpunit", fix="apt-get install phpunit"),
    "pip-audit": _module("pip_audit"),
    "postgres": _postgres,
    "prometheus": _on_path("prometheus", fix="apt-get install prometheus"),
    "redis": _on_path("redis-server", fix="apt-get install redis-server"),
    "trivy": _on_path("trivy", fix="make tools"),
}


@functools.cache
def missing(name: str) -> str | None:
    """None when the component is here, else why it is not. Looked up once a session."""
    return COMPONENTS[name]()
