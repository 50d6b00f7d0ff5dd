"""YAML text → a tree that knows its places. Every limit is met before memory or time is spent.

The tree is built from parser events, never by recursion, so depth, size and aliases are bounded while reading; a
configuration file's plain scalars follow the YAML 1.2 core schema (https://yaml.org/spec/1.2.2/#103-core-schema):
`yes`, `on` and `12:30` are text. Merge keys (`<<`) are understood, since people share settings with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML, events
from ruamel.yaml.error import MarkedYAMLError, YAMLError

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_NODES = 20_000  # aliases count with everything they stand for

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_INT = re.compile(r"[-+]?[0-9]{1,300}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **{sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
}


class Unreadable(Exception):
    """Not a tree. Lines and columns count from 1."""

    def __init__(self, message: str, line: int, column: int, fix: str) -> None:
        super().__init__(message)
        self.message, self.line, self.column, self.fix = message, line, column, fix


@dataclass(slots=True)
class Node:
    """A value with its place (from 1). `value` is a scalar, a list of nodes, or a mapping from key to node."""

    line: int
    column: int
    value: Any
    raw: str = ""
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)  # where each key of a mapping is written
    repeated: list[tuple[str, tuple[int, int], tuple[int, int]]] = field(default_factory=list)  # key, first, again
    size: int = 1
    depth: int = 0

    def add(self, child: Node) -> None:
        """Accounts for a child; the caller places it."""
        self.size += child.size
        self.depth = max(self.depth, child.depth + 1)

    def plain(self) -> Any:
        """The value without its places."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        return [child.plain() for child in self.value] if isinstance(self.value, list) else self.value

    def walk(self, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Node]]:
        """Every node with its path, the outer before the inner."""
        yield path, self
        children: Any = ()
        if isinstance(self.value, dict):
            children = self.value.items()
        elif isinstance(self.value, list):
            children = enumerate(self.value)
        for key, child in children:
            yield from child.walk((*path, key))


@dataclass(slots=True)
class _Open:
    """A collection that is being read. `key` waits for its value."""

    node: Node
    anchor: str | None
    key: str | None = None
    place: tuple[int, int] = (0, 0)
    merged: list[Node] = field(default_factory=list)


