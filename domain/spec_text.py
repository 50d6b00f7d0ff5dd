"""Text → `Spec`, or every error at once, each with its line, key, value and fix.

A person corrects a file in one go, so nothing stops at the first error but text that is no YAML. Secrets' values are
never quoted. Keys that begin with `x-` at the top hold anchors to share, and are not read.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from pydantic import BaseModel, ValidationError

from domain.errors import SpecError
from domain.spec import Spec
from domain.spec_checks import checks
from domain.spec_problem import Path, Problem, Severity, dotted, near, shown
from domain.yaml_tree import Node, Unreadable, tree

__all__ = ["Problem", "Severity", "decode", "parse", "problems", "refused"]

_WANTED = {
    "string_type": ("text is wanted", 'put it in quotes: "{raw}"'),
    "bool_parsing": ("true or false is wanted", "write true or false"),
    "bool_type": ("true or false is wanted", "write true or false"),
    "int_type": ("a whole number is wanted", "write a whole number"),
    "int_parsing": ("a whole number is wanted", "write a whole number"),
    "int_from_float": ("a whole number is wanted", "write a whole number"),
    "float_type": ("a number is wanted", "write a number"),
    "float_parsing": ("a number is wanted", "write a number"),
    "tuple_type": ("a list is wanted", "write it as a list: [{raw}]"),
    "dict_type": ("a mapping is wanted", "write `key: value` lines below it"),
    "model_type": ("a mapping is wanted", "write `key: value` lines below it"),
    "missing": ("this key is missing", "add it"),
    "date_from_datetime_parsing": ("a date is wanted", "write it as 2027-01-31"),
    "date_type": ("a date is wanted", "write it as 2027-01-31"),
}
# What a pattern means in words; patterns themselves tell nobody what to write.
_PATTERNS = {
    "^(env|file|block)": ("a reference is wanted, never the secret itself", "write env:NAME, file:/path or block:NAME"),
    "^/": ("a path that begins with / is wanted", "write it as /path"),
    "^[a-z0-9]": ("small letters, digits and dashes are wanted, 63 at most", "rename it, like my-service"),
    "^[A-Za-z_]": ("the name of an environment variable is wanted", "rename it, like MY_SETTING"),
}


def decode(data: bytes, where: str) -> str:
    """The text of a file's bytes: UTF-8, with or without a mark. SpecError names the place that is not."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SpecError(f"{where}:1:1: UTF-16 text", fix="save the file as UTF-8")
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        fix = "save the file as UTF-8"
        raise SpecError(f"{where}:{line}:{column}: not UTF-8 (byte 0x{data[error.start]:02x})", fix=fix) from None


def parse(
    text: str, where: str, *, known: Mapping[str, Sequence[str]] | None = None, today: date | None = None
) -> Spec:
    """The Spec of a text; of an empty one, the one in which nothing is said. SpecError holds every error."""
    spec, found = _read(text, where, known or {}, today)
    errors = [problem for problem in found if problem.severity is Severity.ERROR]
    if errors or spec is None:
        raise refused(errors, where)
    return spec


def problems(
    text: str, where: str, *, known: Mapping[str, Sequence[str]] | None = None, today: date | None = None
) -> list[Problem]:
    """Everything that is wrong or will surprise, in the order of the lines.

    `known` has the names that exist here, under "scanners", "runners" and "platforms"; a kind that is not given is not
    checked. With `today`, waivers that have expired are warned of.
    """
    return _read(text, where, known or {}, today)[1]


def refused(errors: Sequence[Problem], where: str) -> SpecError:
    """The one error that holds them all."""
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    lines = "\n".join(f"  {problem}" for problem in errors)
    return SpecError(f"{where} has {count}\n{lines}", fix="correct the file; `tes validate` checks it again")


def _read(
    text: str, where: str, known: Mapping[str, Sequence[str]], today: date | None
) -> tuple[Spec | None, list[Problem]]:
    try:
        root = tree(text)
    except Unreadable as error:
        place = {"line": error.line, "column": error.column}
        return None, [Problem(where=where, **place, message=error.message, fix=error.fix)]
    if root is None:
        return Spec(), []
    if not isinstance(root.value, dict):
        message, fix = "a mapping is wanted at the top", "write `key: value` lines; `tes init` writes a file"
        return None, [Problem(where=where, line=root.line, column=root.column, message=message, fix=fix)]
    found = _repeated(root, where)
    data = _without_empty_sections(root.plain())
    spec: Spec | None = None
    left: list[Problem] = []
    try:
        spec = Spec.model_validate(data)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            # A rule over several keys is found again in the tree, where its exact place is known.
            ruled = detail["type"].startswith("tes_") or _follows(detail)
            (left if ruled else found).append(_translated(detail, root, where))
    found += checks(root, where, known, today)
    if spec is None and not any(problem.severity is Severity.ERROR for problem in found):
        found += left
    return spec, sorted(found, key=lambda problem: (problem.line, problem.column, problem.key))


