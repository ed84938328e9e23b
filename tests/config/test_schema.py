"""The published JSON Schema of the configuration says what the loader says."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from kpolicy.config import rendering
from kpolicy.config.loader import KEYS, parse
from kpolicy.errors import ConfigError

SCHEMA = json.loads(files("kpolicy.config").joinpath("config.schema.json").read_text("utf-8"))
PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def accepts(text: str) -> tuple[bool, bool]:
    """Return whether the schema, and whether the loader, take a configuration."""
    # A date is one to YAML, and a text to kpolicy.
    value = yaml.load(text, Loader=yaml.BaseLoader if "until" in text else yaml.SafeLoader)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    try:
        parse("c.yaml", text)
    except ConfigError:
        return validator.is_valid(value), False
    return validator.is_valid(value), True


def test_it_is_a_schema_that_knows_every_key() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["properties"]) == set(KEYS)
    render: Any = SCHEMA["properties"]["render"]["properties"]
    assert set(render) == set(rendering._SECTION)
    assert set(render["helm"]["properties"]) == set(rendering._HELM)
    assert set(render["kustomize"]["properties"]) == set(rendering._KUSTOMIZE)
    assert set(render["charts"]["items"]["properties"]) == set(rendering._CHART)


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.S)[:1])
def test_the_documentation_s_example_fits(text: str) -> None:
    assert accepts(text) == (True, True)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("packs: [rbac]\nfailOn: never\n", True),
        ("outside: {kinds: [Secret]}\nscopes: tree\n", True),
        ("outside: [{names: [a]}]\nscopes: [a, b]\n", True),
        ("overrides: [{paths: [a], severity: {x: info}}]\n", True),
        (f"policies: [a, {{path: b.zip, sha256: {'a' * 64}}}]\n", True),
        ("render: {mode: never, charts: [{path: c, sets: {prod: [v.yaml]}}]}\n", True),
        ("pack: [rbac]\n", False),
        ("packs: {a: b}\n", False),
        ("failOn: fatal\n", False),
        ("severity: {x: high}\n", False),
        ("overrides: [{exclude: [a]}]\n", False),
        ("defaults: maybe\n", False),
        ("scopes: repository\n", False),
        ("suppressions: [{policies: [a], because: b}]\n", False),
        ("render: {mode: sometimes}\n", False),
        ("render: {seconds: 0}\n", False),
        ("render: {charts: [{release: r}]}\n", False),
    ],
)
def test_schema_and_loader_agree(text: str, good: bool) -> None:
    assert accepts(text) == (good, good)
