"""The cases of one file as they are handed out: groups that stay together, the long ones first where it matters."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Dict, List, Mapping, Sequence

from .gather import group_name

LONG = 3.0
"""A group is long when it is expected to take this many times the mean of its batch."""

Group = List[Any]


class Batch:
    """Groups of items in the order in which they are handed out. `digest` is equal where the items are;
    `in_order` tells whether the groups are in pytest's order."""

    def __init__(self, items: Sequence[Any], group_by: str, expected: Mapping[str, float], dominates: bool) -> None:
        self.items = list(items)
        tell_apart(self.items)
        names = "\0".join(map(name_of, self.items))
        self.digest = int.from_bytes(blake2b(names.encode("utf-8", "surrogatepass"), digest_size=7).digest(), "big")
        self.groups = together(self.items, group_by)
        if dominates and expected:
            self.groups = long_first(self.groups, expected)
        self.in_order = [item for group in self.groups for item in group] == self.items


def tell_apart(items: Sequence[Any]) -> None:
    """Collectors of a project's own may give two cases the same node id: the second is called `... (#2)`."""
    seen: Dict[str, int] = {}
    for item in items:
        count = seen[item.nodeid] = seen.get(item.nodeid, 0) + 1
        if count > 1:
            item._tes_name = f"{item.nodeid} (#{count})"


def name_of(item: Any) -> str:
    """A case's node id, or what it is called where another has the same."""
    return getattr(item, "_tes_name", None) or str(item.nodeid)


def together(items: Sequence[Any], group_by: str) -> List[Group]:
    """Neighbours of which another worker must not take one alone."""
    groups: List[Group] = []
    last: Any = None
    by_name: Dict[str, Group] = {}
    for item in items:
        key = _key(item, group_by)
        if isinstance(key, str):  # an xdist_group: wherever its members stand
            if key not in by_name:
                by_name[key] = []
                groups.append(by_name[key])
            by_name[key].append(item)
        elif key is not None and key is last:
            groups[-1].append(item)
        else:
            groups.append([item])
        last = key
    return groups


def _key(item: Any, group_by: str) -> Any:
    """What an item shares with those that stay with it; None when it may go anywhere."""
    if group_by == "file":
        return item.session
    if group_by == "group" and (name := group_name(item)) is not None:
        return name
    holder = getattr(item, "cls", None)
    if group_by == "class":
        return holder or getattr(item, "module", None)
    # A class whose fixtures live as long as it does, or unittest's setUpClass, is cheaper in one piece.
    if holder is not None and (_scope_of(item, ("class",)) or _sets_up(holder)):
        return holder
    return None


def _sets_up(holder: Any) -> bool:
    # unittest.TestCase itself has an empty setUpClass.
    for name in ("setUpClass", "setup_class"):
        found = getattr(holder, name, None)
        if found is not None and getattr(found, "__func__", found).__module__ != "unittest.case":
            return True
    return False


def _scope_of(item: Any, scopes: Sequence[str]) -> bool:
    """Whether the item uses a fixture of one of these scopes."""
    info = getattr(item, "_fixtureinfo", None)
    if info is None:
        return False
    for name, definitions in info.name2fixturedefs.items():
        # pytest's own that wrap setup_module and the like cost nothing by themselves.
        if definitions and definitions[-1].scope in scopes and not name.startswith(("_xunit", "_unittest")):
            return True
    return False


def long_first(groups: Sequence[Group], expected: Mapping[str, float]) -> List[Group]:
    """The groups that are much longer than others come first, longest first; the rest stays as it stands."""
    seconds = [sum(expected.get(item.nodeid, 0.0) for item in group) for group in groups]
    mean = sum(seconds) / len(seconds) if seconds else 0.0
    long = sorted((i for i, s in enumerate(seconds) if s > LONG * mean), key=lambda i: -seconds[i])
    first = set(long)
    return [groups[i] for i in long] + [groups[i] for i in range(len(groups)) if i not in first]