def _follows(detail: Any) -> bool:
    """A list whose members are wrong is also called too short; the members are told already."""
    return detail["type"] == "too_short" and bool(detail["input"])


def _without_empty_sections(data: dict[str, Any]) -> dict[str, Any]:
    """A section whose lines are all commented out (`build:` and nothing) says nothing."""
    for name in ("build", "scan", "tests"):
        if name in data and data[name] is None:
            data[name] = {}
    environments = data.get("environments")
    if isinstance(environments, dict):
        data["environments"] = {key: {} if value is None else value for key, value in environments.items()}
    return {key: value for key, value in data.items() if not key.startswith("x-")}


def _repeated(root: Node, where: str) -> list[Problem]:
    found = []
    for path, node in root.walk():
        for key, first, again in node.repeated:
            message = f"the key is written twice, first at line {first[0]}"
            fix = "keep one of the two"
            place = {"line": again[0], "column": again[1]}
            found.append(Problem(where=where, **place, key=dotted((*path, key)), message=message, fix=fix))
    return found


def _translated(detail: Any, root: Node, where: str) -> Problem:
    kind, loc = detail["type"], tuple(part for part in detail["loc"] if part != "[key]")
    node, place = _found(root, loc)
    key = dotted(loc)
    collection = node is not None and isinstance(node.value, dict | list)
    value = shown(loc, node) if node and kind != "missing" and not (collection and kind == "extra_forbidden") else ""
    message, fix = _words(detail, loc, node)
    return Problem(where=where, line=place[0], column=place[1], key=key, value=value, message=message, fix=fix)


def _found(root: Node, loc: Path) -> tuple[Node | None, tuple[int, int]]:
    """The node at a path, or the nearest around it; the place is the key's where there is one."""
    node, place = root, (root.line, root.column)
    for part in loc:
        if isinstance(node.value, dict) and str(part) in node.value:
            place = node.keys[str(part)]
            node = node.value[str(part)]
        elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            place = (node.line, node.column)
        else:
            return None, place
    return node, place


def _words(detail: Any, loc: Path, node: Node | None) -> tuple[str, str]:
    kind, context = detail["type"], detail.get("ctx", {})
    raw = node.raw if node is not None and not _hidden(loc) else "..."
    if kind == "extra_forbidden":
        names = _fields_at(loc[:-1])
        return "unknown key", near(str(loc[-1]), names) or f"remove it; known here: {', '.join(names)}"
    if kind in ("enum", "literal_error"):
        wanted = str(context.get("expected", "")).replace("'", "")
        return f"one of these is wanted: {wanted}", near(raw, wanted.replace(" or ", ", ").split(", ")) or "choose one"
    if kind == "string_pattern_mismatch":
        for start, words in _PATTERNS.items():
            if str(context.get("pattern", "")).startswith(start):
                return words
    if kind in _WANTED:
        message, fix = _WANTED[kind]
        if kind == "tuple_type" and node is not None and isinstance(node.value, str):
            raw = ", ".join(raw.split())
        return message, fix.format(raw=raw)
    if kind == "value_error":
        return str(context.get("error", detail["msg"])), "correct the value"
    return _plainly(detail), "correct the value"


def _plainly(detail: Any) -> str:
    if detail["type"] == "too_short":
        return "at least one is wanted"
    return str(detail["msg"]).replace("Input should", "the value should").replace("String should", "the text should")


def _hidden(loc: Path) -> bool:
    return "secrets" in loc or "environment" in loc


def _fields_at(loc: Path) -> list[str]:
    """The keys that the model takes at a path."""
    here: Any = Spec
    for part in loc:
        model = _model(here)
        if isinstance(part, int):
            here = _within(here, tuple, 0)
        elif model is not None and typing.get_origin(here) is not dict:
            field = next((f for name, f in model.model_fields.items() if (f.alias or name) == part), None)
            here = field.annotation if field is not None else None
        else:
            here = _within(here, dict, 1)
    model = _model(here)
    return [] if model is None else [field.alias or name for name, field in model.model_fields.items()]


def _within(annotation: Any, kind: type, argument: int) -> Any:
    """The type of what a collection holds, also of an optional one."""
    for part in (annotation, *typing.get_args(annotation)):
        if typing.get_origin(part) is kind:
            return typing.get_args(part)[argument]
    return None


def _model(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation names, also as an optional one."""
    for part in (
        annotation,
        *(typing.get_args(annotation) if typing.get_origin(annotation) is types.UnionType else ()),
    ):
        if isinstance(part, type) and not typing.get_origin(part) and issubclass(part, BaseModel):
            return part
    return None
