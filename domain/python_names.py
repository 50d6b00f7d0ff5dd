"""The names that a Python module defines at its top level, as far as its text can tell."""

from __future__ import annotations

import ast
from collections.abc import Iterator


def top_level(text: str) -> tuple[str, ...] | None:
    """Functions, classes, imported and assigned names; None when it is no Python that we can read."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found: list[str] = []
    for statement in tree.body:
        for node in _at_import(statement):
            found += _defined(node)
    return tuple(dict.fromkeys(found))


def _at_import(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes executed at the top level when the module is imported: nothing inside a function or a class."""
    yield node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        return
    for child in ast.iter_child_nodes(node):
        yield from _at_import(child)


def _defined(node: ast.AST) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return [node.id]
    return []
