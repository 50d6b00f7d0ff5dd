"""What a run left under OUT/impact becomes memory, in one transaction.

Every worker tells in a file of its own which code objects each case executed, what it opened and who called whom.
Here they become nodes: the blocks that those code objects are of, in the text that the plan saw. A file that changed
while the tests ran is no evidence of anything: whatever touched it runs again.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain.blocks import MODULE
from domain.impact import Kind, Stored
from tasks import impact_files as project
from tasks import impact_store as store
from tasks.impact_nodes import UNSTABLE, Nodes
from tasks.impact_parts import Heard, Part, heard, named, unfinished
from tasks.impact_told import Recorded, Told

if TYPE_CHECKING:
    from tasks.impact import Selection

NOTHING = 5  # pytest's exit code where it collected no case


@dataclass(frozen=True)
class Absorbed:
    """`recorded`: cases whose dependencies are known now; `doubted`: those that will run again whatever happens;
    `misses`: cases that the selection would have reused and whose outcome is another one now."""

    recorded: int
    doubted: int
    misses: tuple[str, ...]


def lines(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file's name, event) of each whole line in a folder of `*.jsonl`; a line that was cut off is no event."""
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_bytes().split(b"\n")[:-1]:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                yield file.name, event


def results(folder: Path, *, may_be_empty: bool = False) -> tuple[dict[str, Stored], bool]:
    """Node id → its last result, by the engine's journal; and whether the run went through to its end. With
    `may_be_empty` one that found no case has, too."""
    found: dict[str, tuple[int, Stored]] = {}
    bad: set[str] = set()
    whole = False
    for name, event in lines(folder):
        kind = event.get("e")
        if kind == "problem":
            bad.add("")
        elif kind == "end" and name.startswith("main"):
            collected, ran = event.get("collected"), event.get("ran")
            whole = event.get("exit") in ((0, 1, NOTHING) if may_be_empty else (0, 1)) and (
                collected is None or collected == ran
            )
        elif kind == "result":
            case, number, status = event["id"], int(event.get("n", 1)), event["o"]
            if status in ("failed", "error", "crashed"):
                bad.add(case)
            if case not in found or found[case][0] <= number:
                found[case] = number, Stored(
                    id=case, file=event["f"], classname=event.get("c", ""), name=event["name"], status=status,
                    seconds=float(sum(event.get("d", ()))), message=str(event.get("msg") or "")[:2000],
                )  # fmt: skip
    last = {case: one for case, (_, one) in found.items()}
    flaky = {case for case, one in last.items() if case in bad and one.status not in ("failed", "error", "crashed")}
    for case in flaky:
        last[case] = _with(last[case], bad_before=True)
    return last, whole and "" not in bad


def _with(case: Stored, **values: Any) -> Stored:
    return replace(case, **values)


def absorb(out: Path | Sequence[Part], selection: Selection) -> Absorbed:
    """Takes in what the run in `out`, or in several parts, recorded. Nothing is kept when this is killed; then all of
    it runs again."""
    parts = [Part(out, selection.run)] if isinstance(out, Path) else out
    run = heard(parts)
    last = run.last
    misses = tuple(c.id for c in selection.reused if c.id in last and last[c.id].status != c.status)
    with store.opened(selection.store) as connection:
        if selection.run is None:
            for table in store.TABLES:
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 (names of ours)
            again = unfinished(parts, run.died)
        elif store.meta(connection).get("turn", "") != selection.turn:
            # Another run was quicker. What it knows stands by itself; of this part it is not known what with.
            return Absorbed(0, len(last), misses)
        else:
            again = named(run.died)
        return _write(connection, selection, run, again, misses)


