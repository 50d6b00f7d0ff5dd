"""The rules over several keys of a tes.yaml, found in its tree so that each has its place.

They look at whatever can be read, also where other values are wrong, so that all is told at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from domain.spec import SHIPPED_SCANNERS
from domain.spec_problem import Path, Problem, Severity, dotted, near
from domain.yaml_tree import Node

NO_CASE_LIMIT = {
    "go": "go test limits a package, not a case (-timeout, which follows the suite's timeout)",
    "cargo": "cargo test has no limit for one case; args: [nextest, run] has",
    "node": "node --test limits whole files, not a case (--test-timeout)",
    "maven": "Maven has no limit for one case; JUnit has: junit.jupiter.execution.timeout.default",
    "gradle": "Gradle has no limit for one case; JUnit has: junit.jupiter.execution.timeout.default",
    "command": "only the command itself could know its cases",
}
STAGES = ("build", "tests", "load", "deploy", "verify")


def checks(root: Node, where: str, known: Mapping[str, Sequence[str]], today: date | None) -> list[Problem]:
    """What the rules say about a mapping's tree."""
    found = [*_suite_names(root), *_canary(root), *_gates(root), *_names(root, known), *_load(root)]
    found += [*_case_timeouts(root), *_unserved(root), *(_waivers(root, today) if today else [])]
    return [problem.model_copy(update={"where": where}) for problem in found]


def _at(node: Node | None, *path: str) -> Node | None:
    for part in path:
        node = node.value.get(part) if node is not None and isinstance(node.value, dict) else None
    return node


def _items(node: Node | None) -> list[tuple[int, Node]]:
    return list(enumerate(node.value)) if node is not None and isinstance(node.value, list) else []


def _environments(root: Node) -> Iterator[tuple[str, Node]]:
    node = _at(root, "environments")
    if node is not None and isinstance(node.value, dict):
        yield from node.value.items()


def _told(
    node: Node, path: Path, message: str, fix: str, value: str = "", severity: Severity = Severity.ERROR
) -> Problem:
    place: dict[str, Any] = {"line": node.line, "column": node.column}
    return Problem(where="", **place, key=dotted(path), value=value, message=message, fix=fix, severity=severity)


def _suite_names(root: Node) -> Iterator[Problem]:
    seen: dict[Any, int] = {}
    for index, suite in _items(_at(root, "tests", "suites")):
        name = _at(suite, "name")
        word = name.value if name is not None else "tests"
        place = name or suite
        if isinstance(word, str) and word in seen:
            message = f"another suite has this name, at line {seen[word]}"
            yield _told(place, ("tests", "suites", index, "name"), message, "give each suite its own name", word)
        elif isinstance(word, str):
            seen[word] = place.line


def _case_timeouts(root: Node) -> Iterator[Problem]:
    """Frameworks that cannot limit one case; a limit that is not applied must not look as if it were."""
    for index, suite in _items(_at(root, "tests", "suites")):
        limit, framework = _at(suite, "case_timeout"), _at(suite, "framework")
        word = framework.value if framework is not None else "pytest"
        if limit is None or limit.value is None or word not in NO_CASE_LIMIT:
            continue
        if word == "cargo" and [arg.value for _, arg in _items(_at(suite, "args"))][:1] == ["nextest"]:
            continue
        message = f"not applied: {NO_CASE_LIMIT[str(word)]}"
        path = ("tests", "suites", index, "case_timeout")
        yield _told(limit, path, message, "use timeout, of the whole suite", str(limit.value), Severity.WARNING)


def _canary(root: Node) -> Iterator[Problem]:
    for name, environment in _environments(root):
        path: Path = ("environments", name, "steps")
        strategy, steps = _at(environment, "strategy"), _at(environment, "steps")
        word = strategy.value if strategy is not None else "blue_green"
        if word == "canary" and strategy is not None and not _items(steps):
            fix = "add steps, e.g. steps: [{weight: 10, bake: 1m}, {weight: 50, bake: 5m}]"
            yield _told(strategy, ("environments", name, "strategy"), "canary needs steps", fix, "canary")
        if word in ("all_at_once", "blue_green") and steps is not None and _items(steps):
            message = f"steps belong to strategy canary, not {word}"
            yield _told(steps, path, message, "write strategy: canary, or remove the steps")
        before = 0
        for index, step in _items(steps):
            weight = _at(step, "weight")
            if weight is None or type(weight.value) is not int:
                continue
            if weight.value <= before:
                message, fix = f"weights must rise, and {before} came before", "order the steps by weight"
                yield _told(weight, (*path, index, "weight"), message, fix, str(weight.value))
            before = weight.value


def _scanners(root: Node) -> list[str]:
    node = _at(root, "scan", "scanners")
    if node is None or not isinstance(node.value, list):
        return list(SHIPPED_SCANNERS)
    return [str(scanner.value) for _, scanner in _items(node)]


