"""The JSON Schema of tes.yaml and its table of keys, both from the model, so that neither can be out of date.

`scripts/reference.py` writes them to docs/reference/; a test compares.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from domain.spec import Spec

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SECTIONS = {
    "Spec": "The file",
    "Build": "build",
    "Scan": "scan",
    "Waived": "scan.waivers[]",
    "Tests": "tests",
    "Suite": "tests.suites[]",
    "Coverage": "tests.suites[].coverage",
    "Quarantine": "tests.quarantine",
    "Distribute": "tests.distribute",
    "Repeat": "tests.repeat",
    "Load": "load",
    "Scenario": "load.scenario",
    "Request": "load.scenario.requests[], environments.*.verify.smoke[]",
    "Thresholds": "load.thresholds, environments.*.verify.thresholds",
    "ReleaseSpec": "release",
    "Health": "release.health",
    "Migrations": "release.migrations",
    "Resources": "release.resources",
    "ProofSpec": "release.proof",
    "EnvironmentSpec": "environments.*",
    "Step": "environments.*.steps[]",
    "Verify": "environments.*.verify",
}


def schema() -> dict[str, Any]:
    """The JSON Schema, for editors. Keys that begin with `x-` are free: they hold anchors to share."""
    made = Spec.model_json_schema(by_alias=True)
    made |= {"$schema": DIALECT, "title": "tes.yaml", "patternProperties": {"^x-": {}}}
    # A section whose lines are all commented out says nothing.
    for name in ("build", "scan", "tests"):
        section = made["properties"][name]
        made["properties"][name] = {"anyOf": [{"$ref": section.pop("$ref")}, {"type": "null"}], **section}
    places = made["properties"]["environments"]["patternProperties"]
    for pattern, place in places.items():
        places[pattern] = {"anyOf": [place, {"type": "null"}]}
    for table in list(_tables_by_name(made)):
        table["additionalProperties"] = False
    return made


def _tables_by_name(part: Any) -> Iterator[dict[str, Any]]:
    """Mappings whose keys must look like names: pydantic leaves them open to other keys."""
    if isinstance(part, dict):
        if "patternProperties" in part:
            yield part
        part = list(part.values())
    if isinstance(part, list):
        for child in part:
            yield from _tables_by_name(child)


def tables() -> str:
    """A Markdown table of keys for each section: key, what it takes, what holds when it is left out, meaning."""
    made = Spec.model_json_schema(by_alias=True)
    models = {"Spec": made, **made["$defs"]}
    return "\n".join("\n".join(_table(models[name], where)) for name, where in _SECTIONS.items())


def _table(model: dict[str, Any], where: str) -> Iterator[str]:
    title = where if where == "The file" else ", ".join(f"`{part}`" for part in where.split(", "))
    yield f"### {title}\n"
    yield f"{' '.join(model['description'].split())}\n"
    yield "| key | takes | left out | meaning |\n|---|---|---|---|"
    required = model.get("required", [])
    for key, told in model["properties"].items():
        default = "must be given" if key in required else _default(told)
        yield f"| `{key}` | {_takes(told)} | {default} | {_escaped(told.get('description', ''))} |"
    yield ""


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _default(told: dict[str, Any]) -> str:
    value = _without_nothing(told.get("default"))
    if value is None:
        return ""
    if isinstance(value, dict):
        limits = value if "min_requests" in value else {}
        return f"`{json.dumps(limits)}`" if limits else "see its table"
    if _is_duration(told):
        return f"`{_duration(float(value))}`"
    return f"`{_escaped(json.dumps(value))}`" if value != [] else "none"


def _without_nothing(value: Any) -> Any:
    """A default without what it leaves open itself."""
    if isinstance(value, dict):
        return {key: _without_nothing(one) for key, one in value.items() if one is not None and one != {}}
    return [_without_nothing(one) for one in value] if isinstance(value, list) else value


def _duration(seconds: float) -> str:
    if 0 < seconds < 1:
        return f"{seconds * 1000:g}ms"
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def _is_duration(told: dict[str, Any]) -> bool:
    return told.get("type") == ["number", "string"]


def _takes(told: dict[str, Any]) -> str:
    """A schema in words."""
    if "anyOf" in told:
        return " or ".join(_takes(one) for one in told["anyOf"] if one.get("type") != "null")
    if "$ref" in told:
        name = told["$ref"].rpartition("/")[2]
        return "one of `blocking`, `advisory`, `advisory_when_blind`" if name == "Mode" else "a mapping"
    if "enum" in told:
        return "one of " + ", ".join(f"`{one}`" for one in told["enum"])
    if _is_duration(told):
        return "duration"
    kind = told.get("type")
    if kind == "array":
        return f"list of {_takes(told['items']).replace('a mapping', 'mappings')}"
    if kind == "object":
        values: dict[str, Any] = told.get("additionalProperties") or next(
            iter(told.get("patternProperties", {}).values()), {}
        )
        return "mapping to " + _takes(values).replace("a mapping", "mappings")
    if kind in ("integer", "number"):
        return _number(told, "whole number" if kind == "integer" else "number")
    if kind == "string":
        return "date" if told.get("format") == "date" else "text"
    return "true or false" if kind == "boolean" else "anything"


def _number(told: dict[str, Any], word: str) -> str:
    low, above, high = told.get("minimum"), told.get("exclusiveMinimum"), told.get("maximum")
    start = f"from {low}" if low is not None else f"above {above}" if above is not None else ""
    end = f"to {high}" if high is not None else ""
    return " ".join(part for part in (word, start, end) if part)
