"""Fingerprints of the blocks of a Python file: what a case can depend on without depending on the whole file.

A function's body is a block; everything else (the module's body, class bodies, decorators, defaults, signatures,
docstrings) is the file's module block, whose key is the empty string. What is fingerprinted is what the compiler makes
of the text, so comments, blank lines and layout do not count, and compiling is ten times quicker than walking the tree.
A docstring counts twice, for its function and for the module: command line tools print those they do not execute.

One change never shows in the code that runs: `if __debug__` is decided while compiling. Such a file is one block.
"""

from __future__ import annotations

import dis
import hashlib
import marshal
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from domain.lasting import Lasting, lasting

MODULE = ""
_NOP = dis.opmap["NOP"]
_NEWLOCALS, _OPTIMIZED = 0x2, 0x1  # CO_* of CPython's code.h: a class body has neither
_HEADER_FLAGS = 0x4 | 0x8 | 0x20 | 0x80 | 0x200  # *args, **kwargs, generator, coroutine, async generator


@dataclass(frozen=True)
class Blocks:
    """A file's blocks. `hashes`: key → fingerprint; empty keys but MODULE mean that the file is one block.

    `lasting`: keys of functions whose effects outlive a call (caches, lazy initialisation); `cached`: those whose
    decorator keeps their results, each with the names that it goes by. `mentions`: modules that it imports, wherever in
    it, as it writes them. `aliases` as in `Lasting`. `uses`: names that each block looks up, by which it may come to a
    cache that is filled.
    """

    hashes: dict[str, str]
    lasting: frozenset[str] = frozenset()
    cached: dict[str, frozenset[str]] = field(default_factory=dict)
    mentions: frozenset[tuple[int, str]] = frozenset()
    starts: dict[tuple[int, str], tuple[str, ...]] = field(default_factory=dict)
    spans: tuple[tuple[int, int, str], ...] = ()
    uses: dict[str, frozenset[str]] = field(default_factory=dict)
    aliases: frozenset[tuple[str, str]] = frozenset()

    def find(self, line: int, name: str) -> tuple[str, ...]:
        """The blocks that a code object of that first line and name belongs to; () when there is none there."""
        if len(self.hashes) == 1 or name == "<module>":
            return (MODULE,)
        if exact := self.starts.get((line, name)):
            return exact
        # Another version of Python makes other code objects of comprehensions.
        inside = [(last - first, key) for first, last, key in self.spans if first <= line <= last]
        return (min(inside)[1],) if inside and name.startswith("<") else ()


def digest(data: bytes) -> str:
    """A content's digest, 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def blocks(source: bytes) -> Blocks:
    """The blocks of a file. One that this interpreter cannot compile is one block, of its bytes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(source, "", "exec", dont_inherit=True, optimize=0)
            seen = lasting(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError, UnicodeDecodeError):
        return Blocks({MODULE: digest(source)})
    if b"__debug__" in source:
        return Blocks({MODULE: digest(source)}, mentions=seen.mentions)
    return _Walk(seen).blocks(code)


