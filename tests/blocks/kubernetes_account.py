"""The account that the documents say is enough, read from the page itself."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE, REFERENCE = DOCS / "how-to/release-to-your-own-cluster.md", DOCS / "reference/kubernetes-platform.md"


def documents(page: Path) -> list[dict[str, Any]]:
    """What a page's YAML blocks say, those of a cluster's objects alone."""
    blocks = re.findall(r"^( *)```yaml\n(.*?)^\1```", page.read_text(), re.MULTILINE | re.DOTALL)
    found = [one for _, text in blocks for one in YAML(typ="safe").load_all(textwrap.dedent(text))]
    return [one for one in found if isinstance(one, dict) and "kind" in one]


def account(namespace: str) -> list[dict[str, Any]]:
    """Those of the how-to page, in another namespace."""
    found = documents(PAGE)
    for one in found:
        one["metadata"]["namespace"] = namespace
        for subject in one.get("subjects", ()):
            subject["namespace"] = namespace
    return found
