"""What projects written for pytest-xdist expect to be there: its options, hooks and fixtures.

The options are taken and not obeyed: how many workers there are is the engine's business, and it says so. pytest-xdist
itself is kept out, or it would start workers of its own.
"""

from __future__ import annotations

import argparse
import uuid
from typing import Any, List, Optional

import pytest

BLOCK = ("-p", "no:xdist", "-p", "no:xdist.looponfail")
DISTRIBUTION = {"loadfile": "file", "loadscope": "class", "loadgroup": "group"}


class Ignored(argparse.Action):
    """Notes that an option was given, and leaves the value as it is when it is not given."""

    given: List[str] = []
    distribution: Optional[str] = None

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Optional[str] = None) -> None:
        word = f"{option} {values}" if values not in (None, []) else str(option)
        if word not in Ignored.given:
            Ignored.given.append(word)
        if option == "--dist":
            Ignored.distribution = str(values)


class Surface:
    """The plugin with pytest-xdist's names."""

    def __init__(self) -> None:
        self.run = uuid.uuid4().hex

    def pytest_addoption(self, parser: Any) -> None:
        group = parser.getgroup("xdist", "options of pytest-xdist, taken and not obeyed")
        add = group._addoption
        add("-n", "--numprocesses", dest="numprocesses", metavar="N", action=Ignored, default=None)
        for name, default in (("maxprocesses", None), ("max-worker-restart", None), ("dist", "no"), ("tx", [])):
            dest = name.replace("-", "") if name == "max-worker-restart" else name
            add(f"--{name}", dest=dest, action=Ignored, default=default)
        add("--px", dest="px", action=Ignored, default=[])
        add("-d", dest="distload", action=Ignored, nargs=0, default=False)
        add("--loadscope-reorder", dest="loadscopereorder", action=Ignored, nargs=0, default=True)
        add("--no-loadscope-reorder", dest="loadscopereorder", action=Ignored, nargs=0, default=True)
        add("--rsyncdir", dest="rsyncdir", action=Ignored, default=[])
        add("--rsyncignore", dest="rsyncignore", action=Ignored, default=[])
        add("--testrunuid", dest="testrunuid", action=Ignored, default=None)
        add("-f", "--looponfail", dest="looponfail", action=Ignored, nargs=0, default=False)
        parser.addini("rsyncdirs", "of pytest-xdist", type="args", default=[])
        parser.addini("rsyncignore", "of pytest-xdist", type="args", default=[])
        parser.addini("looponfailroots", "of pytest-xdist", type="args", default=[])

    def pytest_addhooks(self, pluginmanager: Any) -> None:
        pluginmanager.add_hookspecs(Hooks)

    def pytest_configure(self, config: Any) -> None:
        if not config.pluginmanager.hasplugin("cacheprovider"):
            # We say where its cache goes; a project that has switched it off must not be warned of an unknown option.
            config._parser.addini("cache_dir", "of the cache that is switched off", default="")
        config.addinivalue_line("markers", "xdist_group(name): run the cases of a group on the same worker")

    @pytest.fixture(scope="session")
    def worker_id(self, request: Any) -> str:
        """`gw0`, `gw1`, ... of this worker."""
        found = getattr(request.config, "workerinput", None)
        return found["workerid"] if found else "master"

    @pytest.fixture(scope="session")
    def testrun_uid(self, request: Any) -> str:
        """The same on all workers of a run, another for each run."""
        found = getattr(request.config, "workerinput", None)
        return found["testrunuid"] if found else self.run


class Hooks:
    """pytest-xdist's hooks. A conftest may define them; nobody calls them."""

    def pytest_xdist_setupnodes(self, config: Any, specs: Any) -> None: ...
    def pytest_xdist_newgateway(self, gateway: Any) -> None: ...
    def pytest_xdist_rsyncstart(self, source: Any, gateways: Any) -> None: ...
    def pytest_xdist_rsyncfinish(self, source: Any, gateways: Any) -> None: ...
    @pytest.hookspec(firstresult=True)
    def pytest_xdist_getremotemodule(self) -> None: ...
    def pytest_configure_node(self, node: Any) -> None: ...
    def pytest_testnodeready(self, node: Any) -> None: ...
    def pytest_testnodedown(self, node: Any, error: Any) -> None: ...
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Any) -> None: ...
    @pytest.hookspec(firstresult=True)
    def pytest_xdist_make_scheduler(self, config: Any, log: Any) -> None: ...
    @pytest.hookspec(firstresult=True)
    def pytest_xdist_auto_num_workers(self, config: Any) -> None: ...
    @pytest.hookspec(firstresult=True)
    def pytest_handlecrashitem(self, crashitem: Any, report: Any, sched: Any) -> None: ...
