"""What is run in which order: what is known of earlier runs, else how large the files are."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Optional, Set

from .gather import file_of
from .lessons import in_order
from .worker import Plan

A_BYTE = 1e-5
"""Seconds that a byte of a test file is worth where nothing is known of it: 30 kB are a third of a second."""


def make_plan(
    config: Any,
    options: Any,
    *,
    nodes: List[Any],
    items: Optional[List[List[Any]]],
    group_by: str,
    workers: int,
    keep_order: bool,
) -> Plan:
    """The plan. With `keep_order` the batches stay as they stand."""
    known = _by_file(read(options.durations) or {})
    files = [file_of(node) for node in nodes]
    seconds = [known.get(file, {}) for file in files]
    select = read(options.select)
    if select is not None and items is None:
        seconds = _chosen(seconds, files, set(select))
    if items is None:
        expected = [sum(of.values()) or _size(node) for of, node in zip(seconds, nodes)]
    else:
        expected = [sum(of.get(item.nodeid, 0.0) for item in batch) or 0.001 * len(batch)
                    for of, batch in zip(seconds, items)]  # fmt: skip
    ordered = in_order(config)
    total = sum(expected)
    order = list(range(len(nodes)))
    if not keep_order:
        order.sort(key=lambda batch: (-expected[batch], batch))
    alone = {batch for batch, file in enumerate(files) if file in ordered}
    dominating = {b for b, of in enumerate(seconds) if of and not keep_order and expected[b] > total / workers / 2}
    return Plan(
        nodes=nodes,
        items=items,
        order=order,
        expected=expected,
        seconds=seconds,
        group_by=group_by,
        dominating=dominating - alone,
        done=set(),
        select=None if select is None else set(select),
        leave=set(read(options.leave) or ()),
        repeat=read(options.repeat) or {},
        alone=alone,
        doubts=not getattr(config.option, "maxfail", 0) and (len(nodes) > 1 or group_by != "file"),
    )


def read(path: Optional[str]) -> Any:
    """A JSON file; None when there is none to read."""
    if not path:
        return None
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def _by_file(durations: Dict[str, float]) -> Dict[str, Dict[str, float]]:
    found: Dict[str, Dict[str, float]] = {}
    for node, seconds in durations.items():
        found.setdefault(node.partition("::")[0], {})[node] = seconds
    return found


def _chosen(seconds: List[Dict[str, float]], files: List[str], select: Set[str]) -> List[Dict[str, float]]:
    """Without the cases that are not to run; what it costs to collect a file is paid for any of them."""
    return [of if file in select else {name: cost for name, cost in of.items() if name in select or name == file}
            for of, file in zip(seconds, files)]  # fmt: skip


def _size(node: Any) -> float:
    try:
        return os.stat(node.path).st_size * A_BYTE
    except (OSError, AttributeError):
        return 0.1
