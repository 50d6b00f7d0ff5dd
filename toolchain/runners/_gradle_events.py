"""What Gradle's test tasks say while they run, by listeners of an init script of ours.

A test process that ends with 0 before its tests have ended (`System.exit(0)`) is in order to Gradle: the build
succeeds, and the report holds the cases that came before, without a word of the others. So each case and class says
when it begins and when it ends; what begins and does not end died with its process.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from domain.cases import Attempt, CaseId, Status

EVENTS = "gradle.jsonl"
WHOLE_CLASS = "(class)"
# `configureEach` came with Gradle 4.9, `required` with 6.1. The builds of one run append to one file, a line a write.
_INIT = """\
import org.gradle.util.GradleVersion

def since = { GradleVersion.current() >= GradleVersion.version(it) }
def events = new FileOutputStream('@EVENTS@', true)
def say = { word, test, one ->
    def told = [e: word, t: test.path, c: one.className ?: '', n: one.name ?: '', s: one.composite]
    events.write((groovy.json.JsonOutput.toJson(told) + '\\n').getBytes('UTF-8'))
}
def honest = { test ->
    test.outputs.upToDateWhen { false }
    test.outputs.cacheIf { false }
    if (since('6.1')) test.reports.junitXml.required = true else test.reports.junitXml.enabled = true
    test.filter.failOnNoMatchingTests = false
    test.beforeSuite { say('start', test, it) }
    test.beforeTest { say('start', test, it) }
    test.afterTest { one, result -> say('end', test, one) }
    test.afterSuite { one, result -> say('end', test, one) }
}
allprojects {
    if (since('4.9')) tasks.withType(Test).configureEach(honest) else tasks.withType(Test).all(honest)
}
"""


def init_script(out: Path) -> str:
    """Makes every test task run although Gradle thinks it is up to date, write XML, and tell its events."""
    path = str(out / EVENTS).replace("\\", "\\\\").replace("'", "\\'")
    return _INIT.replace("@EVENTS@", path)


class Events:
    """How many tests ended, and what began and did not end: (task, class, name), in order."""

    def __init__(self, path: Path | None) -> None:
        self.ended = 0
        self.tests: Counter[tuple[str, str, str]] = Counter()
        self.classes: Counter[tuple[str, str]] = Counter()
        self.processes: Counter[str] = Counter()
        for event in _lines(path):
            self._take(event)

    def _take(self, event: dict[str, object]) -> None:
        task, classname, name = (str(event.get(key, "")) for key in "tcn")
        step = 1 if event.get("e") == "start" else -1
        if not event.get("s"):
            self.tests[task, classname, name] += step
            self.ended += step < 0
        elif classname:
            self.classes[task, classname] += step
        else:
            self.processes[task] += step

    def crashed(self, suite: str) -> Iterator[Attempt]:
        """The cases that died with their process; a class (`(class)`) where it died between them."""
        within = set()
        message = "its process ended before the case did"
        for (task, classname, name), count in self.tests.items():
            if count > 0:
                within.add((task, classname))
                yield Attempt(case=_case(suite, task, classname, name), status=Status.CRASHED, message=message)
        for (task, classname), count in self.classes.items():
            if count > 0 and (task, classname) not in within:
                case = _case(suite, task, classname, WHOLE_CLASS)
                yield Attempt(case=case, status=Status.CRASHED, message="its process ended before the class did")

    def problems(self) -> Iterator[str]:
        """A process that did not come to its end may have left classes that nobody knows of."""
        for task, count in self.processes.items():
            if count > 0:
                yield f"a test process of {task} ended before it had run all its tests"


def module_of(task: str) -> str:
    """The folder of a task's project, as Gradle has it where settings say nothing else: `:web:api:test` → `web/api`."""
    return task.rpartition(":")[0].strip(":").replace(":", "/")


def _case(suite: str, task: str, classname: str, name: str) -> CaseId:
    return CaseId(suite=suite, file=module_of(task), classname=classname, name=name or WHOLE_CLASS)


def _lines(path: Path | None) -> Iterator[dict[str, object]]:
    try:
        with (path or Path("/nowhere")).open("rb") as file:
            for line in file:
                try:
                    event = json.loads(line) if line.endswith(b"\n") else None
                except ValueError:
                    event = None
                if isinstance(event, dict):
                    yield event
    except FileNotFoundError:
        return
