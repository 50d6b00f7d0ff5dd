"""Words of verbs that take many, and kinds of words."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def number(least: int, most: int) -> Callable[[str], int]:
    """What reads a whole number of that range, both ends included."""

    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"a number from {least} to {most} is wanted, not {text!r}")
        return int(text)

    return number


def words_of_setup(one: argparse.ArgumentParser) -> None:
    """What `tes setup` takes."""
    pool = "a name, with its type where the pool is new; a type alone is our pool of it, such as tes-docker"
    one.add_argument("--pool", metavar="NAME[:TYPE]", default="process", help=f"{pool} (default: tes-process)")
    one.add_argument("--api", metavar="URL", help="the server's API (default: PREFECT_API_URL, or Prefect's profile)")
    one.add_argument("--image", help="what containers are made of; needed where they are fetched from a registry")
    one.add_argument("--limit", type=number(1, 10_000), metavar="N", help="runs at once on this pool")
    one.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a default of the pool's job template"
    )
    one.add_argument("--project", metavar="PATH", help="the project's folder where the flows run (default: here)")
