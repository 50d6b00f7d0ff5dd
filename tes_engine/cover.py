"""coverage.py in a forked worker, whether the engine started it or pytest-cov did: what it saw goes into a file of its
own, which whoever started it finds and merges."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator


@contextmanager
def worker_coverage(config: Any) -> Iterator[None]:
    """Around the worker's life. Where nothing is measured, nothing happens."""
    tracers = list(_tracers(config))
    for tracer in tracers:
        data = tracer.get_data()
        # A suffix that was made in the parent would give each of its forks the same file.
        data._suffix = True
    try:
        yield
    finally:
        for tracer in tracers:
            tracer.stop()
            tracer.save()


def _tracers(config: Any) -> Iterator[Any]:
    plugin = config.pluginmanager.get_plugin("_cov")
    controller = getattr(plugin, "cov_controller", None)
    theirs = getattr(controller, "cov", None)
    if plugin is not None:
        config.pluginmanager.unregister(plugin)
    if theirs is not None:
        yield theirs
    import sys

    coverage = sys.modules.get("coverage")
    ours = coverage.Coverage.current() if coverage is not None else None
    if ours is not None and ours is not theirs:
        yield ours
