"""The `<testsuite>` elements around the cases: what they claim to hold, and what they tell of their cases.

Dialects disagree on what `tests` counts: the suite's own cases (Mocha), those of the suites in it as well (PHPUnit,
NUnit, CTest), or assertions (Catch2). A number that fits either of the first two is believed.
"""

from __future__ import annotations


class _Open:
    __slots__ = ("attributes", "direct", "file", "inner", "inner_declared", "name")

    def __init__(self, attributes: dict[str, str], name: str, file: str) -> None:
        self.attributes, self.name, self.file = attributes, name, file
        self.direct = self.inner = 0
        self.inner_declared: int | None = None


class Suites:
    """The open suites, outermost first. `reruns`: a case that is there again ran again (go has no two of a name)."""

    def __init__(self) -> None:
        self.claims_bad = 0
        self.reruns = False
        self.ours = False
        self._open: list[_Open] = []
        self._total: int | None = None
        self._root: int | None = None
        self.claims_skipped = self.claims_errors = 0
        self._mocha_file = ""

    def root(self, tag: str, attributes: dict[str, str]) -> None:
        self.ours = tag == "testsuites" and attributes.get("name") == "tes"
        self._root = _number(attributes, "tests") if tag == "testsuites" else None
        self.claims_errors = (_number(attributes, "errors") or 0) if tag == "testsuites" else 0
        # mocha-junit-reporter counts the pending ones, and leaves them out unless it is told to write them.
        self.claims_skipped = _number(attributes, "skipped") or 0

    def start(self, attributes: dict[str, str]) -> None:
        above = self._open[-1] if self._open else None
        file = attributes.get("file") or attributes.get("filepath") or (above.file if above else "")
        name = attributes.get("name", "")
        if not self._open and file and name == "Root Suite":
            # mocha-junit-reporter (Cypress) says the file once, in an empty suite before those of that file.
            self._mocha_file = file
        self._open.append(_Open(attributes, name, file or self._mocha_file))
        self.claims_bad = max(self.claims_bad, sum(_number(attributes, kind) or 0 for kind in ("failures", "errors")))

    def case(self) -> None:
        if self._open:
            self._open[-1].direct += 1

    def end(self) -> None:
        if not self._open:
            return
        suite = self._open.pop()
        total, declared = suite.direct + suite.inner, _number(suite.attributes, "tests")
        if suite.attributes.get("hostname") == "tbd":
            declared = None  # Catch2 counts assertions; it writes this host name and no other
        if declared is None or suite.inner_declared is not None and declared not in (total, suite.direct):
            if suite.inner_declared is not None:
                declared = suite.inner_declared + suite.direct
        elif suite.inner and declared == suite.direct:
            declared += suite.inner if suite.inner_declared is None else suite.inner_declared
        if self._open:
            above = self._open[-1]
            above.inner += total
            above.inner_declared = _sum(above.inner_declared, declared)
        else:
            self._total = _sum(self._total, declared)

    @property
    def declared(self) -> int | None:
        """The number of cases that the suites claim together; the root's own word where they have none."""
        return self._root if self._total is None and not self.ours else self._total

    @property
    def classname(self) -> str:
        """For a case that names no class: the suites around it. Ours leave it out where there is none."""
        return "" if self.ours or not self._open else " > ".join(suite.name for suite in self._open if suite.name)

    @property
    def file(self) -> str:
        return self._open[-1].file if self._open and not self.ours else ""


def _number(attributes: dict[str, str], name: str) -> int | None:
    text = attributes.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one + (other or 0)
