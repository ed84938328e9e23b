"""Defaults of custom resources, as the documentation of CustomResourceDefinitions words them."""

from __future__ import annotations

import pytest

from kpolicy.frozen import freeze
from kpolicy.schemas.defaulting import defaulted
from kpolicy.schemas.model import Schema

INNER = {"type": "object", "properties": {"a": {"default": 1}, "b": {"type": "string"}}}


def schema(**properties):
    return Schema("example", {"type": "object", "properties": properties})


@pytest.mark.parametrize(
    ("properties", "body", "expected"),
    [
        ({"a": {"default": 1}}, {}, {"a": 1}),
        ({"a": {"default": 1}}, {"a": 2}, {"a": 2}),
        ({"a": {"default": 1}}, {"a": 0}, {"a": 0}),
        # null: a field that is not nullable is as good as absent
        ({"a": {"default": 1}}, {"a": None}, {"a": 1}),
        ({"a": {"default": 1, "nullable": True}}, {"a": None}, {"a": None}),
        ({"a": {"type": "string"}}, {"a": None}, {"a": None}),
        # nothing is made for an object that is not there, unless it has a default of its own
        ({"spec": INNER}, {}, {}),
        ({"spec": INNER}, {"spec": {}}, {"spec": {"a": 1}}),
        ({"spec": {**INNER, "default": {"b": "x"}}}, {}, {"spec": {"b": "x", "a": 1}}),
        ({"list": {"items": INNER}}, {"list": [{}, {"a": 3}]}, {"list": [{"a": 1}, {"a": 3}]}),
        (
            {"map": {"additionalProperties": INNER}},
            {"map": {"x": {}, "y": {"b": "z"}}},
            {"map": {"x": {"a": 1}, "y": {"b": "z", "a": 1}}},
        ),
        # a wrong type is left to validation
        ({"spec": INNER}, {"spec": "text"}, {"spec": "text"}),
        ({"list": {"items": INNER}}, {"list": {}}, {"list": {}}),
    ],
)
def test_filling_in(properties, body, expected):
    assert defaulted(freeze(body), schema(**properties)) == expected


def test_what_needs_nothing_is_the_same_object_and_keeps_its_place():
    body = freeze({"spec": {"a": 2}, "list": [{"a": 1}]}, mark=77)
    assert defaulted(body, schema(spec=INNER, list={"items": INNER})) is body
    other = freeze({"spec": {}}, mark=77)
    made = defaulted(other, schema(spec=INNER))
    assert made.mark == made["spec"].mark == 77
    assert other == {"spec": {}}


def test_a_schema_without_end_is_left():
    endless: dict = {"type": "object", "properties": {}}
    endless["properties"]["a"] = endless
    endless["default"] = {}
    made = defaulted(freeze({}), Schema("endless", endless))
    depth = 0
    while "a" in made:
        made, depth = made["a"], depth + 1
    assert 50 < depth < 200