def _write(
    connection: sqlite3.Connection, selection: Selection, run: Heard, again: list[str] | None, misses: tuple[str, ...]
) -> Absorbed:
    """`again`: files that did not run to their end; None where that is everything."""
    seen, said, last, whole = selection.seen, run.told, run.last, selection.run is None
    connection.executemany("INSERT OR REPLACE INTO module VALUES (?, ?)", said.modules.items())
    names: dict[str, list[str]] = {}
    for name, path in store.modules(connection).items():
        names.setdefault(path, []).append(name)
    nodes = Nodes(connection, selection, names)
    for path in seen.gone:
        connection.execute("DELETE FROM node WHERE path = ?", (path,))
        connection.execute("DELETE FROM tested WHERE file = ?", (path,))
    for path in {*seen.read, *said.modules.values()} - seen.gone:
        if path.endswith(".py"):
            nodes.python(path)
        else:
            nodes.data(path)

    calls = {(a, b) for x, y in said.calls for a in nodes.code(x) for b in nodes.code(y) if a != b}
    calls |= {(a, nodes.data(path)) for code, path in said.opened for a in nodes.code(code)}
    connection.executemany("INSERT OR IGNORE INTO call VALUES (?, ?)", calls)

    _mentioned(connection)
    doubted, place = 0, 0
    if whole:
        place = 0
    else:
        (place,) = connection.execute("SELECT coalesce(max(place), 0) FROM tested").fetchone()
    ran_files = {one.file for one in last.values()}
    if not whole:
        # A file that ran whole has these cases and no others.
        for file in (ran_files & set(selection.run or ())) - set(again or ()):
            connection.execute("DELETE FROM tested WHERE file = ?", (file,))
    rows = []
    apart: set[int] = set()
    for case, one in last.items():
        place += 1
        did = said.cases.get(case)
        if did is not None:
            did.add(said.files.get(one.file, Recorded()))
            did.doubt = did.doubt or said.everyone.doubt
        doubt = "what it executed was not recorded" if did is None else did.doubt
        numbers: set[int] = set()
        if did is not None:
            for code in did.codes:
                numbers.update(nodes.code(code))
            numbers.update(nodes.data(path) for path in did.paths)
            if one.file.endswith(".py"):
                nodes.python(one.file)
                numbers.add(nodes.numbers[one.file, MODULE])
            else:
                numbers.add(nodes.data(one.file))
            if nodes.unstable and any(code[0] in nodes.unstable for code in did.codes):
                doubt = doubt or f"a file {UNSTABLE}"
        doubted += bool(doubt)
        needs = _set(connection, numbers)
        if did is not None and did.apart:
            apart.add(needs)
        rows.append(
            (one.id, one.file, one.classname, one.name, one.status, one.seconds, one.message, needs,
             (did is not None and did.anything) or said.everyone.anything, doubt, one.bad_before, place)
        )  # fmt: skip
    connection.executemany(f"INSERT OR REPLACE INTO tested VALUES ({', '.join('?' * 12)})", rows)

    if not whole:
        unknown = [(case,) for case in selection.why if case not in last]
        connection.executemany("UPDATE tested SET doubt = 'it was to run and did not' WHERE id = ?", unknown)
    _files(nodes, selection)
    everyone = {n for code in said.everyone.codes for n in nodes.code(code)}
    everyone |= {nodes.data(path) for path in said.everyone.paths}
    store.put_files(connection, nodes.put.values(), seen.gone)
    told_facts = {**store.meta(connection), **said.facts}
    files = [file for (file,) in connection.execute("SELECT DISTINCT file FROM tested WHERE file NOT LIKE '%.py'")]
    suffixes = {name[name.rindex(".") :] for name in files if "." in name}
    started = (
        connection.execute("SELECT 1 FROM tested WHERE anything").fetchone() or (store.ANYTHING, "") in nodes.numbers
    )
    if said.everyone.apart:
        apart.add(_set(connection, everyone))
        told_facts["kept"] = sorted({*told_facts.get("kept", ()), _set(connection, everyone)})
    folders = told_facts.get("folders", [])
    values: dict[str, Any] = {
        **told_facts,
        "conditions": dict(selection.conditions),
        "lock": project.environment_lock(folders),
        "everyone": sorted({*(told_facts.get("everyone") or []), *everyone}),
        "unfinished": again or [],
        "turn": uuid.uuid4().hex,
        "apart": sorted({*(told_facts.get("apart") or ()), *apart}),
        "watches": bool(started or suffixes or told_facts.get("globs", [project.TEXT]) != [project.TEXT]),
        "suffixes": sorted(suffixes),
        "complete": again is not None if whole else told_facts.get("complete", False),
    }
    if values["watches"]:
        others = seen.others if seen.others is not None else project.others_since(selection.root, seen.at)
        mine = {name: stamp for name, stamp in others.items() if name not in nodes.put}
        values["others"] = project.known(selection.root, mine, told_facts.get("others") or {})
    store.set_meta(connection, values)
    kept = ", ".join(str(int(number)) for number in values.get("kept", ()))
    connection.execute(f"DELETE FROM needs WHERE id NOT IN (SELECT needs FROM tested) AND id NOT IN ({kept})")
    connection.execute("DELETE FROM uses WHERE node NOT IN (SELECT id FROM node)")
    connection.execute("DELETE FROM cached WHERE node NOT IN (SELECT id FROM node)")
    return Absorbed(len(last) - doubted, doubted, misses)


def refresh(planned: Selection) -> None:
    """Takes in files that were touched without a change of any block, where nothing is to run."""
    with store.opened(planned.store) as connection:
        _write(connection, planned, Heard(Told(), {}), [], ())


def _files(nodes: Nodes, selection: Selection) -> None:
    """Every other file that must be watched: those that nothing imported yet, and the settings."""
    for path, stamp in selection.seen.stamps.items():
        known = nodes.files.get(path)
        if path in nodes.put or (known is not None and known.stamp == stamp and known.digest):
            continue
        setting = path in project.SETTINGS
        if not setting and not path.endswith(".py"):
            nodes.data(path)
            continue
        fresh = nodes.stable(path)
        nodes.put[path] = store.File(
            path, "setting" if setting else "py", *stamp,
            project.content(selection.root / path) if fresh else "",
            known.mentions if known else "[]", known.places if known else "",
        )  # fmt: skip


def _mentioned(connection: sqlite3.Connection) -> None:
    """Who looks a cache's name up may have found it filled, and executed nothing of it."""
    for name, other in connection.execute("SELECT DISTINCT name, other FROM alias").fetchall():
        # Whatever is called so, wherever: what a module imports it as is not followed.
        found = connection.execute("SELECT id FROM node WHERE key = ? OR key LIKE ?", (name, f"%.{name}")).fetchall()
        connection.executemany(
            "UPDATE node SET kind = kind | ? WHERE id = ?", [(int(Kind.CACHED), n) for (n,) in found]
        )
        connection.executemany("INSERT OR IGNORE INTO cached VALUES (?, ?)", [(other, n) for (n,) in found])
    connection.execute(
        "INSERT OR IGNORE INTO call SELECT uses.node, cached.node FROM cached JOIN uses USING (name)"
        " WHERE uses.node != cached.node"
    )


def _set(connection: sqlite3.Connection, numbers: Iterable[int]) -> int:
    blob = store.packed(numbers)
    connection.execute("INSERT OR IGNORE INTO needs (nodes) VALUES (?)", (blob,))
    (found,) = connection.execute("SELECT id FROM needs WHERE nodes = ?", (blob,)).fetchone()
    return int(found)
