"""Documentation, schema, examples and model say the same."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest

from domain.schema import schema
from domain.spec import Spec
from domain.spec_text import problems
from domain.yaml_tree import tree
from tasks.spec_file import known_names

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = [*sorted(ROOT.glob("examples/*/tes.yaml")), *(path for path in [ROOT / "tes.yaml"] if path.exists())]
VALIDATOR = jsonschema.Draft202012Validator(schema())


def _reference() -> ModuleType:
    found = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_published_schema_is_the_models() -> None:
    reference = _reference()
    assert reference.SCHEMA.read_text() == reference.schema_text(), "run scripts/reference.py"


def test_the_tables_of_the_page_are_the_models() -> None:
    reference = _reference()
    page = reference.PAGE.read_text()
    assert page == reference.page_text(page), "run scripts/reference.py"


def test_the_page_about_the_command_is_the_parsers() -> None:
    reference = _reference()
    assert reference.CLI.read_text() == reference.cli_text(), "run scripts/reference.py"


def _keys(model: dict[str, Any]) -> set[str]:
    return {key for one in [model, *model["$defs"].values()] for key in one.get("properties", {})}


def test_every_key_has_a_meaning_and_stands_in_the_page() -> None:
    page = (ROOT / "docs" / "reference" / "tes-yaml.md").read_text()
    made = schema()
    assert not [key for key in _keys(made) if f"| `{key}` |" not in page]
    models = [made, *(one for one in made["$defs"].values() if "properties" in one)]
    assert not [key for one in models for key, told in one["properties"].items() if not told.get("description")]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads((ROOT / "docs/reference/tes.schema.json").read_text()))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_tes_yaml_here_is_valid_by_model_and_schema(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert problems(text, path.name, known=known_names()) == []
    root = tree(text)
    assert root is not None
    VALIDATOR.validate(root.plain())


@pytest.mark.parametrize(
    "value",
    [
        {"name": "My_App"},
        {"buidl": {}},
        {"build": {"timeout": "5 parsecs"}},
        {"build": {"timeout": 0}},
        {"build": {"exclude": "docs"}},
        {"scan": {"severity": "hihg"}},
        {"scan": {"waivers": [{"rule": "B1"}]}},
        {"tests": {"suites": [{"shards": 0}]}},
        {"load": {"scenario": {"requests": []}}},
        {"load": {"thresholds": {"error_rate": 2}}},
        {"release": {"port": 99999}},
        {"release": {"secrets": {"DB": "hunter2"}}},
        {"release": {"environment": {"1A": "x"}}},
        {"environments": {"Prod": {}}},
        {"environments": {"p": {"steps": [{"weight": 100}]}}},
        {"environments": {"p": {"gates": {"load": "adviso"}}}},
    ],
    ids=json.dumps,
)
def test_model_and_schema_refuse_the_same(value: dict[str, Any]) -> None:
    assert problems(json.dumps(value), "t")
    assert not VALIDATOR.is_valid(value)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"build": None, "x-shared": [1]},
        {"build": {"timeout": "90s"}},
        {"build": {"timeout": 1.5}},
        {"tests": {"suites": []}},
        {"load": None},
        {"release": {"secrets": {"DB": "env:DB"}}},
        {"environments": {"p": None}},
        {"environments": {"p": {"strategy": "canary", "steps": [{"weight": 10}]}}},
        {"load": {"scenario": {"requests": [{"method": "POST", "json": {"a": [1]}}]}}},
    ],
    ids=json.dumps,
)
def test_model_and_schema_take_the_same(value: dict[str, Any]) -> None:
    assert problems(json.dumps(value), "t") == []
    VALIDATOR.validate(value)


def test_defaults_are_valid_themselves() -> None:
    assert Spec.model_validate(Spec().model_dump(by_alias=True)) == Spec()
