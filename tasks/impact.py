"""Run only what a change touches: what to run before the tests start, and what is remembered afterwards.

    selection = plan(root, store_path(root, "unit", args), conditions(python))
    ... the engine runs `selection.run` with `--impact`; everything when it is None; it is not started when it is () ...
    absorbed = absorb(out, selection)

`plan` is a person's waiting time: it imports neither pydantic nor Prefect, looks at the files' stamps, and reads only
what differs. It never guesses: what it cannot decide runs. `absorb` writes one transaction, so a kill leaves what was
known before, and everything that was to run will run again.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain.blocks import MODULE, Blocks, blocks, module_names
from domain.impact import Memory, Stored, choose, selection
from tasks import impact_files as project
from tasks import impact_git as git
from tasks import impact_store as store
from tasks.impact_store import ANYTHING, REMOTE
from tasks.state_folder import home

if TYPE_CHECKING:
    from domain.cases import Attempt
    from tasks.impact_absorb import Absorbed
    from tasks.impact_parts import Part

# Differ from terminal to terminal, and no test should care.
_NOISE = frozenset({
    "_", "PWD", "OLDPWD", "SHLVL", "TERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "TERM_SESSION_ID", "COLUMNS",
    "LINES",
    "COLORTERM", "TMUX", "TMUX_PANE", "STY", "WINDOW", "WINDOWID", "DISPLAY", "PS1", "LS_COLORS", "HISTFILE", "MAIL",
    "LOGNAME", "XAUTHORITY", "PYTEST_CURRENT_TEST", "VIRTUAL_ENV_PROMPT", "INVOCATION_ID", "JOURNAL_STREAM", "EDITOR",
})  # fmt: skip
_NOISY = ("SSH_", "XDG_", "DBUS_", "TES_", "PREFECT_", "VSCODE_", "GPG_", "LESS", "GIT_", "ITERM", "KITTY_", "VTE_")


@dataclass(frozen=True)
class Seen:
    """The project's files when the plan was made. `read`: what was found in those that differ from what is stored.

    `others`: stamps of the files that no case was seen to read; None where nobody had to know. `at`: when, in ns.
    """

    stamps: Mapping[str, project.Stamp]
    digests: Mapping[str, str] = field(default_factory=dict)
    read: Mapping[str, Blocks] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    others: Mapping[str, project.Stamp] | None = None
    at: int = 0


@dataclass(frozen=True)
class Selection:
    """What to run. `run`: node ids and files for the engine; None for everything, () for nothing at all.

    `reused`: stored results that still hold. `reasons`: word → number of known cases that run for it (`changed`,
    `failed`, `flaky`, `unknown`). `why`: node id or file → the reason in full. `everything`: why all of it runs.
    `turn` names what the memory was when this was planned.
    """

    root: Path
    store: Path
    conditions: Mapping[str, str]
    seen: Seen
    run: tuple[str, ...] | None = None
    reused: tuple[Stored, ...] = ()
    reasons: Mapping[str, int] = field(default_factory=dict)
    why: Mapping[str, str] = field(default_factory=dict)
    everything: str = ""
    turn: str = ""

    def counts(self) -> dict[str, int]:
        """Status → number of reused cases."""
        return dict(Counter(case.status for case in self.reused))

    def attempts(self, suite: str) -> tuple[Attempt, ...]:
        """The reused results as attempts that say so."""
        from domain.cases import Attempt, CaseId, Status

        return tuple(
            Attempt(
                case=CaseId(suite=suite, file=case.file, classname=case.classname, name=case.name),
                status=Status(case.status),
                seconds=case.seconds,
                message=case.message,
                reused=True,
            )
            for case in self.reused
        )


def store_path(root: Path, suite: str, args: Sequence[str] = ()) -> Path:
    """Where a suite's memory is kept: under TES_HOME, a file of its own for each project, suite and selection."""
    name = hashlib.blake2b("\0".join([os.path.realpath(root), *args]).encode(), digest_size=8).hexdigest()
    return Path(home()) / "impact" / f"{root.resolve().name}-{suite}-{name}.sqlite3"


def looks_at(args: Sequence[str], paths: Sequence[str]) -> Sequence[str]:
    """The paths in which a suite's new tests are its own. A word among its arguments may be a path, too: then all."""
    return ["."] if any(not word.startswith("-") for word in args) else paths


