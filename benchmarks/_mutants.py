"""Small changes to real code: one node of one file each, chosen by a seeded generator."""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_COMPARE = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
            ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In}  # fmt: skip
_ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
               ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr}  # fmt: skip


class Mutant(NamedTuple):
    """One change: `kind` is what was changed, `source` the file's new text."""

    path: str
    line: int
    kind: str
    source: str


def mutants(root: Path, files: list[str], count: int, seed: int) -> Iterator[Mutant]:
    """`count` different mutants, their kinds and files mixed; each compiles."""
    chance = random.Random(seed)
    places = []
    for name in files:
        tree = ast.parse((root / name).read_text())
        places += [(name, index, kind) for index, kind in _places(tree)]
    kinds = sorted({kind for _, _, kind in places})
    by_kind = {kind: [place for place in places if place[2] == kind] for kind in kinds}
    for found in by_kind.values():
        chance.shuffle(found)
    made = 0
    while made < count and any(by_kind.values()):
        kind = kinds[made % len(kinds)]
        kinds_left = [one for one in kinds if by_kind[one]]
        name, index, kind = by_kind[kind if by_kind[kind] else kinds_left[0]].pop()
        tree = ast.parse((root / name).read_text())
        node = list(ast.walk(tree))[index]
        line = getattr(node, "lineno", 0)
        _change(tree, node, kind)
        made += 1
        yield Mutant(name, line, kind, ast.unparse(ast.fix_missing_locations(tree)))


def _places(tree: ast.Module) -> Iterator[tuple[int, str]]:
    inside: set[int] = set()
    texts = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in node.body:
                inside.update(id(child) for child in ast.walk(part))
    parts = {id(child) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for child in ast.walk(node)}
    for index, node in enumerate(ast.walk(tree)):
        where = "" if id(node) in inside else "module "
        if isinstance(node, ast.Constant) and id(node) not in texts | parts and not isinstance(node.value, bytes):
            yield index, f"{where}constant"
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARE:
            yield index, f"{where}comparison"
        elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            yield index, f"{where}arithmetic"
        elif isinstance(node, ast.Return) and node.value is not None:
            yield index, "return"
        elif isinstance(node, ast.If | ast.IfExp):
            yield index, f"{where}condition"


def _change(tree: ast.Module, node: ast.AST, kind: str) -> None:
    if isinstance(node, ast.Constant):
        value = node.value
        if isinstance(value, bool):
            node.value = not value
        elif isinstance(value, int | float):
            node.value = value + 1
        elif isinstance(value, str):
            node.value = value + "x"
        else:
            node.value = 1
    elif isinstance(node, ast.Compare):
        node.ops[0] = _COMPARE[type(node.ops[0])]()
    elif isinstance(node, ast.BinOp):
        node.op = _ARITHMETIC[type(node.op)]()
    elif isinstance(node, ast.Return):
        node.value = ast.Constant(None)
    elif isinstance(node, ast.If | ast.IfExp):
        node.test = ast.UnaryOp(ast.Not(), copy.deepcopy(node.test))