class _Walk:
    def __init__(self, seen: Lasting) -> None:
        self.seen = seen
        self.hashes: dict[str, str] = {}
        self.starts: dict[tuple[int, str], list[str]] = {}
        self.spans: list[tuple[int, int, str]] = []
        self.lasting: set[str] = set()
        self.cached: dict[str, frozenset[str]] = {}
        self.uses: dict[str, set[str]] = {}

    def blocks(self, module: CodeType) -> Blocks:
        self.hashes[MODULE] = ""
        self.block(module, MODULE, "")
        return Blocks(
            self.hashes,
            frozenset(self.lasting),
            self.cached,
            self.seen.mentions,
            {start: tuple(keys) for start, keys in self.starts.items()},
            tuple(self.spans),
            {key: frozenset(names) for key, names in self.uses.items()},
            self.seen.aliases,
        )

    def block(self, code: CodeType, key: str, prefix: str) -> None:
        made = hashlib.blake2b(digest_size=16)
        for part in self.parts(code, key, prefix):
            made.update(part)
        self.hashes[key] = made.hexdigest()

    def parts(self, code: CodeType, owner: str, prefix: str) -> Iterator[bytes]:
        """What distinguishes a code object, with the code objects inside it that belong to the same block."""
        where = self.starts.setdefault((code.co_firstlineno, code.co_name), [])
        if owner not in where:
            where.append(owner)
        self.uses.setdefault(owner, set()).update(_uses(code))
        numbers = (code.co_flags, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
        names = (code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars)
        yield marshal.dumps((_steps(code.co_code), numbers, names, code.co_exceptiontable), 2)
        for const in code.co_consts:
            if not isinstance(const, CodeType):
                # From Python 3.13 a class knows its line, which a comment above it changes.
                if not ("__firstlineno__" in code.co_names and const == code.co_firstlineno):
                    yield _canonical(const)
            elif const.co_name.startswith("<") or not const.co_flags & _NEWLOCALS:
                inner = prefix if const.co_name.startswith("<") else f"{prefix}{const.co_name}."
                yield const.co_name.encode()
                yield from self.parts(const, owner, inner)
            else:
                yield _header(const)
                self.function(const, prefix)

    def function(self, code: CodeType, prefix: str) -> None:
        key = name = prefix + code.co_name
        count = 1
        while key in self.hashes:
            count += 1
            key = f"{name}#{count}"
        self.hashes[key] = ""  # taken, before what is inside it
        lines = [line for _, _, line in code.co_lines() if line]
        self.spans.append((code.co_firstlineno, max(lines, default=code.co_firstlineno), key))
        if (code.co_firstlineno, code.co_name) in self.seen.functions:
            self.lasting.add(key)
        if (code.co_firstlineno, code.co_name) in self.seen.cached:
            self.cached[key] = frozenset({code.co_name, *(b for a, b in self.seen.aliases if a == code.co_name)})
        self.block(code, key, f"{key}.")


def _uses(code: CodeType) -> Iterable[str]:
    """Names that it looks up. To import a name, as module bodies do, is not to use it."""
    if code.co_flags & _OPTIMIZED:
        return code.co_names
    return [str(one.argval) for one in dis.get_instructions(code) if one.opname.startswith("LOAD_")]


def _steps(code: bytes) -> bytes:
    """Instructions without those that only hold the place of a line, which come and go with the layout."""
    if _NOP not in code[::2]:
        return code
    return b"".join(code[at : at + 2] for at in range(0, len(code), 2) if code[at] != _NOP)


def _header(code: CodeType) -> bytes:
    """A function as its surroundings see it: name, signature, docstring."""
    count = code.co_argcount + code.co_kwonlyargcount + bin(code.co_flags & 0xC).count("1")
    doc = code.co_consts[0] if code.co_consts and isinstance(code.co_consts[0], str) else None
    numbers = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _HEADER_FLAGS)
    return marshal.dumps((code.co_name, numbers, code.co_varnames[:count], doc), 2)


def _canonical(const: Any) -> bytes:
    """A constant, typed, in one order: a set's own differs from process to process."""
    if isinstance(const, frozenset):
        return b"{" + b",".join(sorted(map(_canonical, const))) + b"}"
    if isinstance(const, tuple):
        return b"(" + b",".join(map(_canonical, const)) + b")"
    return b"..." if const is Ellipsis else marshal.dumps(const, 2)


def module_names(path: str, packages: Iterable[str]) -> tuple[str, ...]:
    """Every name under which a file could be imported: `src/a/b.py` → `b`, `a.b`, `src.a.b`, the shortest first.

    `packages` are folders that are packages: a name never begins inside one of them... except by a path entry.
    """
    parts = path.removesuffix(".py").split("/")
    if parts[-1] == "__init__":
        parts.pop()
    return tuple(".".join(parts[start:]) for start in range(len(parts) - 1, -1, -1))