def conditions(
    python: Path, environment: Mapping[str, str] = {}, inherited: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """What all cases depend on, by name: interpreter and environment variables (as digests: they may be secret)."""
    told = {"the interpreter": f"{os.path.realpath(python)} {project.stamp(python)}", "tes": f"{sys.version}"}
    for key, value in {**inherited, **environment}.items():
        if key not in _NOISE and not key.startswith(_NOISY) or key in environment:
            told[f"the variable {key}"] = hashlib.blake2b(value.encode("utf-8", "replace"), digest_size=8).hexdigest()
    return told


def plan(
    root: Path, path: Path, under: Mapping[str, str], *, base: str | None = None, paths: Sequence[str] = ()
) -> Selection:
    """What must run in `root`, by the memory in `path`, under these `conditions`. `paths` are the suite's: a test file
    that came newly elsewhere is none of its own.

    `base`: a git revision; whatever depends on what differs between it and the work tree runs as well. SpecError when
    git does not know it. Where nothing changed this takes some ten milliseconds for a thousand cases.
    """
    root, at = root.resolve(), time.time_ns()
    if base is not None:
        git.check(root, base)  # also where it is not needed yet: a wrong one must not wait for the second run
    known = store.reading(path)
    facts = {} if known is None else store.meta(known)
    others: dict[str, project.Stamp] | None = {} if facts.get("watches", True) else None
    stamps = project.python_files(root, others)
    empty = Selection(root, path, under, Seen(stamps, others=others, at=at))
    if known is None:
        return _everything(empty, "nothing is recorded yet")
    try:
        if why := _unlike(facts, under):
            return _everything(empty, why)
        watched = store.files(known)
        seen, changed_files = _look(root, stamps, watched)
        seen = replace(seen, others=others, at=at)
        beside, texts = _others(root, facts, others, watched)
        against = git.changes(root, base) if base else {}
        new = [name for name in stamps if name not in watched]
        for name in sorted({*changed_files, *against, *new}):
            if (name in watched and watched[name].kind == "setting") or name in project.SETTINGS:
                return _everything(empty, f"{name} changed")
        cases = store.cases(known)
        touched = [*changed_files, *new, *against]
        pseudo = {name for name in (ANYTHING, REMOTE) if name in watched and (name == REMOTE or touched or beside)}
        patterns = [*(facts.get("patterns") or ["test_*.py", "*_test.py"]), project.TEXT]
        if not touched and not pseudo and not facts.get("unfinished"):
            memory = store.memory(known, {}, cases, all_nodes=False)
        else:
            memory = store.memory(known, _imports(watched, store.modules(known), patterns), cases, all_nodes=True)
        changed = _changed_nodes(memory, seen, against, watched, new, root)
        changed |= {number for number, node in memory.nodes.items() if node.path in pseudo}
    finally:
        known.close()
    came = [name for name in new if _is_test(name, patterns) and name not in seen.gone]
    paths = paths or facts.get("testpaths") or ()
    whole = {name: "it is new" for name in (*came, *texts) if project.below(name, paths)}
    whole |= {name: "it did not finish last time" for name in facts.get("unfinished", ()) if (root / name).exists()}
    whole |= {
        memory.nodes[number].path: "it changed"
        for number in changed
        if memory.nodes[number].key == MODULE
        and _is_test(memory.nodes[number].path, patterns)
        and memory.nodes[number].path in stamps
    }
    chosen = choose(memory, changed, anything=next(iter(touched), beside), gone=seen.gone)
    run = selection(chosen.run, [case for case in cases if case.file not in seen.gone], whole)
    planned = Selection(
        root, path, under, seen, run,
        reused=tuple(case for case in chosen.reused if case.file not in whole),
        reasons=chosen.reasons, why={**whole, **chosen.run}, turn=facts.get("turn", ""),
    )  # fmt: skip

    if not run and seen.digests:
        from tasks.impact_absorb import refresh

        refresh(planned)
    return planned


def _everything(empty: Selection, why: str) -> Selection:
    return Selection(empty.root, empty.store, empty.conditions, empty.seen, everything=why)


def _unlike(facts: Mapping[str, Any], under: Mapping[str, str]) -> str:
    """Why nothing recorded can be used under these conditions; "" when it can."""
    if not facts.get("complete"):
        return "the last whole run did not finish"
    then = facts.get("conditions", {})
    for name in sorted({*then, *under}):
        if then.get(name) != under.get(name):
            return f"{name} changed"
    if project.environment_lock(facts.get("folders", ())) != facts.get("lock"):
        return "the installed packages changed"
    return ""


def _look(
    root: Path, stamps: Mapping[str, project.Stamp], watched: Mapping[str, store.File]
) -> tuple[Seen, dict[str, str]]:
    """What the files say now, and path → new digest of each watched file whose content differs from what is stored."""
    now = dict(stamps)
    digests: dict[str, str] = {}
    changed: dict[str, str] = {}
    read: dict[str, Blocks] = {}
    gone = set()
    for name, file in watched.items():
        if name not in now:
            now[name] = project.stamp(root / name)
        if now[name] == file.stamp and file.digest:
            continue
        if now[name] == project.ABSENT and file.stamp == project.ABSENT:
            continue
        digests[name] = project.content(root / name)
        if digests[name] != file.digest or not file.digest:
            changed[name] = digests[name]
            if file.kind == "py":
                if digests[name]:
                    read[name] = blocks((root / name).read_bytes())
                else:
                    gone.add(name)
    return Seen(now, digests, read, frozenset(gone)), changed


def _others(
    root: Path, facts: Mapping[str, Any], now: Mapping[str, project.Stamp] | None, watched: Collection[str]
) -> tuple[str, list[str]]:
    """A file that differs, of those that no case was seen to read ("" if none does); and those that came newly and may
    hold tests, by the patterns or because other such files do."""
    then: Mapping[str, Sequence[Any]] = facts.get("others") or {}
    if now is None:
        return "", []
    beside = {*now, *then} - set(watched)
    # Those that came or went first: to see that costs nothing.
    names = sorted(beside, key=lambda name: name in now and name in then)
    differs = (name for name in names if project.differs(root, name, now.get(name), then.get(name, ())))
    globs = [*facts.get("globs", ()), *(f"*{suffix}" for suffix in facts.get("suffixes", ()))]
    return next(differs, ""), [name for name in now if name not in then and _is_test(name, globs)]


def _changed_nodes(
    memory: Memory,
    seen: Seen,
    against: Mapping[str, Blocks | None],
    watched: Mapping[str, store.File],
    new: Sequence[str],
    root: Path,
) -> set[int]:
    changed: set[int] = set()
    # Conftests and package files that came newly change all that lies below them; a module that came newly changes
    # those who name it, because they find it now.
    below = tuple(name.rpartition("/")[0] for name in new if name.rpartition("/")[2] in ("conftest.py", "__init__.py"))
    found = {dotted for name in new for dotted in module_names(name, ())}
    mentioned = {
        name for name, file in watched.items() if found and file.kind == "py" and found & set(json.loads(file.mentions))
    }
    now: dict[str, Blocks] = dict(seen.read)
    for number, node in memory.nodes.items():
        path, key = node.path, node.key
        if path in seen.read:
            differs = seen.read[path].hashes.get(key) != node.digest
        else:
            differs = path in seen.gone or (
                path in seen.digests and seen.digests[path] != node.digest and watched[path].kind != "py"
            )
        if path in against and not differs:
            then = against[path]
            if path not in now and path.endswith(".py"):
                now[path] = blocks((root / path).read_bytes()) if (root / path).exists() else Blocks({})
            differs = then is None or not path.endswith(".py") or then.hashes.get(key) != now[path].hashes.get(key)
        if not differs and key == MODULE:
            differs = path in mentioned or any(not top or path.startswith(f"{top}/") for top in below)
        if differs:
            changed.add(number)
    return changed


def _imports(
    watched: Mapping[str, store.File], modules: Mapping[str, str], patterns: Sequence[str]
) -> dict[str, frozenset[str]]:
    """Path → paths of the project's files that importing it imports, its conftests and packages among them."""
    paths = {name for name, file in watched.items() if file.kind == "py"}
    compiled = {name for name in modules.values() if name not in paths}
    by_name: dict[str, set[str]] = {}
    for dotted, name in modules.items():
        by_name.setdefault(dotted, set()).add(name)
    for name in (paths | compiled) - set(modules.values()):
        for dotted in module_names(name, ()):
            by_name.setdefault(dotted, set()).add(name)
    found: dict[str, frozenset[str]] = {}
    for name in paths:
        imported: set[str] = set()
        for dotted in json.loads(watched[name].mentions):
            while dotted:
                imported |= by_name.get(dotted, set())
                dotted = dotted.rpartition(".")[0]
        folder = name.rpartition("/")[0]
        while True:
            prefix = f"{folder}/" if folder else ""
            imported |= {f"{prefix}__init__.py"} & paths
            if _is_test(name, patterns) or name.endswith("conftest.py"):
                imported |= {f"{prefix}conftest.py"} & paths
            if not folder:
                break
            folder = folder.rpartition("/")[0]
        found[name] = frozenset(imported - {name})
    return found


def _is_test(path: str, patterns: Iterable[str]) -> bool:
    name = path.rpartition("/")[2]
    return any(fnmatch.fnmatch(name if "/" not in pattern else path, pattern) for pattern in patterns)


def misses(planned: Selection, outcomes: Mapping[str, str]) -> tuple[str, ...]:
    """Cases that would have been reused and whose outcome is another one now that everything ran (`outcomes`: node id
    → status): what the selection would have missed. Their number belongs into the run's metrics."""
    return tuple(case.id for case in planned.reused if outcomes.get(case.id, case.status) != case.status)


def absorb(out: Path | Sequence[Part], planned: Selection) -> Absorbed:
    """Takes in what the run in `out` recorded (OUT/impact and OUT/journal); call it once, after the engine has ended.
    Of a suite in shards, all of their folders at once.

    `planned` is the plan's answer, whatever was run: with `whole(planned)` everything is recorded anew. Kill it at any
    moment: nothing is kept then, and what was to run will run again.
    """
    from tasks.impact_absorb import absorb as take_in

    return take_in(out, planned)


def whole(planned: Selection) -> Selection:
    """The same plan for a run of everything (`--all`): `reused` stays, to be compared with what comes out."""
    return replace(planned, run=None, everything="it was asked for")
