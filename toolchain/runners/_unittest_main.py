"""Runs unittest in the tested project's interpreter and writes each result to a file as soon as it is there.

Started as a script from a folder of its own, never imported by us: stdlib only, Python 3.9 and later. A dead process
leaves whole lines for what had finished, and a `start` without `result` for the case in which it died.

    python tes_unittest.py --report FILE --root FOLDER [--target TARGET ...] [-k PATTERN] [-f] [-b] [-p PATTERN] ...
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import sys
import time
import traceback
import unittest
import warnings
from typing import Any

EXIT_FAILED, EXIT_BROKEN, EXIT_NOTHING = 1, 3, 5
MAX_TEXT = 16_000
_ORDER = ("passed", "skipped", "xfailed", "failed", "error")


class Journal:
    """One line a fact; a process that a test forked writes nothing."""

    def __init__(self, path: str, root: str) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        self.pid, self.root = os.getpid(), root

    def write(self, kind: str, **more: object) -> None:
        if os.getpid() == self.pid:
            line = json.dumps({"e": kind, **more}).encode() + b"\n"
            while line:
                line = line[os.write(self.file, line) :]

    def file_of(self, module: str) -> str:
        path = getattr(sys.modules.get(module), "__file__", None) or ""
        if path and os.path.realpath(path).startswith(self.root + os.sep):
            return os.path.relpath(os.path.realpath(path), self.root).replace(os.sep, "/")
        return path

    def place(self, test: Any) -> tuple[str, str, str]:
        """File, class and name of a case, of a module that could not be loaded, or of a fixture of a class."""
        kind, method = type(test), getattr(test, "_testMethodName", None)
        if method is None:  # "setUpClass (tests.test_a.TestA)"
            words = getattr(test, "description", None) or test.id()
            name, _, owner = words.partition(" (")
            owner = owner.rstrip(")")
            module = owner if owner in sys.modules else owner.rpartition(".")[0]
            while module and module not in sys.modules:
                module = module.rpartition(".")[0]
            return self.file_of(module), owner[len(module) + 1 :], name
        if kind.__module__ in ("unittest.loader", "unittest.case"):
            relative = method.replace(".", "/") + ".py"
            for start in sys.path:
                path = os.path.realpath(os.path.join(start or self.root, relative))
                if path.startswith(self.root + os.sep) and os.path.exists(path):
                    return os.path.relpath(path, self.root).replace(os.sep, "/"), "", method
            return "", "", method if method != "runTest" else test.id()
        return self.file_of(kind.__module__), kind.__qualname__, method


def cut(text: str) -> str:
    if len(text) <= MAX_TEXT:
        return text
    return (
        text[: MAX_TEXT // 2] + "\n[... %d characters left out ...]\n" % (len(text) - MAX_TEXT) + text[-MAX_TEXT // 2 :]
    )


class Result(unittest.TestResult):
    """Collects what unittest says of a case until it is over, then writes it."""

    def __init__(self, journal: Journal, limit: float) -> None:
        super().__init__()
        self.limit = limit
        self.journal, self.began, self.ran = journal, 0.0, 0
        self.case: Any = None
        self.said: list[tuple[str, str, str]] = []

    def startTest(self, test: Any) -> None:
        super().startTest(test)
        self.case, self.began, self.said = test, time.perf_counter(), []
        file, classname, name = self.journal.place(test)
        self.journal.write("start", f=file, c=classname, name=name, t=time.time())
        if self.limit:
            # A thread of C: it ends the process, stacks first, even where the case holds the interpreter.
            faulthandler.dump_traceback_later(self.limit, exit=True)

    def stopTest(self, test: Any) -> None:
        faulthandler.cancel_dump_traceback_later()
        said = self.said or [("error", "unittest said nothing of how it went", "")]
        status = max((status for status, _, _ in said), key=_ORDER.index)
        told = [(message, text) for one, message, text in said if one == status and (message or text)]
        subtests = "" if len(told) < 2 else "%d subtests or fixtures: " % len(told)
        self._result(
            test,
            status,
            subtests + "; ".join(message for message, _ in told)[:2000],
            "\n".join(text for _, text in told),
            time.perf_counter() - self.began,
        )
        self.case, self.said = None, []
        super().stopTest(test)

    def _result(self, test: Any, status: str, message: str = "", output: str = "", seconds: float = 0.0) -> None:
        self.ran += 1
        file, classname, name = self.journal.place(test)
        more = {"msg": message, "out": cut(output)} if message or output else {}
        self.journal.write(
            "result", f=file, c=classname, name=name, o=status, s=round(seconds, 6), t=time.time(), **more
        )

    def _say(self, test: Any, status: str, message: str = "", error: Any = None) -> None:
        text = ""
        if error is not None:
            message = message + traceback.format_exception_only(error[0], error[1])[-1].strip()
            text = self._exc_info_to_string(error, test)  # type: ignore[attr-defined]
        if self.case is None:  # a fixture of a class or module
            self.journal.write("fixture", o=status)
            self._result(test, status, message, text)
            self.ran -= 1
        else:
            self.said.append((status, message, text))

    def addSuccess(self, test: Any) -> None:
        super().addSuccess(test)
        self._say(test, "passed")

    def addFailure(self, test: Any, err: Any) -> None:
        super().addFailure(test, err)
        self._say(test, "failed", error=err)

    def addError(self, test: Any, err: Any) -> None:
        super().addError(test, err)
        self._say(test, "error", error=err)

    def addSkip(self, test: Any, reason: str) -> None:
        super().addSkip(test, reason)
        self._say(test, "skipped", reason)

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        super().addExpectedFailure(test, err)
        self._say(test, "xfailed", error=err)

    def addUnexpectedSuccess(self, test: Any) -> None:
        super().addUnexpectedSuccess(test)
        self._say(test, "failed", "it was expected to fail, and passed")

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            status = "failed" if issubclass(err[0], test.failureException) else "error"
            self._say(subtest, status, subtest._subDescription() + " ", err)


def options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="unittest", allow_abbrev=False, fromfile_prefix_chars="@")
    parser.add_argument("--report", required=True)
    parser.add_argument("--root", required=True)
    parser.add_argument("--case-timeout", type=float, default=0.0)
    parser.add_argument("--target", action="append", default=[])
    parser.add_argument("-v", "--verbose", "-q", "--quiet", action="store_true")
    parser.add_argument("--locals", action="store_true")
    parser.add_argument("-f", "--failfast", action="store_true")
    parser.add_argument("-b", "--buffer", action="store_true")
    parser.add_argument("-k", dest="names", action="append", default=[])
    parser.add_argument("-s", "--start-directory")
    parser.add_argument("-p", "--pattern", default="test*.py")
    parser.add_argument("-t", "--top-level-directory")
    parser.add_argument("-W", "--warnings", default="default")
    return parser.parse_args(argv)


def loader(names: list[str]) -> unittest.TestLoader:
    made = unittest.TestLoader()
    if names:
        made.testNamePatterns = [name if "*" in name else "*%s*" % name for name in names]
    return made


def module_of(path: str) -> str:
    """The name under which discovery imports a file, whose folder is put on the path."""
    folder, name = os.path.split(os.path.abspath(path))
    name = name[: -len(".py")]
    while os.path.exists(os.path.join(folder, "__init__.py")):
        folder, package = os.path.split(folder)
        name = "%s.%s" % (package, name)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return name[: -len(".__init__")] if name.endswith(".__init__") else name


def load(target: str, chosen: argparse.Namespace) -> unittest.TestSuite:
    """A folder, a file, a dotted name, or `file.py::Class::test`."""
    path, *parts = target.split("::")
    if os.path.isdir(path):
        return loader(chosen.names).discover(path, chosen.pattern, chosen.top_level_directory)
    if not path.endswith(".py"):
        return loader(chosen.names).loadTestsFromName(".".join([path, *parts]))
    module = module_of(path)
    if parts and (
        parts[-1] == module or parts[-1].startswith(("setUp", "tearDown")) and parts[-1][-5:] in ("Class", "odule")
    ):
        parts.pop()
    if not parts:
        return loader(chosen.names).discover(
            os.path.dirname(os.path.abspath(path)), os.path.basename(path), sys.path[0] if "." in module else None
        )
    return loader(chosen.names).loadTestsFromName(".".join([module, *parts]))


def collect(chosen: argparse.Namespace, journal: Journal) -> unittest.TestSuite:
    suite = unittest.TestSuite()
    for target in chosen.target:
        suite.addTest(load(target, chosen))
    if chosen.target:
        return suite
    top = chosen.top_level_directory
    suite.addTest(loader(chosen.names).discover(chosen.start_directory or ".", chosen.pattern, top))
    if suite.countTestCases() == 0 and not chosen.start_directory:
        # Without __init__.py they are not found from above; `python -m unittest discover -s tests` is what people type.
        for folder in ("tests", "test"):
            if os.path.isdir(folder):
                suite.addTest(loader(chosen.names).discover(folder, chosen.pattern, top))
                if suite.countTestCases():
                    journal.write("note", text="nothing was found from the root, so it was looked for in %s/" % folder)
                    break
    return suite


def main() -> int:
    faulthandler.enable()
    chosen = options(sys.argv[1:])
    root = os.path.realpath(chosen.root)
    os.chdir(root)
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [root, *(path for path in sys.path if os.path.abspath(path) != here)]
    journal = Journal(chosen.report, root)
    journal.write("session", python=sys.version.split()[0], root=root, pid=os.getpid(), t=time.time())
    result = Result(journal, chosen.case_timeout)
    result.failfast, result.buffer, result.tb_locals = chosen.failfast, chosen.buffer, chosen.locals
    sys.argv = ["python -m unittest"]
    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter(chosen.warnings)
        try:
            suite = collect(chosen, journal)
        except BaseException as error:  # a module that ends the process as it is imported
            traceback.print_exc()
            journal.write("problem", text="collecting ended with %s: %s" % (type(error).__name__, error))
            return EXIT_BROKEN
        count = suite.countTestCases()
        journal.write("collected", n=count)
        if count == 0:
            journal.write("problem", text="unittest found no case")
            return EXIT_NOTHING
        result.startTestRun()
        try:
            suite.run(result)
        finally:
            result.stopTestRun()
    ok = result.wasSuccessful()
    journal.write("end", ran=result.ran, ok=ok, stopped=bool(result.shouldStop), t=time.time())
    return 0 if ok else EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
