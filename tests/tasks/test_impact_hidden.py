"""What happens where no tracer looks by itself: in processes, threads, tasks, caches that are full, sockets, tear-downs
after the last case. No case whose fingerprint may lack something is quoted. For both tracers."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tasks import impact_store as store
from tests.tasks.impact_project import Project, cases

SHOP = {
    "shop/__init__.py": "",
    "shop/deep.py": """
        def rate(): return 2
        def loop(): return 3
        def gone(): return 4
        def price(x): return x * 10
        def later(): return 5
        def numbers():
            n = 0
            while True:
                n += step()
                yield n
        def step(): return 1
        """,
    "shop/held.py": """
        import asyncio, functools, threading, time
        from shop.deep import gone, later, loop, numbers, price, rate

        _held = _late = _task = None
        ids = numbers()
        quick = functools.lru_cache(price)

        def held():
            global _held
            if _held is None: _held = rate()
            return _held

        @functools.lru_cache
        def kept(x): return price(x)

        def one(x): return kept(x)
        def two(x): return kept(x)
        def three(x): return quick(x)
        def four(x): return quick(x)

        def late():
            global _late
            if _late is None:
                thread = threading.Thread(target=_load)
                thread.start(); thread.join()
            return _late
        def _load():
            global _late
            _late = later()

        async def task():
            global _task
            if _task is None: _task = await asyncio.create_task(wanted())
            return _task
        async def wanted(): return later()

        def serve(asked, answers):
            while True:
                if asked.get() is None: return
                answers.put(1 + loop() - loop())
        """,
}

TESTS = """
    import asyncio, queue, threading
    import pytest
    from shop import deep, held

    # -- a cache that is filled beside, or before
    def test_rate_first():
        assert deep.rate() == 2
        assert held.held() == 2
    def test_rate_held():
        assert held.held() == 2
    def test_kept_one(): assert held.one(5) == 50
    def test_kept_two(): assert held.two(5) == 50
    def test_kept_three(): assert held.three(5) == 50
    def test_kept_four(): assert held.four(5) == 50
    def test_late_first(): assert held.late() == 5
    def test_late_again(): assert held.late() == 5
    def test_task_first(): assert asyncio.run(held.task()) == 5
    def test_task_again(): assert asyncio.run(held.task()) == 5

    # -- what somebody else began
    def test_ids_first(): assert next(held.ids) == 1
    def test_ids_again(): assert next(held.ids) >= 1
    asked, answers = queue.Queue(), queue.Queue()
    def ask():
        asked.put(1)
        return answers.get(timeout=5)
    def test_thread_first():
        threading.Thread(target=held.serve, args=(asked, answers), daemon=True).start()
        assert ask() == 1
    def test_thread_again(): assert ask() == 1

    # -- in the middle of something
    @pytest.fixture(scope="module")
    def wide(): return 1
    def asks(request): return request.getfixturevalue("wide") + deep.gone() - 4
    def test_asks(request): assert asks(request) == 1
"""


def interpreters() -> list[str]:
    """This one, and one with the other way to trace, where it has pytest."""
    return [sys.executable, *([other] if (other := another()) else [])]


def another() -> str | None:
    import os

    return os.environ.get("OTHER_PYTHON") or None


@pytest.fixture(scope="module", params=interpreters(), ids=["here", "other"][: len(interpreters())])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    files = {**SHOP, "tests/test_shop.py": TESTS, "tests/conftest.py": ""}
    made = Project.made(
        tmp_path_factory.mktemp("hidden"), files, python=request.param, options={"workers": 1}, words=("tests",)
    )
    _, _, outcomes = made.run()
    assert set(outcomes.values()) == {"passed"}, made.printed
    known = store.reading(made.store)
    assert known is not None
    doubts = {case.name: case.doubt for case in store.cases(known) if case.doubt}
    known.close()
    assert not doubts
    return made


@pytest.fixture
def project(recorded: Project, tmp_path: Path) -> Project:
    shutil.copytree(recorded.root.parent, tmp_path / "copy")
    home = tmp_path / "copy"
    return Project(home / "project", home / "store.sqlite3", home / "out", recorded.python)


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("shop/deep.py", "return 2", "return 1 + len('1')", {"test_rate_first", "test_rate_held"}),
        (
            "shop/held.py",
            "kept(x): return price(x)",
            "kept(x): return int(price(x))",
            {"test_kept_one", "test_kept_two"},
        ),
        ("shop/deep.py", "x * 10", "10 * x", {f"test_kept_{n}" for n in ("one", "two", "three", "four")}),
        (
            "shop/deep.py",
            "return 5",
            "return int('5')",
            {"test_late_first", "test_late_again", "test_task_first", "test_task_again"},
        ),
        ("shop/deep.py", "n += step()", "n = n + step()", {"test_ids_first", "test_ids_again"}),
        ("shop/deep.py", "step(): return 1", "step(): return int('1')", {"test_ids_first", "test_ids_again"}),
        ("shop/held.py", "while True:", "while 1 < 2:", {"test_thread_first", "test_thread_again"}),
        ("shop/held.py", "asked.get() is None", "None is asked.get()", {"test_thread_first", "test_thread_again"}),
        ("shop/deep.py", "return 3", "return int('3')", {"test_thread_first", "test_thread_again"}),
        ("tests/test_shop.py", "- 4", "+ 1 - 5", {"test_asks"}),
        ("tests/test_shop.py", "assert asks(request) == 1", "assert 1 == asks(request)", {"test_asks"}),
        ("shop/deep.py", "return 4", "return int('4')", {"test_asks"}),
    ],
)
def test_what_was_executed_out_of_sight_counts(
    project: Project, name: str, old: str, new: str, expected: set[str]
) -> None:
    project.change(name, old, new)
    planned = project.plan()
    assert cases(planned) >= expected, planned.why
    # Nor is it simply all of them.
    assert cases(planned) != {case.name for case in planned.reused} | cases(planned), planned.why
