"""One thing that is wrong with a tes.yaml, and the words it is told in."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import StrEnum

from domain.verdict import Value
from domain.yaml_tree import Node

Path = tuple[str | int, ...]


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


class Problem(Value):
    """Where (lines and columns from 1), which key (`environments.production.steps[1].weight`), what and how to fix."""

    where: str
    line: int
    column: int
    key: str = ""
    value: str = ""
    message: str
    fix: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        value = f" (it is {self.value})" if self.value else ""
        fix = f"\n      fix: {self.fix}" if self.fix else ""
        warning = "warning: " if self.severity is Severity.WARNING else ""
        return f"{self.where}:{self.line}:{self.column}: {warning}{key}{self.message}{value}{fix}"


def dotted(path: Path) -> str:
    """("a", 1, "b") → `a[1].b`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def near(word: str, names: Iterable[str]) -> str:
    """A question with the nearest name, empty when none is near."""
    by_small = {name.lower(): name for name in names}
    found = difflib.get_close_matches(word.lower(), list(by_small), 1, 0.6)
    return f"did you mean `{by_small[found[0]]}`?" if found else ""


def shown(path: Path, node: Node) -> str:
    """A value as it may be printed: cut short, and nothing of what may be a secret."""
    if "secrets" in path or "environment" in path:
        return "not shown" if not isinstance(node.value, dict | list) else ""
    if isinstance(node.value, dict):
        return "a mapping"
    if isinstance(node.value, list):
        return "a list"
    if node.value is None:
        return "empty"
    text = node.raw if not isinstance(node.value, str) else repr(node.value)
    return text if len(text) <= 60 else f"{text[:57]}..."
