"""What was seen between two moments: in one case, in one fixture's set-up, in the collection of one file."""

from __future__ import annotations

from typing import Any, Dict, Set


class Bag:
    """`codes`: numbers of code objects. `paths`: data files and folders. `scopes`: numbers of wider fixtures.
    `anything`: it depends on all files. `apart`: who called what is not known of all. `doubt`: why it cannot be judged.
    """

    def __init__(self) -> None:
        self.codes: Set[int] = set()
        self.paths: Set[str] = set()
        self.scopes: Set[int] = set()
        self.anything = self.apart = False
        self.doubt = ""

    def __bool__(self) -> bool:
        return bool(self.codes or self.paths or self.anything or self.doubt)

    def add(self, other: Bag) -> None:
        self.codes |= other.codes
        self.paths |= other.paths
        self.scopes |= other.scopes
        self.anything = self.anything or other.anything
        self.apart = self.apart or other.apart
        self.doubt = self.doubt or other.doubt

    def size(self) -> Any:
        """Another one when something was added."""
        return len(self.codes), len(self.paths), self.anything, self.apart, self.doubt

    def event(self, kind: str, **more: Any) -> Dict[str, Any]:
        """As it is written: `h` codes, `d` data, `x` fixtures, `a` anything, `t` apart, `u` doubt."""
        told: Dict[str, Any] = {"e": kind, **more, "h": sorted(self.codes), "d": sorted(self.paths)}
        if self.scopes:
            told["x"] = sorted(self.scopes)
        if self.anything:
            told["a"] = True
        if self.apart:
            told["t"] = True
        if self.doubt:
            told["u"] = self.doubt
        return told
