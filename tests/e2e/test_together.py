"""Two services as one release on the local platform: kill -9 in the middle, and whoever comes next ends it for both."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import chain
from tests.e2e.driver import Tes
from tests.e2e.tiny import change, tiny

_numbers = itertools.count(1)


@pytest.fixture
def pair(tes: Tes, tmp_path: Path) -> Iterator[list[Path]]:
    """Two services whose first revision was released as one, a second one in their work trees, and for each a client
    that counts every answer which is neither."""
    number = next(_numbers)
    projects = [tiny(tmp_path / name, name) for name in (f"cart-{number}", f"shop-{number}")]
    answer = tes.run("deploy", *map(str, projects), "-e", "staging", "--json")
    assert answer.code == 0, answer.err + answer.out
    assert answer.report["services"] == [one.name for one in projects] and answer.report["torn"] == ""
    clients = []
    for project in projects:
        change(project, "two")
        clients.append(chain.Client(chain.seen(tes, project.name).address, {"one", "two"}))
        clients[-1].start()
    yield projects
    for client in clients:
        client.over.set()
        client.join()
        assert client.asked and not client.wrong


def stable(tes: Tes, projects: list[Path]) -> list[str]:
    return [str(chain.seen(tes, one.name).stable) for one in projects]


def alone(tes: Tes, projects: list[Path]) -> bool:
    """Whether the stable release of each has all the traffic, and nobody holds it."""
    states = [chain.seen(tes, one.name) for one in projects]
    return all([r.weight for r in s.releases if r.weight] == [100] and s.lease is None for s in states)


def killed_at(tes: Tes, projects: list[Path], stage: str) -> None:
    """A release of both whose process is killed when every one of them has come to that stage."""
    known = set((tes.home / "runs").iterdir())
    running = tes.start("deploy", *map(str, projects), "-e", "staging")

    def there() -> bool:
        assert running.poll() is None, f"it ended before {stage}: {running.communicate()[0]}"
        new = [one for one in (tes.home / "runs").iterdir() if one not in known]
        return len(new) == len(projects) and all(chain.begun(one, stage) for one in new)

    chain.until(there, stage)
    with contextlib.closing(sqlite3.connect(tes.home / "records.db")) as found:
        query = "select distinct pid from runs where project = ? and state = 'running'"
        ((pid,),) = found.execute(query, (projects[0].name,)).fetchall()
    os.kill(pid, signal.SIGKILL)
    running.communicate()


def test_killed_before_both_were_promoted_a_rollback_of_one_takes_both_back(tes: Tes, pair: list[Path]) -> None:
    old = stable(tes, pair)
    killed_at(tes, pair, "shift")
    answer = tes.run("rollback", str(pair[1]), "--environment", "staging", "--json")
    assert answer.code == 0, answer.err + answer.out
    assert f"{pair[0].name} is at {old[0]} (old)" in json.dumps(answer.report["decision"]["advice"])
    assert stable(tes, pair) == old and alone(tes, pair)


def test_killed_after_both_were_promoted_the_same_release_again_arrives(tes: Tes, pair: list[Path]) -> None:
    old = stable(tes, pair)
    killed_at(tes, pair, "verify")
    assert not set(stable(tes, pair)) & set(old)
    answer = tes.run("deploy", *map(str, pair), "-e", "staging", "--json")
    assert answer.code == 0, answer.err + answer.out
    assert stable(tes, pair) == [one["version"] for one in answer.report["reports"]] and alone(tes, pair)
    back = tes.run("rollback", *map(str, pair), "--environment", "staging", "--json")
    assert back.code == 0, back.err + back.out
    assert stable(tes, pair) == old and alone(tes, pair)
    told = tes.run("status").out
    assert f"released as one with {pair[1].name}" in told
