"""What every test stands on: a home of its own, nothing of Prefect's or ours from the outside, and honest skips.

A test that needs a real component says `@pytest.mark.requires("k6")`. Where it is missing the test is skipped and the
end of the run lists what was not tested and why. `TES_REQUIRE=docker,k6` turns a missing one into an error before the
first test: CI must not pass by skipping.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.plugins_python import plugins_python  # noqa: F401 - a fixture
from tests.components import COMPONENTS, missing

ROOT = Path(__file__).resolve().parent.parent
# No test holds a stopwatch: a busy machine is no defect.
hypothesis.settings.register_profile("tes", deadline=None)
hypothesis.settings.load_profile("tes")
SCRATCH = Path(tempfile.mkdtemp(prefix="tes-tests-"))


def _isolate() -> None:
    """Done at import, before any test module can read the environment."""
    before = Path.home()
    for name in list(os.environ):
        if name.startswith(("PREFECT_", "TES_", "XDG_")) and not name.startswith(("TES_REQUIRE", "TES_KUBERNETES_")):
            del os.environ[name]
    home = SCRATCH / "home"
    home.mkdir()
    # How this machine reaches its package indexes and its Docker engine is no state of ours: it stays.
    for name, path in {
        "PIP_CONFIG_FILE": before / ".config/pip/pip.conf",
        "PIP_CACHE_DIR": before / ".cache/pip",
        "NPM_CONFIG_USERCONFIG": before / ".npmrc",
        "NPM_CONFIG_CACHE": before / ".npm",
        "DOCKER_CONFIG": before / ".docker",
    }.items():
        if path.exists():
            os.environ.setdefault(name, str(path))
    os.environ.update(
        {
            "HOME": str(home),
            "TES_HOME": str(SCRATCH / "tes"),
            "DO_NOT_TRACK": "1",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "K6_NO_USAGE_REPORT": "true",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": "Test",
            "GIT_AUTHOR_EMAIL": "test@example.invalid",
            "GIT_COMMITTER_NAME": "Test",
            "GIT_COMMITTER_EMAIL": "test@example.invalid",
        }
    )
    tools = [str(path) for path in (Path(sys.executable).parent, ROOT / ".venv-tools/bin") if path.is_dir()]
    os.environ["PATH"] = os.pathsep.join([*tools, os.environ.get("PATH", os.defpath)])


_isolate()


def _required() -> list[str]:
    return [name.strip() for name in os.environ.get("TES_REQUIRE", "").split(",") if name.strip()]


def pytest_sessionstart() -> None:
    for name in _required():
        if name not in COMPONENTS:
            raise pytest.UsageError(f"TES_REQUIRE names {name!r}; known: {', '.join(sorted(COMPONENTS))}")
        if reason := missing(name):
            raise pytest.UsageError(f"TES_REQUIRE names {name}, but it is missing: {reason}")


# Tests that share one real runtime, database or engine stay on one worker, so that it is started once and not beside
# itself.
TOGETHER = ("e2e", "cli/runtime", "records", "deployments")
# Each test of these has a namespace of its own in a cluster, or a home of its own, and waits for it most of the time.
APART = ("blocks/test_kubernetes.py", "test_docs.py")


def place(nodeid: str) -> str:
    """What a test shares a worker with: nothing if its file is APART, its folder of TOGETHER, else its file."""
    path = nodeid.partition("::")[0].removeprefix("tests/")
    if path in APART:
        return nodeid.removeprefix("tests/")
    return next((name for name in TOGETHER if path.startswith(f"{name}/")), path)


# Seconds of the places that take long, as `--write-durations` found them. What is begun last decides when all is over:
# the longest come first. A place that is not named is short.
DURATIONS = Path(__file__).with_name("durations.json")
LONG = 3.0
SPENT: dict[str, float] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-durations", action="store_true", help=f"write {DURATIONS.name} from this run")
    parser.addoption("--long", action="store_true", help="run the tests marked `long`, too, as TES_REQUIRE does")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    at = place(report.nodeid)
    SPENT[at] = SPENT.get(at, 0.0) + report.duration


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("write_durations", False) and not hasattr(session.config, "workerinput"):
        long = {at: round(seconds, 1) for at, seconds in SPENT.items() if seconds >= LONG}
        DURATIONS.write_text(json.dumps(dict(sorted(long.items(), key=lambda one: -one[1])), indent=2) + "\n")


@pytest.hookimpl(optionalhook=True)  # the released service's own suite runs without xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hands whole places to the workers, in the order of collection."""
    from xdist.scheduler import LoadScopeScheduling

    class ByPlace(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return place(nodeid)

    config.option.loadscopereorder = False
    return ByPlace(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    seconds = json.loads(DURATIONS.read_text())
    items.sort(key=lambda item: -seconds.get(place(item.nodeid), 0.0))
    for item in items:
        for mark in item.iter_markers("requires"):
            if not mark.args or (unknown := set(mark.args) - COMPONENTS.keys()):
                named = ", ".join(sorted(unknown)) if mark.args else "nothing"
                raise pytest.UsageError(f"{item.nodeid} requires {named}; known: {', '.join(sorted(COMPONENTS))}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("long") and not (item.config.getoption("long") or _required()):
        pytest.skip("takes long: PYTEST_ARGS=--long runs it, and so does CI")
    for mark in item.iter_markers("requires"):
        for name in mark.args:
            if reason := missing(name):
                pytest.skip(f"needs {name}: {reason}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line a missing component: how many tests it kept from running, and why."""
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = text.removeprefix("Skipped: ")
        reasons[reason] = reasons.get(reason, 0) + 1
    if reasons:
        terminalreporter.section("not tested here")
        for reason, count in sorted(reasons.items()):
            terminalreporter.write_line(f"{count:5d}  {reason}")


def pytest_unconfigure() -> None:
    shutil.rmtree(SCRATCH, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def bare_pytest() -> Iterator[None]:
    """A pytest that a test starts loads no plugin that happens to be installed beside ours: that takes it three times
    as long as to start. A test of plugins has an environment of its own, and the end-to-end tests run as users do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        yield


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture
def tes_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A `TES_HOME` for this test alone."""
    home = tmp_path / "tes"
    monkeypatch.setenv("TES_HOME", str(home))
    yield home
