"""Both ways to trace see the same blocks of code that is hard to see: named here, for whichever interpreter runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks import impact_store as store
from tests.tasks.impact_project import Project
from tests.tasks.test_impact_hidden import interpreters

HARD = """
import asyncio, contextlib, functools

def generator():
    yield inner()
    yield from other()
def other(): yield 2
def inner(): return 1

async def wait(): return await asyncio.sleep(0, inner())
async def ticks():
    for n in range(2): yield n
async def all_ticks(): return [n async for n in ticks()]
@contextlib.asynccontextmanager
async def opened(): yield 1
async def uses():
    async with opened() as one: return one

def plain(function): return function
def wraps(function):
    @functools.wraps(function)
    def wrapper(*args): return function(*args)
    return wrapper
@wraps
@plain
def decorated(x): return x

quick = lambda x: inner() + x
def with_lambda(): return sorted([2, 1], key=lambda x: -inner() * x)
def comprehends(): return [inner() for _ in range(2)], {inner(): 1 for _ in "a"}, {inner() for _ in "a"}
def lazily(): return sum(inner() for _ in range(2))

def raises(): raise ValueError(inner())
def catches():
    try: raises()
    except ValueError: return handled()
    finally: last()
def handled(): return 1
def last(): return None

class Base:
    size = inner()
    def __init_subclass__(cls): inner()
    def __init__(self): self.x = 1
    @property
    def half(self): return self.x / 2
    @half.setter
    def half(self, value): self.x = value * 2
    @classmethod
    def made(cls): return cls()
    @staticmethod
    def still(): return inner()
    def __eq__(self, other): return True
    __hash__ = None
    def __enter__(self): return self
    def __exit__(self, *_): return None
    def __getattr__(self, name): return inner()
class Derived(Base):
    def __init__(self): super().__init__()

def makes_class():
    class Local:
        def method(self): return inner()
    return Local().method()
def nested():
    def deeper(): return inner()
    return deeper()
def executes():
    space = {}
    exec("def f(g): return g()", space)
    return space["f"](inner)
def imports():
    from hard import lazy
    return lazy.value()
def recursive(n): return n and recursive(n - 1)
def partly(): return functools.partial(decorated, 1)()
def mapped(): return list(map(decorated, [1]))
def reduced(): return functools.reduce(adds, [1, 2])
def adds(a, b): return a + b
def sends():
    got = receives(); next(got); got.send(1); got.close()
def receives():
    try: yield (yield 1)
    finally: last()
def throws():
    got = receives(); next(got)
    with contextlib.suppress(KeyError): got.throw(KeyError)
"""

# Test → what it is, and the blocks of hard/code.py that it executes.
SEEN = {
    "generator": ("list(code.generator())", "generator other inner"),
    "coroutine": ("asyncio.run(code.wait())", "wait inner"),
    "async_generator": ("asyncio.run(code.all_ticks())", "all_ticks ticks"),
    "async_with": ("asyncio.run(code.uses())", "uses opened"),
    "decorated": ("code.decorated(1)", "wraps.wrapper decorated"),
    "module_lambda": ("code.quick(1)", "<module> inner"),
    "lambda": ("code.with_lambda()", "with_lambda inner"),
    "comprehensions": ("code.comprehends()", "comprehends inner"),
    "generator_expression": ("code.lazily()", "lazily inner"),
    "exception": ("code.catches()", "catches raises inner handled last"),
    "property": ("code.Base().half", "Base.__init__ Base.half"),
    "setter": ("setattr(code.Base(), 'half', 1)", "Base.__init__ Base.half#2"),
    "class_method": ("code.Derived.made()", "Base.made Derived.__init__ Base.__init__"),
    "static_method": ("code.Base.still()", "Base.still inner"),
    "operator": ("code.Base() == 1", "Base.__init__ Base.__eq__"),
    "with": ("code.enter()", "Base.__init__ Base.__enter__ Base.__exit__"),
    "missing": ("code.Base().nothing", "Base.__init__ Base.__getattr__ inner"),
    "subclass": ("type('D', (code.Base,), {})", "Base.__init_subclass__ inner"),
    "local_class": ("code.makes_class()", "makes_class makes_class.Local.method inner"),
    "nested": ("code.nested()", "nested nested.deeper inner"),
    "exec": ("code.executes()", "executes inner"),
    "import": ("code.imports()", "imports"),
    "recursive": ("code.recursive(3)", "recursive"),
    "partial": ("code.partly()", "partly wraps.wrapper decorated"),
    "map": ("code.mapped()", "mapped wraps.wrapper decorated"),
    "reduce": ("code.reduced()", "reduced adds"),
    "send": ("code.sends()", "sends receives last"),
    "throw": ("code.throws()", "throws receives last"),
    "reload": ("importlib.reload(code)", None),
}


def files() -> dict[str, str]:
    tests = ["import asyncio, importlib", "from hard import code"]
    for name, (what, _) in SEEN.items():
        what = "\n    with code.Base(): pass" if name == "with" else f" {what}"
        tests.append(f"def test_{name}():{what}")
    return {
        "hard/__init__.py": "",
        "hard/code.py": HARD,
        "hard/lazy.py": "def value(): return 1\n",
        "conftest.py": "",
        "test_hard.py": "\n".join(tests) + "\n",
    }


@pytest.fixture(scope="module", params=interpreters(), ids=["here", "other"][: len(interpreters())])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Test → blocks, all but those of the test itself."""
    made = Project.made(tmp_path_factory.mktemp("tracers"), files(), python=request.param, options={"workers": 1})
    _, absorbed, outcomes = made.run()
    assert set(outcomes.values()) == {"passed"} and not absorbed.doubted, made.printed
    return blocks_of(made.store)


def blocks_of(path: Path) -> dict[str, set[str]]:
    known = store.reading(path)
    assert known is not None
    nodes = {number: node for number, node in store.nodes(known).items() if node.path.startswith("hard/")}
    sets = {number: store.unpacked(blob) for number, blob in known.execute("SELECT id, nodes FROM needs")}
    found = {}
    for case in store.cases(known):
        own = [nodes[number] for number in sets[case.needs] if number in nodes]
        found[case.name] = {node.path.partition("/")[2] + ":" + (node.key or "<module>") for node in own}
    known.close()
    return found


@pytest.mark.parametrize("name", [name for name, (_, blocks) in SEEN.items() if blocks is not None])
def test_what_a_case_executes_is_seen(seen: dict[str, set[str]], name: str) -> None:
    expected = {f"code.py:{block}" for block in (SEEN[name][1] or "").split()}
    if name == "import":
        expected |= {"lazy.py:<module>", "lazy.py:value"}
    assert seen[f"test_{name}"] == expected


def test_what_is_loaded_again_is_seen(seen: dict[str, set[str]]) -> None:
    assert seen["test_reload"] >= {"code.py:<module>", "code.py:inner", "code.py:plain", "code.py:wraps"}
