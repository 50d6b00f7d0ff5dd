"""The nodes of the store: what cases depend on, each block, data file and folder once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import TYPE_CHECKING

from domain.blocks import MODULE, Blocks, blocks, digest, module_names
from domain.impact import Kind
from tasks import impact_files as project
from tasks import impact_store as store
from tasks.impact_store import ANYTHING, REMOTE

if TYPE_CHECKING:
    from tasks.impact import Selection

UNSTABLE = "changed while the tests ran"


class Nodes:
    """The nodes in the store, made as they are needed from the files that the plan saw."""

    def __init__(self, connection: sqlite3.Connection, selection: Selection, names: dict[str, list[str]]) -> None:
        self.connection, self.selection, self.names = connection, selection, names
        self.numbers: dict[tuple[str, str], int] = {
            (p, k): n for n, p, k in connection.execute("SELECT id, path, key FROM node")
        }
        self.files = store.files(connection)
        self.ready: dict[str, Blocks] = {}
        self.put: dict[str, store.File] = {}
        self.unstable: set[str] = set()

    def stable(self, path: str) -> bool:
        """Whether the file is what it was when the plan looked; one that came later is not."""
        now = project.stamp(self.selection.root / path)
        then = self.selection.seen.stamps.get(path)
        return now == then if then is not None else not path.endswith(".py") or now == project.ABSENT

    def python(self, path: str) -> Blocks:
        """The file's blocks, all of them in the store, as fresh as the plan."""
        if (ready := self.ready.get(path)) is not None:
            return ready
        stable, known = self.stable(path), self.files.get(path)
        stamp = self.selection.seen.stamps.get(path, project.ABSENT)
        if stable and known and known.places and known.digest and path not in self.selection.seen.digests:
            self.ready[path] = made = _from_places(known.places, self.keys(path))
            return made
        try:
            source = (self.selection.root / path).read_bytes()
        except OSError:
            source, stable = b"", False
        made = (self.selection.seen.read.get(path) if stable else None) or blocks(source)
        self.ready[path] = made
        if not stable:
            self.unstable.add(path)
        self.write(path, made, stable)
        mentions = sorted(_absolute(path, made.mentions, self.names.get(path) or list(module_names(path, ()))))
        places = {"s": [[line, name, list(keys)] for (line, name), keys in made.starts.items()], "p": made.spans}
        self.put[path] = store.File(
            path, "py", *stamp, digest(source) if stable else "", json.dumps(mentions), json.dumps(places)
        )
        return made

    def keys(self, path: str) -> list[str]:
        return [key for other, key in self.numbers if other == path]

    def write(self, path: str, made: Blocks, stable: bool) -> None:
        self.connection.execute("DELETE FROM alias WHERE path = ?", (path,))
        # Once a file and not once a block: neither table has an index by node, so that each of these reads all of it.
        for table in ("uses", "cached"):
            self.connection.execute(
                f"DELETE FROM {table} WHERE node IN (SELECT id FROM node WHERE path = ?)", (path,)  # noqa: S608
            )
        rows = [(path, name, other) for name, other in made.aliases]
        self.connection.executemany("INSERT INTO alias VALUES (?, ?, ?)", rows)
        for key in self.by_path().get(path, set()) - set(made.hashes):
            self.connection.execute("DELETE FROM node WHERE id = ?", (self.numbers.pop((path, key)),))
        uses: list[tuple[str, int]] = []
        cached: list[tuple[str, int]] = []
        for key, print_ in made.hashes.items():
            kind = Kind.MODULE if key == MODULE else Kind.BLOCK
            kind |= Kind.LASTING if key in made.lasting else Kind.BLOCK
            kind |= Kind.CACHED if key in made.cached else Kind.BLOCK
            number = self.one(path, key, kind, print_ if stable else "")
            uses += [(name, number) for name in made.uses.get(key, ())]
            cached += [(name, number) for name in made.cached.get(key, ())]
        self.connection.executemany("INSERT INTO uses VALUES (?, ?)", uses)
        self.connection.executemany("INSERT INTO cached VALUES (?, ?)", cached)

    def by_path(self) -> dict[str, set[str]]:
        if not hasattr(self, "_by_path"):
            self._by_path: dict[str, set[str]] = {}
            for path, key in self.numbers:
                self._by_path.setdefault(path, set()).add(key)
        return self._by_path

    def one(self, path: str, key: str, kind: Kind, content: str) -> int:
        number = self.numbers.get((path, key))
        if number is None:
            made = self.connection.execute(
                "INSERT INTO node (path, key, kind, digest) VALUES (?, ?, ?, ?)", (path, key, int(kind), content)
            )
            number = int(made.lastrowid or 0)
            self.numbers[path, key] = number
        else:
            self.connection.execute("UPDATE node SET kind = ?, digest = ? WHERE id = ?", (int(kind), content, number))
        return number

    def code(self, code: tuple[str, int, str]) -> list[int]:
        """The nodes of a code object. One that is in none of the file's blocks stands for all of them."""
        path, line, name = code
        if path in (ANYTHING, REMOTE):
            return [self.data(path)]
        if path not in self.selection.seen.stamps and not (self.selection.root / path).exists():
            # Inside an archive, which is what is there.
            while "/" in path and not (self.selection.root / path).exists():
                path = path.rpartition("/")[0]
            return [self.data(path)]
        if not path.endswith(".py"):
            return [self.module(path)] if name == "<module>" else [self.data(path)]
        made = self.python(path)
        return [self.numbers[path, key] for key in made.find(line, name) or made.hashes]

    def module(self, path: str) -> int:
        """The node of a compiled module: whoever imports it depends on its bytes."""
        number = self.data(path)
        self.connection.execute("UPDATE node SET kind = ? WHERE id = ?", (int(Kind.DATA | Kind.MODULE), number))
        return number

    def data(self, path: str) -> int:
        """The node of a data file or folder."""
        if (path, "") in self.numbers and path in self.put:
            return self.numbers[path, ""]
        if path.endswith(".py"):
            # Somebody read the text of a program: every byte of it counts.
            path = f"{path}/"
        if path in (ANYTHING, REMOTE):
            self.put[path] = store.File(path, "data", *project.ABSENT, path)
            return self.one(path, "", Kind.DATA, path)
        place = self.selection.root / path.rstrip("/")
        stamp, content = project.stamp(place), project.content(place)
        kind = "folder" if stamp[0] == -2 else "data"
        self.put[path] = store.File(path, kind, *stamp, content)
        return self.one(path, "", Kind.FOLDER if kind == "folder" else Kind.DATA, content)


def _from_places(text: str, keys: Iterable[str]) -> Blocks:
    read = json.loads(text)
    return Blocks(
        dict.fromkeys(keys, ""),
        starts={(line, name): tuple(found) for line, name, found in read["s"]},
        spans=tuple((first, last, key) for first, last, key in read["p"]),
    )


def _absolute(path: str, mentions: Iterable[tuple[int, str]], names: list[str]) -> set[str]:
    """Absolute names of what is imported: a relative import is from the package, under each name the file goes by."""
    found: set[str] = set()
    package_itself = path.endswith("/__init__.py") or path == "__init__.py"
    for level, name in mentions:
        if not level:
            found.add(name)
        for own in names if level else ():
            parts = own.split(".")
            keep = len(parts) - level + (1 if package_itself else 0)
            if keep > 0:
                found.add(".".join([*parts[:keep], *([name] if name else [])]))
    return found - {""}