def _gates(root: Node) -> Iterator[Problem]:
    suites = _at(root, "tests", "suites")
    named = [str(told.value) for _, suite in _items(suites) if (told := _at(suite, "name")) is not None]
    tests = [f"tests.{name}" for name in named] or ["tests.tests"]
    for _, suite in _items(suites):
        if _at(suite, "coverage") is not None:
            told = _at(suite, "name")
            tests += ["coverage", f"coverage.{told.value if told is not None else 'tests'}"]
    names = [*STAGES, *_scanners(root), *tests]
    for name, environment in _environments(root):
        gates = _at(environment, "gates")
        if gates is None or not isinstance(gates.value, dict):
            continue
        for gate, node in gates.value.items():
            # Suites that are detected have names that are not known yet.
            if gate in names or (gate.startswith("tests.") and suites is None):
                continue
            line, column = gates.keys[gate]
            place = Node(line, column, node.value)
            fix = near(gate, names) or f"choose one of: {', '.join(names)}"
            yield _told(place, ("environments", name, "gates", gate), "there is no such gate", fix)


def _names(root: Node, known: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
    looked_up: list[tuple[str, Path, Node | None]] = []
    for index, scanner in _items(_at(root, "scan", "scanners")):
        looked_up.append(("scanners", ("scan", "scanners", index), scanner))
    for index, suite in _items(_at(root, "tests", "suites")):
        looked_up.append(("runners", ("tests", "suites", index, "framework"), _at(suite, "framework")))
    for place, environment in _environments(root):
        looked_up.append(("platforms", ("environments", place, "platform"), _at(environment, "platform")))
    for kind, path, node in looked_up:
        if kind not in known or node is None or not isinstance(node.value, str):
            continue
        if kind == "platforms" and "/" in node.value:  # a block, which only a Prefect server knows
            continue
        names = known[kind]
        if node.value not in names:
            fix = near(node.value, names) or "choose a known one"
            message = f"there is no such {kind[:-1]}; known: {', '.join(names)}"
            yield _told(node, path, message, fix, node.value)


def _load(root: Node) -> Iterator[Problem]:
    load = _at(root, "load")
    generator = _at(load, "generator")
    if load is None or generator is None:
        return
    if generator.value == "locust" and _at(load, "script") is not None and _at(load, "scenario") is None:
        message, fix = "locust cannot run a k6 script", "add a scenario, or write generator: k6"
        yield _told(generator, ("load", "generator"), message, fix, "locust")


# What can be written and nothing here acts upon: to go on as if it were not there would be a lie.
_UNSERVED = {
    "cpus": ("no platform limits processors yet", "leave it out"),
}


def _unserved(root: Node) -> Iterator[Problem]:
    for key, (message, fix) in _UNSERVED.items():
        node = _at(root, "release", "resources", key)
        if node is not None and node.value is not None:
            yield _told(node, ("release", "resources", key), message, fix, node.raw)


def named_files(root: Node) -> Iterator[tuple[Path, Node, str]]:
    """The project's files that a tes.yaml names, each with its path of keys and its place."""
    named: list[tuple[Path, Node | None]] = [
        (("load", "script"), _at(root, "load", "script")),
        (("build", "dockerfile"), _at(root, "build", "dockerfile")),
        *(
            (("environments", name, "verify", "script"), _at(environment, "verify", "script"))
            for name, environment in _environments(root)
        ),
    ]
    for section in ("build", "tests"):
        for index, node in _items(_at(root, section, "requirements")):
            if isinstance(node.value, str) and node.value.endswith(".txt"):
                named.append(((section, "requirements", index), node))
    for index, suite in _items(_at(root, "tests", "suites")):
        framework = _at(suite, "framework")
        if framework is None or framework.value == "pytest":
            for number, node in _items(_at(suite, "paths")):
                named.append((("tests", "suites", index, "paths", number), node))
    for path, found in named:
        if found is not None and isinstance(found.value, str):
            yield path, found, found.value.partition("::")[0]


def missing(path: Path, node: Node, where: str, reason: str) -> Problem:
    """A named file that cannot be used."""
    fix = "correct the path; it starts at the folder of the project"
    return _told(node, path, reason, fix, node.raw).model_copy(update={"where": where})


def _waivers(root: Node, today: date) -> Iterator[Problem]:
    for index, waiver in _items(_at(root, "scan", "waivers")):
        expires = _at(waiver, "expires")
        try:
            last = date.fromisoformat(str(expires.value)) if expires is not None else today
        except ValueError:
            continue  # the model tells it
        if expires is not None and last < today:
            message = f"this waiver has expired {(today - last).days} days ago and waives nothing"
            fix = "remove it, or look again and give it a new date"
            path = ("scan", "waivers", index, "expires")
            yield _told(expires, path, message, fix, str(last), Severity.WARNING)
