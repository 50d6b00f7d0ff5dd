#!/usr/bin/env python3
"""Writes the generated reference: docs/reference/tes.schema.json, the tables of keys in tes-yaml.md, and cli.md."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from cli.main import parser  # noqa: E402
from cli.testing.summary import FIELDS  # noqa: E402
from domain.report import GroupReport, Report, Stage  # noqa: E402
from domain.schema import schema, tables  # noqa: E402
from domain.standing import Held, Share, Standing, Told, UnderWay  # noqa: E402

SCHEMA = ROOT / "docs" / "reference" / "tes.schema.json"
PAGE = ROOT / "docs" / "reference" / "tes-yaml.md"
CLI = ROOT / "docs" / "reference" / "cli.md"
BEGIN, END = "<!-- keys: scripts/reference.py -->", "<!-- end of keys -->"


def schema_text() -> str:
    return json.dumps(schema(), indent=2) + "\n"


def page_text(page: str) -> str:
    """The page with its tables renewed."""
    before, rest = page.split(BEGIN, 1)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{rest.split(END, 1)[1]}"


HEAD = """# The `tes` command

<!-- Written by scripts/reference.py from cli/main.py and domain/report.py: change those. -->

| exit code | means |
|---|---|
| 0 | PASS |
| 1 | FAIL: a gate said no |
| 2 | INCONCLUSIVE: a gate could not look |
| 3 | the command, tes.yaml or the settings cannot be used; the message names the fix |
| 4 | a tool or a platform broke |
| 130 | interrupted with Ctrl-C; the message says where the environment stands |

With `--json`, standard output holds one JSON object and nothing else; progress and errors go to
standard error. When the command ends with 3, 4 or 130 there is no object. On a terminal progress is a live table;
elsewhere it is one line an event. Several services that are one release
([how](../how-to/release-several-services-together.md)) end with the worst of their codes, and with 4, and an object,
where some of them are at the new release and others could not be taken back.
"""
JSON = """
## What `--json` prints

`test` prints its own object:

{test}
`release`, `build`, `scan`, `load`, `deploy`, `rollback`, `drift` and `test --ref` print a report:
"""
MODELS = (
    (Report, ""),
    (Stage, "\nEach of `stages`:\n"),
    (GroupReport, "\n`release`, `deploy` and `rollback` of several projects print one object over their reports:\n"),
    (
        Standing,
        "\n`status` prints `runtime` (its parts; null when it is not running), `problem` (why tes.yaml cannot be used) "
        "and `environments`. It ends\nwith 2 where a platform could not be asked, and shows the rest. Each of them:\n",
    ),
    (Share, "\nEach of `releases`:\n"),
    (Held, "\n`lease`:\n"),
    (UnderWay, "\n`rollout`:\n"),
    (Told, "\n`verdict` and `drift`:\n"),
)


def cli_text() -> str:
    """The page about the command."""
    (verbs,) = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
    pages = [HEAD]
    for name, verb in verbs.choices.items():
        about, _, example = str(verb.description).partition("\n\nexample: ")
        pages.append(f"\n## tes {name}\n\n{about}\n\n```sh\n{example}\n```\n")
        rows = [f"| {_word(one)} | {one.help or ''} |\n" for one in verb._actions if one.dest != "help"]
        if rows:
            pages.append("\n| argument | means |\n|---|---|\n" + "".join(rows))
    fields = "".join(f"| `{key}` | {about} |\n" for key, about in FIELDS.items())
    pages.append(JSON.format(test=f"| field | holds |\n|---|---|\n{fields}"))
    for model, title in MODELS:
        rows = [f"| `{key}` | {field.description or ''} |\n" for key, field in model.model_fields.items()]
        pages.append(f"{title}\n| field | holds |\n|---|---|\n" + "".join(rows))
    return "".join(pages)


_MANY = {"?": " (may be left out)", "*": " ... (may be left out)"}


def _word(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar or action.dest.upper()}`" + (_MANY.get(str(action.nargs), ""))
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    return ", ".join(f"`{option}{value}`" for option in action.option_strings)


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    PAGE.write_text(page_text(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    CLI.write_text(cli_text(), encoding="utf-8")
    print(f"wrote {SCHEMA.relative_to(ROOT)}, {CLI.relative_to(ROOT)} and the tables of {PAGE.relative_to(ROOT)}")
