"""What the engine is told. What follows `--` is pytest's."""

from __future__ import annotations

import argparse
import os
from typing import List


def parse(argv: List[str]) -> argparse.Namespace:
    """The options, with `arguments` for pytest. Exits with 2 when they cannot be used."""
    parser = argparse.ArgumentParser(
        prog="boot.py",
        description="Runs pytest on several workers and writes a journal.",
        epilog="example: python boot.py --out /tmp/run --workers 4 -- tests -k login",
    )
    parser.add_argument("--out", required=True, help="folder of the journal; one that holds a journal is gone on with")
    parser.add_argument("--workers", type=int, default=0, help="0: one a processor")
    parser.add_argument("--start", choices=("auto", "fork", "process"), default="auto", help="how workers start")
    parser.add_argument("--collect", choices=("auto", "parallel", "once"), default="auto", help="who collects")
    parser.add_argument("--group-by", choices=("auto", "file", "class", "group"), default="auto", help="stays together")
    parser.add_argument("--case-timeout", type=float, default=0.0, help="seconds of one case; 0: no limit")
    parser.add_argument("--retries", type=int, default=0, help="further attempts of a failed case")
    parser.add_argument(
        "--durations", help="JSON: node id to expected seconds; a file's name to those of collecting it"
    )
    parser.add_argument("--select", help="JSON: the node ids to run, of all that the arguments give")
    parser.add_argument("--leave", help="JSON: files, and file::name of functions and classes, that others run")
    parser.add_argument("--repeat", help="JSON: node id to how many more times it is run")
    parser.add_argument("--coverage", help="configuration of coverage.py; its data goes to OUT/coverage")
    parser.add_argument("--impact", action="store_true", help="record what each case executes, in OUT/impact")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--modules", action="store_true", help=argparse.SUPPRESS)
    split = argv.index("--") if "--" in argv else len(argv)
    options = parser.parse_args(argv[:split])
    options.arguments = argv[split + 1 :]
    options.out = os.path.abspath(options.out)
    options.words = argv
    return options


def processors() -> int:
    """How many this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
