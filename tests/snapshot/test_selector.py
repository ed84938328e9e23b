"""Label selectors: every operator, what is invalid, and how they read."""

from __future__ import annotations

from typing import Any

import pytest

from kpolicy.snapshot.selector import (
    EVERYTHING,
    NOTHING,
    describe,
    map_selector_of,
    selector_of,
    selects,
)


def term(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


def of(*terms: dict[str, Any], **labels: str) -> Any:
    return selector_of({"matchLabels": labels, "matchExpressions": list(terms)})


@pytest.mark.parametrize(
    ("selector", "labels", "expected"),
    [
        (of(), {}, True),
        (of(a="1"), {"a": "1"}, True),
        (of(a="1"), {"a": "2"}, False),
        (of(a="1"), {}, False),
        (of(a="1", b="2"), {"a": "1"}, False),
        (of(a=""), {"a": ""}, True),
        (of(a=""), {}, False),
        (of(term("a", "In", "1", "2")), {"a": "2"}, True),
        (of(term("a", "In", "1", "2")), {"a": "3"}, False),
        (of(term("a", "In", "1")), {}, False),
        (of(term("a", "NotIn", "1")), {"a": "1"}, False),
        (of(term("a", "NotIn", "1")), {"a": "2"}, True),
        (of(term("a", "NotIn", "1")), {}, True),
        (of(term("a", "Exists")), {"a": ""}, True),
        (of(term("a", "Exists")), {"b": ""}, False),
        (of(term("a", "DoesNotExist")), {"b": ""}, True),
        (of(term("a", "DoesNotExist")), {"a": ""}, False),
        (of(term("a", "In", "1"), term("a", "NotIn", "1")), {"a": "1"}, False),
        (of(term("b", "Exists"), a="1"), {"a": "1", "b": "x"}, True),
        (of(term("b", "Exists"), a="1"), {"a": "1"}, False),
    ],
)
def test_selection(selector: Any, labels: dict[str, str], expected: bool) -> None:
    """The semantics of apimachinery, operator by operator."""
    assert selects(selector, labels) is expected


@pytest.mark.parametrize(
    "body",
    [
        "app=web",
        [],
        3,
        {"matchLabels": "x"},
        {"matchLabels": {"a": 1}},
        {"matchLabels": {"a": None}},
        {"matchExpressions": {}},
        {"matchExpressions": ["x"]},
        {"matchExpressions": [term("a", "Gt", "1")]},
        {"matchExpressions": [term("a", "in", "1")]},
        {"matchExpressions": [term("a", "In")]},
        {"matchExpressions": [term("a", "NotIn")]},
        {"matchExpressions": [term("a", "Exists", "1")]},
        {"matchExpressions": [term("a", "DoesNotExist", "1")]},
        {"matchExpressions": [{"operator": "Exists"}]},
        {"matchExpressions": [{"key": "", "operator": "Exists"}]},
        {"matchExpressions": [{"key": "a", "operator": "In", "values": "1"}]},
        {"matchExpressions": [{"key": "a", "operator": "In", "values": [1]}]},
        {"matchLabels": {"a": 1}, "matchExpressions": [term("a", "Exists")]},
    ],
)
def test_an_invalid_selector_selects_nothing(body: Any) -> None:
    """What the API server would refuse matches no labels at all."""
    selector = selector_of(body)
    assert selector == NOTHING
    for labels in ({}, {"a": "1"}, {"app": "web"}):
        assert not selects(selector or (), labels)


def test_absent_and_empty_selectors_differ() -> None:
    """None stays None for each API to decide upon; an empty one is everything."""
    assert selector_of(None) is None
    assert selector_of({}) == EVERYTHING
    assert selector_of({"matchLabels": None, "matchExpressions": None}) == EVERYTHING
    assert selector_of({"matchLabels": {}, "matchExpressions": []}) == EVERYTHING
    assert map_selector_of(None) == map_selector_of({}) == EVERYTHING
    assert map_selector_of("x") == map_selector_of({"a": 1}) == NOTHING


def test_selectors_read_as_kubectl_writes_them() -> None:
    """Messages show the usual notation."""
    selector = of(
        term("b", "In", "y", "x"), term("c", "NotIn", "z"), term("d", "NotIn", "1", "2"),
        term("e", "Exists"), term("f", "DoesNotExist"), a="1",
    )  # fmt: skip
    assert describe(selector) == "a=1,b in (x, y),c!=z,d notin (1, 2),e,!f"
    assert describe(EVERYTHING) == "<everything>"
    assert describe(NOTHING) == "<nothing>"