def scalar(text: str) -> Any:
    """A plain scalar by the core schema: null, true and false, integers, floats, otherwise text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if text.startswith("0o") and re.fullmatch("[0-7]{1,100}", text[2:]):
        return int(text[2:], 8)
    if text.startswith("0x") and re.fullmatch("[0-9a-fA-F]{1,100}", text[2:]):
        return int(text[2:], 16)
    return float(text) if _FLOAT.fullmatch(text) else text


def tree(text: str) -> Node | None:
    """The tree of a text; None for an empty one. Raises Unreadable at the first place that cannot be understood."""
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise Unreadable(
            f"larger than {MAX_BYTES:,} bytes", 1, 1, "a tes.yaml has some hundred lines; is it the right file?"
        )
    if bad := _CONTROL.search(text):
        line, column = text.count("\n", 0, bad.start()) + 1, bad.start() - text.rfind("\n", 0, bad.start())
        raise Unreadable(f"control character {bad[0]!r}", line, column, "remove it; is this a text file?")
    builder = _Builder()
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except MarkedYAMLError as error:
        raise _translated(error) from None
    except (YAMLError, ValueError) as error:
        raise Unreadable(f"not YAML: {str(error).splitlines()[0]}", 1, 1, "correct the file's syntax") from None
    return builder.root


class _Builder:
    def __init__(self) -> None:
        self.root: Node | None = None
        self.stack: list[_Open] = []
        self.anchors: dict[str, Node] = {}
        self.opened: set[str] = set()
        self.count = 0
        self.documents = 0

    def take(self, event: Any) -> None:
        handle: Callable[[Any, int, int], None] | None = {
            events.DocumentStartEvent: self._document,
            events.ScalarEvent: self._scalar,
            events.AliasEvent: self._alias,
            events.MappingStartEvent: self._begin,
            events.SequenceStartEvent: self._begin,
            events.MappingEndEvent: self._end,
            events.SequenceEndEvent: self._end,
        }.get(type(event))
        if handle is not None:
            handle(event, event.start_mark.line + 1, event.start_mark.column + 1)

    def _document(self, event: Any, line: int, column: int) -> None:
        self.documents += 1
        if self.documents > 1:
            raise Unreadable("a second document begins here", line, column, "keep one; remove the `---`")
        if event.version is not None and tuple(event.version) != (1, 2):
            found = ".".join(map(str, event.version))
            raise Unreadable(f"YAML {found} is not read", line, column, "remove the %YAML line: YAML 1.2 it is")

    def _scalar(self, event: Any, line: int, column: int) -> None:
        self._no_tag(event, line, column)
        plain = event.implicit[0] and event.style is None
        node = Node(line, column, scalar(event.value) if plain else event.value, event.value)
        self._place(node, event.anchor, is_plain=plain)

    def _alias(self, event: Any, line: int, column: int) -> None:
        name = str(event.anchor)
        if name in self.opened:
            raise Unreadable(f"*{name} stands inside of what it stands for", line, column, "remove the alias")
        if name not in self.anchors:
            raise Unreadable(f"*{name} stands for nothing", line, column, f"write &{name} before the value it is for")
        aliased = self.anchors[name]
        self._no_deeper(len(self.stack) + aliased.depth, line, column)
        self._no_more(aliased.size, line, column)
        self._place(aliased, None, is_counted=True)

    def _begin(self, event: Any, line: int, column: int) -> None:
        self._no_tag(event, line, column)
        self._no_deeper(len(self.stack) + 1, line, column)
        self._no_collection_as_key(line, column)
        value: Any = {} if isinstance(event, events.MappingStartEvent) else []
        self.stack.append(_Open(Node(line, column, value), event.anchor))
        if event.anchor:
            self.opened.add(event.anchor)

    def _end(self, event: Any, line: int, column: int) -> None:
        done = self.stack.pop()
        for source in done.merged:
            for key, child in source.value.items():
                if key not in done.node.value:
                    done.node.value[key] = child
                    done.node.keys[key] = source.keys[key]
                    done.node.add(child)
        if done.anchor:
            self.opened.discard(done.anchor)
        self._place(done.node, done.anchor)

    def _place(self, node: Node, anchor: str | None, *, is_plain: bool = False, is_counted: bool = False) -> None:
        if not is_counted:
            self._no_more(1, node.line, node.column)
        if anchor:
            self.anchors[anchor] = node
        if not self.stack:
            self.root = None if is_plain and node.value is None and node.raw == "" else node
            return
        top = self.stack[-1]
        if isinstance(top.node.value, list):
            top.node.value.append(node)
            top.node.add(node)
        elif top.key is None:
            self._key(top, node)
        else:
            self._entry(top, node)

    def _key(self, top: _Open, node: Node) -> None:
        if isinstance(node.value, dict | list):
            raise Unreadable("a key must be a word", node.line, node.column, "write a word before the colon")
        top.key, top.place = node.raw, (node.line, node.column)

    def _entry(self, top: _Open, node: Node) -> None:
        key, top.key = str(top.key), None
        if key == "<<":
            sources = node.value if isinstance(node.value, list) else [node]
            if not all(isinstance(source.value, dict) for source in sources):
                fix = "write an alias of a mapping: `<<: *name`"
                raise Unreadable("<< takes mappings only", *top.place, fix)
            top.merged += sources
        elif key in top.node.value:
            top.node.repeated.append((key, top.node.keys[key], top.place))
        else:
            top.node.value[key] = node
            top.node.keys[key] = top.place
            top.node.add(node)

    def _no_tag(self, event: Any, line: int, column: int) -> None:
        if event.tag is not None:
            tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
            raise Unreadable(f"the tag {tag} is not read", line, column, "remove it: plain values only")

    def _no_more(self, size: int, line: int, column: int) -> None:
        self.count += size
        if self.count > MAX_NODES:
            fix = "shorten it; an alias (*name) counts with all that it stands for"
            raise Unreadable(f"more than {MAX_NODES:,} values", line, column, fix)

    def _no_deeper(self, depth: int, line: int, column: int) -> None:
        if depth > MAX_DEPTH:
            raise Unreadable(f"nested deeper than {MAX_DEPTH} levels", line, column, "flatten it")

    def _no_collection_as_key(self, line: int, column: int) -> None:
        if self.stack and isinstance(self.stack[-1].node.value, dict) and self.stack[-1].key is None:
            raise Unreadable("a key must be a word", line, column, "put {...} and ${...} in quotes")


def _translated(error: MarkedYAMLError) -> Unreadable:
    mark = error.problem_mark or error.context_mark
    message = " ".join(part for part in (error.problem, error.context) if part) or "not YAML"
    fix = "correct the indentation, the colons and the quotes at this place"
    if "\\t" in message:
        fix = "indent with spaces: YAML does not take tabs"
    elif "cannot start any token" in message:
        fix = "put the value in quotes"
    return Unreadable(f"not YAML: {message}", (mark.line if mark else 0) + 1, (mark.column if mark else 0) + 1, fix)
