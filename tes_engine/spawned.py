"""A worker that is a process of its own: it configures and collects for itself and takes its work from the board."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Iterator, List, Optional

import pytest

from .afterfork import apart, capture_apart, introduce, last_words, silence, temporary
from .board import SPARE, Board
from .controller import Controller
from .cover import worker_coverage
from .gather import file_of
from .hands import Hand, work
from .journal import Journal
from .surface import BLOCK, Surface
from .worker import Todo


def write_orders(path: str, foreman: Any, hand: Hand, base: Optional[str]) -> None:
    """What the worker needs to know, beside the options that it gets again."""
    batches = {one.batch for one in hand.todo}
    orders = {
        "number": hand.number,
        "incarnation": hand.incarnation,
        "role": hand.role,
        "orders": hand.orders,
        "name": hand.name,
        "count": foreman.count,
        "run": foreman.run,
        "base": base,
        "board": foreman.board.path,
        "files": [file_of(node) for node in foreman.nodes],
        "todo": [list(one) for one in hand.todo],
        "done": [case for batch in batches for case in foreman.finished.get(batch, ())],
        "resumed": sorted(foreman.resumed),
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(orders, file)


def run(options: Any) -> int:
    """The worker's process. Returns its exit code."""
    with open(options.worker, encoding="utf-8") as file:
        orders: Dict[str, Any] = json.load(file)
    journal = Journal(os.path.join(options.out, "journal"), orders["name"])
    from .main import recorders

    plugin = Spawned(options, orders, journal)
    code = int(pytest.main([*BLOCK, *options.arguments], plugins=[Surface(), plugin, *recorders(options)]))
    return plugin.code if plugin.code is not None else code or 1


class Spawned(Controller):
    """Collects as the parent did, then works as a forked worker would."""

    def __init__(self, options: Any, orders: Dict[str, Any], journal: Journal) -> None:
        super().__init__(options, journal)
        self.orders = orders
        self.code: Optional[int] = None
        last_words(os.path.join(options.out, "workers", f"{orders['name']}.stacks"))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: Any) -> Iterator[None]:
        introduce(early_config, self.orders["number"], self.orders["count"], self.orders["run"])
        # pytest-cov takes itself for the only process here, and would erase what other workers have measured.
        early_config.known_args_namespace.cov_append = True
        yield

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: Any) -> None:
        apart(config, self.options)
        silence(config)
        capture_apart(config, os.path.join(self.options.out, "workers", self.orders["name"]))
        temporary(config, self.orders["base"], self.orders["number"])

    def pytest_collectreport(self, report: Any) -> None:
        """The parent has said what it found above the files."""

    def pytest_deselected(self, items: List[Any]) -> None:
        """So it has here."""
        self.deselected += items

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> Optional[bool]:
        self.plan_only()
        mine = [file_of(node) for node in self.nodes]
        if mine != self.orders["files"]:
            text = "a worker process collects other files than its parent: it cannot take part"
            self.journal.write({"e": "problem", "text": text}, {"e": "bye", "w": f"gw{self.orders['number']}"})
            self.code = 0
            return True
        self.plan.done.update(self.orders["done"], self.orders["resumed"])
        board = Board(self.orders["board"], len(self.nodes), self.orders["count"] + SPARE)
        todo = [Todo(*one) for one in self.orders["todo"]]
        orders = self.orders
        hand = Hand(orders["number"], orders["incarnation"], todo, orders["role"], orders["orders"])
        with worker_coverage(session.config):
            self.code = work(session, self.plan, board, self.journal, hand)
        return True
