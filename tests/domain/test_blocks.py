"""Fingerprints of blocks: layout never counts, what the compiler can tell always does, and only in its own block."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.blocks import MODULE, blocks

SOURCE = '''\
import os.path
from . import near
LIMIT = 10

def decorate(function, times=2):
    """Doc."""
    def wrapper(*args):
        return [function(*args) for _ in range(times)]
    return wrapper

class Thing:
    size = 3

    @decorate
    def big(self, extra=1):
        return self.size + extra > LIMIT

    def small(self):
        find = lambda: {"a", "b"}
        return not self.big() or "a" in find()
'''
KEYS = {MODULE, "decorate", "decorate.wrapper", "Thing.big", "Thing.small"}


def changed(before: str, after: str) -> set[str]:
    old, new = blocks(before.encode()).hashes, blocks(after.encode()).hashes
    return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}


def test_every_function_is_a_block_and_the_rest_is_the_modules() -> None:
    assert set(blocks(SOURCE.encode()).hashes) == KEYS


@given(st.lists(st.tuples(st.integers(0, 19), st.sampled_from(["", "# a comment", "   ", "\t# 'quoted'"])), max_size=8))
def test_comments_and_blank_lines_never_count(put: list[tuple[int, str]]) -> None:
    lines = SOURCE.splitlines()
    for place, text in sorted(put, reverse=True):
        lines.insert(place, text)
    assert changed(SOURCE, "\n".join(lines)) == set()


@given(st.data())
def test_any_other_constant_operator_or_name_counts_in_its_own_block(data: st.DataObject) -> None:
    tree = ast.parse(SOURCE)
    found = [
        n
        for n in ast.walk(tree)
        if isinstance(n, ast.Compare | ast.BinOp) or (isinstance(n, ast.Constant) and n.value != "Doc.")
    ]
    node = data.draw(st.sampled_from(found))
    if isinstance(node, ast.Constant):
        node.value = data.draw(st.integers(100, 200) | st.text(min_size=1, max_size=4).filter(lambda t: t not in "ab"))
    elif isinstance(node, ast.Compare):
        node.ops = [data.draw(st.sampled_from([ast.Lt(), ast.LtE(), ast.NotEq(), ast.Is()]))]
    else:
        node.op = data.draw(st.sampled_from([ast.Sub(), ast.Mult(), ast.Pow()]))
    assert len(changed(SOURCE, ast.unparse(ast.fix_missing_locations(tree)))) == 1


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("extra > LIMIT", "extra >= LIMIT", {"Thing.big"}),
        ("range(times)", "range(times + 1)", {"decorate.wrapper"}),
        ('{"a", "b"}', '{"a", "c"}', {"Thing.small"}),
        ("extra=1", "extra=2", {MODULE}),
        ("times=2", "other=2", {MODULE, "decorate"}),
        ("@decorate\n    ", "", {MODULE}),
        ("LIMIT = 10", "LIMIT = 11", {MODULE}),
        ("LIMIT = 10", "LIMIT = 10.0", {MODULE}),
        ("size = 3", "size = 4", {MODULE}),
        ("def small", "def tiny", {MODULE, "Thing.small", "Thing.tiny"}),
        ('"""Doc."""', '"""Other."""', {MODULE, "decorate"}),
    ],
)
def test_a_change_counts_where_it_is_executed(old: str, new: str, expected: set[str]) -> None:
    assert old in SOURCE
    found = changed(SOURCE, SOURCE.replace(old, new))
    assert expected <= found and (found <= expected or "times" in old)


def test_a_code_object_is_found_in_its_block() -> None:
    found = blocks(SOURCE.encode())
    lines = {text.strip(): number for number, text in enumerate(SOURCE.splitlines(), 1)}
    assert found.find(0, "<module>") == (MODULE,)
    assert found.find(lines["class Thing:"], "Thing") == (MODULE,)
    assert found.find(lines["@decorate"], "big") == ("Thing.big",)
    assert found.find(lines["def wrapper(*args):"], "wrapper") == ("decorate.wrapper",)
    assert found.find(lines['find = lambda: {"a", "b"}'], "<lambda>") == ("Thing.small",)
    assert found.find(999, "stranger") == ()


@pytest.mark.parametrize("source", [b"def broken(:", b"x = 1\0", b"\xff\xfe", b"if __debug__:\n    x = 1\n"])
def test_what_cannot_be_told_apart_is_one_block_of_all_its_bytes(source: bytes) -> None:
    assert set(blocks(source).hashes) == {MODULE}
    assert blocks(source).hashes != blocks(source + b"# more").hashes


@pytest.mark.parametrize(
    "body",
    [
        "    global held\n    held = 1",
        "    cls.held = make()",
        "    if self._held is None:\n        self._held = make()\n    return self._held",
        "    KNOWN[key] = make()",
        "    REGISTRY.append(key)",
        "    try:\n        return self.cache[key]\n    except KeyError:\n        self.cache[key] = make()",
        "    held = self._held\n    if held is None:\n        self._held = make()",
    ],
)
def test_a_function_that_leaves_something_behind_is_known_as_such(body: str) -> None:
    source = f"def f(self, cls, key):\n{body}\n"
    assert blocks(source.encode()).lasting == {"f"}


@pytest.mark.parametrize("body", ["    x = []\n    x.append(1)", "    self.y = key", "    d = {}\n    d[key] = 1"])
def test_a_function_that_changes_its_own_is_not(body: str) -> None:
    assert not blocks(f"def f(self, key):\n{body}\n".encode()).lasting


def test_a_decorator_that_keeps_results_is_seen() -> None:
    assert blocks(b"@functools.lru_cache(maxsize=None)\ndef f():\n    return 1\n").cached == {"f": {"f"}}


def test_imports_are_told_wherever_they_are() -> None:
    found = blocks(b"import a.b\nfrom .c import d\ndef f():\n    from e import g\n").mentions
    assert found == {(0, "a.b"), (1, "c"), (1, "c.d"), (0, "e"), (0, "e.g")}
