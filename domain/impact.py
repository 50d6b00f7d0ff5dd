"""What a change can affect: from what the cases did when they last ran to the cases that must run again.

A case depends on *nodes*: blocks of Python files (`domain/blocks.py`), data files and folders. It must run if a node it
depends on changed. Three rules carry a change further than to those who were seen to execute it:

- a file whose module block changed changes all who import it, through any number of imports;
- a function whose effects last (a cache, a lazy initialisation) changes with all that was ever executed beneath it,
  because whoever comes later finds the result and executes nothing;
- what a file's import executes belongs to its module block, for the same reason;
- where threads or tasks ran, each of the case's functions may have been executed beneath each that lasts.

Pure and quick: this runs before a person's tests start, so it knows neither pydantic nor the records.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field
from enum import IntFlag

REUSABLE = frozenset({"passed", "xfailed", "xpassed", "skipped"})


class Kind(IntFlag):
    """What a node is. LASTING: what was executed beneath it belongs to it. CACHED: its callers are such, for it."""

    BLOCK = 0
    MODULE = 1
    LASTING = 2
    CACHED = 4
    DATA = 8
    FOLDER = 16


@dataclass(frozen=True, slots=True)
class Node:
    """`key`: the block's name in its file, "" for a module block, a data file or a folder. `digest`: its content's."""

    path: str
    key: str
    kind: Kind
    digest: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A case's last result, and what is known of its dependencies.

    `doubt`: why they cannot be known ("" when they can). `anything`: it depends on every file of the project.
    `needs`: the number of its set of nodes. `bad_before`: an earlier attempt of the same run was bad.
    """

    id: str
    file: str
    classname: str
    name: str
    status: str
    seconds: float
    message: str = ""
    needs: int = 0
    anything: bool = False
    doubt: str = ""
    bad_before: bool = False


@dataclass(frozen=True)
class Memory:
    """What is known: nodes, who called whom (caller, callee), who imports whom (file, files), sets of nodes, cases.

    `everyone`: nodes that each case depends on, because they were executed for all of them. `apart`: numbers of sets
    of cases that had threads or tasks, so that not all calls between their nodes are known.
    """

    nodes: Mapping[int, Node]
    calls: Collection[tuple[int, int]] = ()
    imports: Mapping[str, Set[str]] = field(default_factory=dict)
    sets: Mapping[int, Collection[int]] = field(default_factory=dict)
    everyone: Collection[int] = ()
    cases: Collection[Stored] = ()
    apart: Collection[int] = ()


def reach(memory: Memory, changed: Iterable[int]) -> dict[int, int]:
    """Every node that counts as changed → the changed node that is the reason (itself for those given)."""
    why = {node: node for node in changed}
    importers: dict[str, list[str]] = defaultdict(list)
    for importer, imported in memory.imports.items():
        for path in imported:
            importers[path].append(importer)
    callers: dict[int, list[int]] = defaultdict(list)
    for caller, callee in memory.calls:
        callers[callee].append(caller)
    in_file: dict[str, list[int]] = defaultdict(list)
    for number, known_node in memory.nodes.items():
        in_file[known_node.path].append(number)

    apart: dict[int, list[int]] = defaultdict(list)
    for number in memory.apart:
        for member in memory.sets.get(number, ()):
            apart[member].append(number)

    files: set[str] = set()
    opened: set[int] = set()
    above: dict[int, int] = {}  # nodes that something changed was executed beneath
    fresh = list(why)
    while fresh:
        number = fresh.pop()
        node, reason = memory.nodes.get(number), why[number]
        if node is None:
            continue
        if node.kind & Kind.MODULE and node.path not in files:
            todo = [node.path]
            while todo:
                path = todo.pop()
                if path in files:
                    continue
                files.add(path)
                todo.extend(importers[path])
                fresh.extend(other for other in in_file[path] if other not in why)
                for other in in_file[path]:
                    why.setdefault(other, reason)
        for within in apart.get(number, ()):
            if within not in opened:
                opened.add(within)
                for other in memory.sets[within]:
                    held = memory.nodes.get(other)
                    if other not in why and held is not None and held.kind & (Kind.LASTING | Kind.CACHED):
                        why[other] = reason
                        fresh.append(other)
        # Upwards along the calls; whoever keeps results is changed by what made them.
        climb = [number]
        while climb:
            callee = climb.pop()
            if callee in above:
                continue
            above[callee] = reason
            kept = bool(memory.nodes[callee].kind & (Kind.CACHED | Kind.DATA)) if callee in memory.nodes else False
            for caller in callers[callee]:
                climb.append(caller)
                known = memory.nodes.get(caller)
                keeps = known is not None and bool(known.kind & (Kind.LASTING | Kind.MODULE))
                data = callee in memory.nodes and bool(memory.nodes[callee].kind & Kind.DATA)
                if (keeps or (kept and not data)) and caller not in why:
                    why[caller] = reason
                    fresh.append(caller)
    return why


@dataclass(frozen=True)
class Chosen:
    """`run`: case → reason, of the cases known so far. `reused`: those whose results still hold."""

    run: dict[str, str]
    reused: tuple[Stored, ...]
    reasons: dict[str, int]


def choose(memory: Memory, changed: Iterable[int], *, anything: str = "", gone: Set[str] = frozenset()) -> Chosen:
    """The cases that must run, and why. `anything`: a file that changed, for cases that depend on every file.

    `gone`: files that are no more; their cases neither run nor count.
    """
    why = reach(memory, changed)
    by_set: dict[int, int | None] = {
        number: next((node for node in members if node in why), None) if why else None
        for number, members in memory.sets.items()
    }
    everyone = next((node for node in memory.everyone if node in why), None)
    run: dict[str, str] = {}
    counts: Counter[str] = Counter()
    reused: list[Stored] = []
    for case in memory.cases:
        if case.file in gone:
            continue
        kind, reason = _reason(memory, case, why, by_set.get(case.needs), everyone, anything)
        if kind:
            run[case.id] = reason
            counts[kind] += 1
        else:
            reused.append(case)
    return Chosen(run, tuple(reused), dict(counts))


def _reason(
    memory: Memory, case: Stored, why: Mapping[int, int], hit: int | None, everyone: int | None, anything: str
) -> tuple[str, str]:
    """A word to count by, and the reason in full; two empty texts when the stored result holds."""
    if hit is None:
        hit = everyone
    if hit is not None:
        node = memory.nodes[why[hit]]
        return "changed", f"changed: {node.path}" + (f": {node.key}" if node.key else "")
    if case.doubt:
        return "unknown", f"cannot be known: {case.doubt}"
    if case.anything and anything:
        return "unknown", f"it started a process, and {anything} changed"
    if case.bad_before:
        return "flaky", "passed only on retry last time"
    if case.status not in REUSABLE:
        return "failed", f"{case.status} last time"
    return "", ""


def selection(run: Collection[str], known: Iterable[Stored], files: Collection[str]) -> tuple[str, ...]:
    """What to give the runner: whole files where each known case of it runs (it may have new ones), else cases.

    `files` are to run whole, whatever is known of them.
    """
    left = {case.file for case in known if case.id not in run} - set(files)
    chosen = dict.fromkeys(sorted(files))
    for case in known:
        if case.id in run and case.file not in files:
            chosen[case.id if case.file in left else case.file] = None
    return tuple(chosen)
