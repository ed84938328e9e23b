"""Label selectors as the API machinery reads them: validity and matching."""

from __future__ import annotations

from typing import Any

import pytest

from kpolicy.relations.label_selectors import is_label_key, is_label_value, parse_selector


def expression(operator: Any, *values: Any, key: Any = "app") -> dict[str, Any]:
    """Return a selector with one expression."""
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    "selector",
    [
        None,
        [],
        {"matchLabels": []},
        {"matchLabels": {"app": 1}},
        {"matchLabels": {"app": "a b"}},
        {"matchLabels": {"-app": "a"}},
        {"matchLabels": {"app": "x" * 64}},
        {"matchExpressions": {}},
        {"matchExpressions": [None]},
        expression("Equals", "a"),
        expression("In"),
        expression("NotIn"),
        expression("Exists", "a"),
        expression("DoesNotExist", "a"),
        expression("In", 1),
        expression("Exists", key="a/b/c"),
    ],
)
def test_what_the_api_refuses(selector: Any) -> None:
    """An invalid selector has no meaning at all."""
    assert parse_selector(selector) is None


@pytest.mark.parametrize(
    ("selector", "labels", "selected"),
    [
        ({}, {}, True),
        ({"matchLabels": None, "matchExpressions": None}, {"a": "b"}, True),
        ({"matchLabels": {"app": "a"}}, {"app": "a", "x": "y"}, True),
        ({"matchLabels": {"app": "a"}}, {"app": "b"}, False),
        ({"matchLabels": {"app": "a"}}, {}, False),
        ({"matchLabels": {"app": ""}}, {"app": ""}, True),
        (expression("In", "a", "b"), {"app": "b"}, True),
        (expression("In", "a"), {}, False),
        (expression("NotIn", "a"), {}, True),
        (expression("NotIn", "a"), {"app": "a"}, False),
        (expression("Exists"), {"app": ""}, True),
        (expression("Exists"), {}, False),
        (expression("DoesNotExist"), {}, True),
        (expression("DoesNotExist"), {"app": "a"}, False),
    ],
)
def test_what_is_selected(selector: Any, labels: dict[str, str], selected: bool) -> None:
    """Every operator, with the label there and absent."""
    parsed = parse_selector(selector)
    assert parsed is not None
    assert parsed.matches(labels) is selected


def test_the_syntax_of_labels() -> None:
    """Keys have an optional DNS prefix, values may be empty."""
    assert is_label_key("app.kubernetes.io/name") and is_label_key("a") and is_label_key("A_b.c")
    assert not is_label_key("") and not is_label_key("/a") and not is_label_key("A/a")
    assert not is_label_key("a/") and not is_label_key(None) and not is_label_key("a" * 64)
    assert is_label_value("") and is_label_value("a.b_c-1")
    assert not is_label_value("-a") and not is_label_value(None)


def test_equalities_are_what_an_index_can_use() -> None:
    """Only requirements that name values of which one must be there."""
    parsed = parse_selector({"matchLabels": {"a": "b"}, **expression("In", "x", "y")})
    assert parsed is not None
    assert parsed.equalities == (("a", ("b",)), ("app", ("x", "y")))
