"""What a run found out that the next one need not: files whose cases fail unless all others have been imported, and
files whose cases count on those before them.

Kept in pytest's own cache, with each file's digest: once one of them has been changed, it is tried by itself again.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import Any, Dict, Iterable, Iterator, List, Optional, Set

KEY = "tes/together"
KEY_ORDER = "tes/in-order"
KEY_SPOILT = "tes/spoilt"


def learned(config: Any, lifted: List[str], out_of_order: List[str], others: List[str]) -> Iterator[str]:
    """Keeps what was found out of these cases, the last of which others have spoilt; what a person is told of it."""
    if lifted:
        keep(config, map(_file, lifted))
        yield (
            f"{len(lifted)} case(s) or file(s) fail unless other test files have been imported, as plain pytest does "
            f"first; the first: {lifted[0]}. They were run so; the next run begins so"
        )
    if out_of_order or others:
        keep_in_order(config, map(_file, (*out_of_order, *others)))
    if out_of_order:
        yield (
            f"{len(out_of_order)} case(s) fail unless those before them in their file have run; the first: "
            f"{out_of_order[0]}. They were run so; the next run does not share these files between workers"
        )
    if others:
        _keep(config, KEY_SPOILT, map(_file, others))
        yield (
            f"{len(others)} case(s) fail after others that plain pytest does not run just before them; the first: "
            f"{others[0]}. What counts is how they went in plain pytest's order; the next run collects all "
            "files first and takes them in that order"
        )


def _file(case: str) -> str:
    return case.partition("::")[0]


def keep(config: Any, files: Iterable[str]) -> None:
    """These files are not to be run by themselves as long as they are as they are now."""
    _keep(config, KEY, files)


def together(config: Any) -> Optional[str]:
    """The first file that was seen to need the others, and is as it was then; None where there is none."""
    return next(iter(_known(config, KEY)), None)


def keep_in_order(config: Any, files: Iterable[str]) -> None:
    """These files are not to be shared between workers as long as they are as they are now."""
    _keep(config, KEY_ORDER, {*files, *in_order(config)})


def in_order(config: Any) -> Set[str]:
    """The files whose cases were seen to count on those before them, and that are as they were then."""
    return set(_known(config, KEY_ORDER))


def spoilt(config: Any) -> Optional[str]:
    """The first file with a case that others spoilt, and that is as it was then; None where there is none."""
    return next(iter(_known(config, KEY_SPOILT)), None)


def _keep(config: Any, key: str, files: Iterable[str]) -> None:
    cache = getattr(config, "cache", None)
    if cache is not None:
        cache.set(key, {file: _digest(config, file) for file in sorted(set(files))})


def _known(config: Any, key: str) -> List[str]:
    cache = getattr(config, "cache", None)
    known: Dict[str, Any] = (cache.get(key, None) or {}) if cache is not None else {}
    if not isinstance(known, dict):
        return []
    return [file for file, digest in known.items() if digest == _digest(config, file)]


def _digest(config: Any, file: str) -> str:
    """Of its content; of no file's where it cannot be read."""
    try:
        with open(os.path.join(config.rootpath, file), "rb") as content:
            return blake2b(content.read(), digest_size=16).hexdigest()
    except OSError:
        return ""
