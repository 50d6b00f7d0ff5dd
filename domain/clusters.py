"""Failures that are one trouble, grouped: by their message and stack without what differs from run to run.

Two failures belong together when their normalised texts are equal. That is linear, needs no memory but the groups', and
gives the same groups whatever the order. Templates that are learned from what comes in would depend on the order and be
state between runs; an edit distance would compare pairs. Neither was measured against this.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

from domain.verdict import Value

MOST = 10_000
"""Groups that are kept; failures that fit none of them are counted together."""
EXAMPLE = 2000
"""Characters of an example."""
READ = 20_000
"""Characters of a message and of a stack that are read: half from the beginning, half from the end."""
FRAMES = 6
"""The frames nearest to the failure tell where it is; the ones above tell how the runner came there."""

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# In this order: what is longer and more particular first, numbers last. One expression reads the text once.
_VARIABLE = re.compile(
    r"""
    (?P<uuid>\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b)
  | (?P<time>\b\d{4}-\d\d-\d\d
      (?:[T\ ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?
      |\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?)
  | (?P<url>\b[a-z][a-z0-9+.-]{1,20}://[^\s'"<>)\]]+)
  | (?P<address>\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b)
  | (?P<quoted>'(?:[^'\\\n]|\\.){0,400}'(?!\w)|"(?:[^"\\\n]|\\.){0,400}"(?!\w))
  | (?P<path>(?<![\w.])(?:[A-Za-z]:)?(?:~|\.{1,2})?(?:[/\\][\w.@+~-]+){2,})
  | (?P<hex>\b0x[0-9a-f]+\b|\b(?=[a-f]*\d)[0-9a-f]{8,}\b)
  | (?P<number>(?<![A-Za-z_])[-+]?\d+(?:[._,]\d+)*(?:e[-+]?\d+)?)
    """,
    re.VERBOSE | re.IGNORECASE,
)
# pytest's and Python's, JavaScript's, Java's, Go's ways to name a place in a stack: group 1 is the file.
_FRAME = re.compile(
    r"""^\s*(?:File\ "([^"]+)",\ line\ \d+.*|at\ .*?\(?([^()\s]+?):\d+(?::\d+)?\)?|([^\s:]+\.\w{1,5}):\d+(?::.*)?)$""",
    re.VERBOSE,
)


class Failure(NamedTuple):
    """One failed attempt. `at` is in seconds since the epoch."""

    case: str
    message: str
    stack: str = ""
    at: float = 0.0
    run: str = ""


class Cluster(Value):
    """One trouble. `key` is the same in every run; `pattern` what its failures share; `cases` how many different ones
    fail with it (counted up to 1,000)."""

    key: str
    pattern: str
    example: str
    example_case: str
    count: int
    cases: int
    first: float
    last: float


class Clusters(Value):
    """The biggest first. `other` counts failures for whose group there was no room."""

    clusters: tuple[Cluster, ...]
    failures: int = 0
    other: int = 0


def normalised(text: str) -> str:
    """The text with numbers, times, addresses, paths, ids and quoted values as their kind: `<number>`.

    What differs from run to run is gone. Linear in the text.
    """
    plain = _ANSI.sub("", text)
    kinds = _VARIABLE.sub(_kind, plain)
    return "\n".join(" ".join(line.split()) for line in kinds.splitlines() if line.strip())


def _kind(found: re.Match[str]) -> str:
    # A digest may happen to have no letter.
    return "<number>" if found.lastgroup == "hex" else f"<{found.lastgroup}>"


def signature(message: str, stack: str = "") -> str:
    """What failures of one trouble share: the message, and the files of the last frames. Lines move; files stay."""
    files = []
    for line in _cut(stack).splitlines():
        if found := _FRAME.match(line):
            name = next(filter(None, found.groups()))
            files.append("/".join(re.split(r"[/\\]", name)[-2:]))
    frames = [name for index, name in enumerate(files) if index == 0 or files[index - 1] != name][-FRAMES:]
    return "\n".join([normalised(_cut(message)) or "<no message>", *(f"in {name}" for name in frames)])


def cluster(failures: Iterable[Failure], most: int = MOST) -> Clusters:
    """The failures' groups, the biggest first; equal ones by key. One pass; memory grows with the groups only."""
    groups: dict[str, _Group] = {}
    count = other = 0
    for failure in failures:
        count += 1
        pattern = signature(failure.message, failure.stack)
        key = blake2b(pattern.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        group = groups.get(key)
        if group is None:
            if len(groups) >= most:
                other += 1
                continue
            group = groups[key] = _Group(pattern)
        group.add(failure)
    found = [group.told(key) for key, group in groups.items()]
    found.sort(key=lambda one: (-one.count, one.key))
    return Clusters(clusters=tuple(found), failures=count, other=other)


class _Group:
    """A cluster that grows."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern[:EXAMPLE]
        self.count, self.cases = 0, set[str]()
        self.first = self.last = 0.0
        self.example: Failure | None = None

    def add(self, failure: Failure) -> None:
        self.count += 1
        if len(self.cases) < 1000:
            self.cases.add(failure.case)
        self.first = min(self.first, failure.at) if self.example else failure.at
        # The newest is the example: its evidence is the most likely to be there still. Order must not matter.
        if self.example is None or (failure.at, failure.case) > (self.example.at, self.example.case):
            self.example = failure._replace(message=failure.message[:EXAMPLE], stack="")
        self.last = max(self.last, failure.at)

    def told(self, key: str) -> Cluster:
        example = self.example or Failure("", "")
        return Cluster(
            key=key,
            pattern=self.pattern,
            example=example.message,
            example_case=example.case,
            count=self.count,
            cases=len(self.cases),
            first=self.first,
            last=self.last,
        )


def _cut(text: str) -> str:
    return text if len(text) <= READ else f"{text[: READ // 2]}\n{text[-READ // 2 :]}"
