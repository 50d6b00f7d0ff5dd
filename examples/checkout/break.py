#!/usr/bin/env python3
"""Breaks the service in one of five ways, by editing the working tree, to see the pipeline stop it.

python break.py --list
python break.py NAME      breaks it; refuses when it is broken already, or when the code has changed since
python break.py --undo    puts the very same bytes back
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent
# In two parts: a scanner must find it in the broken service, not here.
KEY = "AKIA" + "Q3EGRTZ7WDLMPXKV"


@dataclass(frozen=True)
class Break:
    """One mistake: in `path`, `good` becomes `bad`."""

    name: str
    stopped_by: str
    story: str
    path: str
    good: str
    bad: str


BREAKS = (
    Break(
        "failing-test",
        "tests",
        "the discount begins at eleven, not at ten",
        "checkout/pricing.py",
        "        if line.quantity >= DISCOUNT_FROM:\n",
        "        if line.quantity > DISCOUNT_FROM:\n",
    ),
    Break(
        "hardcoded-secret",
        "scan",
        "an access key is written into the code",
        "checkout/settings.py",
        "from pathlib import Path\n",
        f'from pathlib import Path\n\nRECEIPTS_ACCESS_KEY = "{KEY}"\n',
    ),
    Break(
        "slow-endpoint",
        "load",
        "listing the products waits for a recommendation each time",
        "checkout/app.py",
        "def list_products(request: Request) -> Response:\n",
        "def list_products(request: Request) -> Response:\n    __import__('time').sleep(0.45)  # the recommender\n",
    ),
    Break(
        "never-healthy",
        "deploy",
        "the new code needs a migration that nobody wrote, wherever customers are",
        "checkout/app.py",
        "    if number < migrate.newest():\n",
        '    if number < migrate.newest() + (settings.environment() in ("staging", "production")):\n',
    ),
    Break(
        "errors-after-promotion",
        "verify",
        "in production it counts on two proxies, and there is one: whatever comes through the public front fails",
        "checkout/client.py",
        "PROXIES: dict[str, int] = {}",
        'PROXIES: dict[str, int] = {"production": 2}',
    ),
)


def current() -> Break | None:
    """The break that is in the tree now."""
    return next((one for one in BREAKS if one.bad in _read(one) and one.bad != one.good), None)


def apply(one: Break) -> None:
    broken = current()
    if broken:
        raise SystemExit(f"it is broken already: {broken.name}\n  fix: python break.py --undo")
    _replace(one, one.good, one.bad)


def undo() -> Break | None:
    """Puts it back. Returns the break that was there; None when there was none."""
    broken = current()
    if broken:
        _replace(broken, broken.bad, broken.good)
    return broken


def _read(one: Break) -> str:
    return (ROOT / one.path).read_bytes().decode()


def _replace(one: Break, old: str, new: str) -> None:
    text = _read(one)
    if text.count(old) != 1:
        raise SystemExit(f"{one.path} has changed: {old.strip()!r} is not there once\n  fix: restore the file")
    path = ROOT / one.path
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(text.replace(old, new).encode())
    temporary.chmod(path.stat().st_mode)
    os.replace(temporary, path)


def main() -> int:
    parser = argparse.ArgumentParser(description="Breaks the checkout service, reversibly.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("name", nargs="?", choices=[one.name for one in BREAKS], metavar="NAME")
    what.add_argument("--list", action="store_true", help="the ways to break it")
    what.add_argument("--undo", action="store_true", help="put it right again")
    arguments = parser.parse_args()
    if arguments.list:
        for one in BREAKS:
            print(f"{one.name:24}{one.stopped_by:8}{one.story}")
    elif arguments.undo:
        broken = undo()
        print(f"undone: {broken.name}" if broken else "it is not broken")
    else:
        one = next(one for one in BREAKS if one.name == arguments.name)
        apply(one)
        print(f"broken: {one.name} ({one.story}); {one.stopped_by} should stop it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
