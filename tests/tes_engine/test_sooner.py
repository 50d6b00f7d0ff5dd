"""What is kept from case to case is what pytest would find each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tes_engine.driver import engine, write

SAME = """
import functools, inspect
from unittest import mock
import _pytest.compat, _pytest.fixtures, _pytest.python, _pytest._code
import pytest

class Shop:
    def price(self): return 1
    @staticmethod
    def still(): return 1
    @classmethod
    def made(cls): return cls()
    def __call__(self): return 1

def nothing(): pass
def one(a): pass
def usual(a=1): pass
def named(*, a): pass
def many(*args): pass
def words(**words): pass
@functools.wraps(one)
def wraps(): pass
@mock.patch("os.getcwd")
def patched(a): pass
def signed(): pass
signed.__signature__ = inspect.signature(one)
def elsewhere(): pass
elsewhere.place_as = one
FUNCTIONS = [nothing, one, usual, named, many, words, wraps, patched, signed, elsewhere, lambda: 1, lambda x: x, len,
             functools.partial(one, 1), Shop, Shop.price, Shop().price, Shop.still, Shop().made, Shop()]

@pytest.mark.parametrize("number", range(len(FUNCTIONS)))
def test_names(number):
    function = FUNCTIONS[number]
    assert _pytest.fixtures.getfuncargnames is not _pytest.compat.getfuncargnames
    asked = [(function,), {"name": "price"}], [(function,), {"name": "still", "cls": Shop}]
    for words, more in asked:
        told = []
        for ask in (_pytest.compat.getfuncargnames, _pytest.fixtures.getfuncargnames):
            try:
                told.append(ask(*words, **more))
            except BaseException as error:
                told.append(repr(error))
        assert told[0] == told[1]

@pytest.mark.parametrize("number", range(len(FUNCTIONS)))
def test_places(number):
    function = FUNCTIONS[number]
    assert _pytest.python.getfslineno is not _pytest._code.getfslineno
    for _ in range(2):
        assert _pytest.python.getfslineno(function) == _pytest._code.getfslineno(function)

def test_the_request_is_its_own(request):
    assert request.node.name == "test_the_request_is_its_own"
"""

HEARD = """
import pytest
class Late:
    def pytest_runtest_setup(self, item):
        item.config.heard.append(("late", item.name))
@pytest.fixture
def late(request):
    request.config.pluginmanager.register(Late(), "late")
"""


@pytest.mark.parametrize("collect", ["parallel", "once"])
def test_names_and_places_are_those_of_pytest(collect: str, project: Path) -> None:
    write(project, {"test_same.py": SAME})
    run = engine(project, "--collect", collect)
    assert run.code == 0 and set(run.outcomes.values()) == {"passed"} and len(run.outcomes) == 41, run.printed


@pytest.mark.parametrize("collect", ["parallel", "once"])
def test_hooks_are_those_of_the_path_and_of_now(collect: str, project: Path) -> None:
    """A plugin that a fixture registers is heard from then on; a conftest is heard of its own folder only."""
    of_b = "def pytest_runtest_setup(item): item.config.heard.append(('b', item.name))\n"
    write(
        project,
        {
            "conftest.py": HEARD + "def pytest_configure(config): config.heard = []\n",
            "a/test_a.py": "def test_one(late): pass\n"
            "def test_two(request): assert request.config.heard == [('late', 'test_two')]\n",
            "b/conftest.py": of_b,
            "b/test_b.py": "def test_three(request): assert ('b', 'test_three') in request.config.heard\n",
        },
    )
    run = engine(project, "--collect", collect, "--workers", "1")
    assert run.code == 0 and len(run.outcomes) == 3, run.printed
