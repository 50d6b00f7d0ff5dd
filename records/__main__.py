"""`python -m records migrate|verify`: what an operator asks of the records without the rest of the system."""

from __future__ import annotations

import argparse
import sys

from domain.errors import EXIT_FAIL, EXIT_PASS, TesError
from records.read.audit import verify_chain
from records.schema import HEAD, migrate
from records.url import records_url, shown


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0 done, 1 the audit log is broken, else the error's own."""
    parser = argparse.ArgumentParser(prog="python -m records", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("migrate", help="bring the schema up to date")
    verify = verbs.add_parser("verify", help="check the audit log's hash chain")
    verify.add_argument("--known", help="a hash kept elsewhere, which the log must hold")
    chosen = parser.parse_args(arguments)
    try:
        return _migrate() if chosen.verb == "migrate" else _verify(chosen.known)
    except TesError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def _migrate() -> int:
    before = migrate()
    told = f"from {before or 'an empty database'} to {HEAD}" if before != HEAD else f"at {HEAD} already"
    print(f"{shown(records_url())}: {told}")
    return EXIT_PASS


def _verify(known: str | None) -> int:
    chain = verify_chain(known)
    print(f"{chain.entries} sound entries, head {chain.head}" + (f"; broken: {chain.reason}" if chain.reason else ""))
    return EXIT_PASS if chain.whole else EXIT_FAIL


if __name__ == "__main__":
    sys.exit(main())
