"""Label selectors, with the semantics of Kubernetes' API machinery.

A selector is kept as plain data, so that it travels between processes: a tuple of requirements
`(key, operator, values)`, sorted; `()` selects everything, `NOTHING` nothing. Whether an absent
selector means all or none is the business of each API, not of this module.

Source: apimachinery, `LabelSelectorAsSelector` and `labels.Requirement.Matches`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Requirement = tuple[str, str, tuple[str, ...]]
Selector = tuple[Requirement, ...]

#: Selects nothing: what an invalid selector comes to.
NOTHING: Selector = (("", "Never", ()),)
EVERYTHING: Selector = ()

_WITH_VALUES = frozenset({"In", "NotIn"})
_WITHOUT_VALUES = frozenset({"Exists", "DoesNotExist"})


def selector_of(value: Any) -> Selector | None:
    """Return the requirements of a LabelSelector (`matchLabels`, `matchExpressions`).

    None when there is no selector (absent or null); `NOTHING` when it is invalid: an unknown
    operator, `In` or `NotIn` without values, `Exists` or `DoesNotExist` with values, a wrong type.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        return NOTHING
    equal = map_selector_of(value.get("matchLabels"))
    expressions = value.get("matchExpressions")
    if expressions is None:
        return equal
    if not isinstance(expressions, list) or equal == NOTHING:
        return NOTHING
    found = list(equal or ())
    for expression in expressions:
        requirement = _requirement(expression)
        if requirement is None:
            return NOTHING
        found.append(requirement)
    return tuple(sorted(set(found)))


def map_selector_of(value: Any) -> Selector:
    """Return the requirements of a plain map of labels; `()` when it is absent, null or empty."""
    if value is None:
        return EVERYTHING
    if not isinstance(value, dict):
        return NOTHING
    for key, wanted in value.items():
        if not isinstance(wanted, str) or not isinstance(key, str):
            return NOTHING
    return tuple(sorted((key, "In", (wanted,)) for key, wanted in value.items()))


def _requirement(expression: Any) -> Requirement | None:
    if not isinstance(expression, dict):
        return None
    key, operator = expression.get("key"), expression.get("operator")
    values = expression.get("values") or ()
    if not isinstance(key, str) or not isinstance(operator, str) or not key:
        return None
    if not isinstance(values, (list, tuple)):
        return None
    if not all(isinstance(v, str) for v in values):
        return None
    if operator in _WITH_VALUES:
        return (key, operator, tuple(sorted(set(values)))) if values else None
    if operator in _WITHOUT_VALUES:
        return None if values else (key, operator, ())
    return None


def selects(selector: Selector, labels: Mapping[str, Any]) -> bool:
    """Return whether `selector` selects an object with `labels`."""
    for key, operator, values in selector:
        if operator == "In":
            if labels.get(key) not in values:
                return False
        elif operator == "NotIn":
            if labels.get(key) in values:
                return False
        elif operator == "Exists":
            if key not in labels:
                return False
        elif operator == "DoesNotExist":
            if key in labels:
                return False
        else:
            return False
    return True


def describe(selector: Selector) -> str:
    """Return the selector as `kubectl` writes it: `app=web,tier in (a, b),!canary`."""
    if not selector:
        return "<everything>"
    return ",".join(_described(*requirement) for requirement in selector)


def _described(key: str, operator: str, values: tuple[str, ...]) -> str:
    if operator == "In" and len(values) == 1:
        return f"{key}={values[0]}"
    if operator == "NotIn" and len(values) == 1:
        return f"{key}!={values[0]}"
    if operator in _WITH_VALUES:
        return f"{key} {'in' if operator == 'In' else 'notin'} ({', '.join(values)})"
    if operator == "Exists":
        return key
    return f"!{key}" if operator == "DoesNotExist" else "<nothing>"
