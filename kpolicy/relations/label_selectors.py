"""Label selectors exactly as the API machinery reads them: what is valid, and what they select.

Source: `LabelSelectorAsSelector` and the label syntax of Kubernetes' API machinery.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.types import BOOL, DYN
from kpolicy.records import dataclass

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")

Requirement = tuple[str, str, tuple[str, ...]]


def is_label_key(key: Any) -> bool:
    """Return whether `key` is a label's key: a name, with a DNS subdomain and a slash before it or
    not."""
    if not isinstance(key, str):
        return False
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not _PREFIX.match(prefix)):
        return False
    return _NAME.match(name) is not None


def is_label_value(value: Any) -> bool:
    """Return whether `value` is a label's value: empty, or as a key's name."""
    return isinstance(value, str) and (value == "" or _NAME.match(value) is not None)


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """A valid selector; without requirements it selects everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, Any]) -> bool:
        """Return whether something with these labels is selected."""
        for key, operator, values in self.requirements:
            if operator == "In":
                held = labels.get(key) in values
            elif operator == "NotIn":
                held = key not in labels or labels[key] not in values
            elif operator == "Exists":
                held = key in labels
            else:
                held = key not in labels
            if not held:
                return False
        return True

    @property
    def equalities(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Each requirement that names the values one of which a label must have."""
        return tuple(
            (key, values) for key, operator, values in self.requirements if operator == "In"
        )


def parse_selector(body: Any) -> LabelSelector | None:
    """Return the LabelSelector `body`, None if the API would refuse it."""
    if not isinstance(body, dict):
        return None
    requirements: list[Requirement] = []
    labels = body.get("matchLabels")
    if labels is not None:
        if not isinstance(labels, dict):
            return None
        for key, value in labels.items():
            if not is_label_key(key) or not is_label_value(value):
                return None
            requirements.append((key, "In", (value,)))
    expressions = body.get("matchExpressions")
    if expressions is not None:
        if not isinstance(expressions, list):
            return None
        for expression in expressions:
            requirement = _requirement(expression)
            if requirement is None:
                return None
            requirements.append(requirement)
    return LabelSelector(tuple(requirements))


def _requirement(expression: Any) -> Requirement | None:
    if not isinstance(expression, dict) or not is_label_key(expression.get("key")):
        return None
    operator = expression.get("operator")
    values = expression.get("values")
    values = () if values is None else values
    if not isinstance(values, (list, tuple)) or not all(is_label_value(v) for v in values):
        return None
    if operator in ("In", "NotIn"):
        return (expression["key"], operator, tuple(values)) if values else None
    if operator in ("Exists", "DoesNotExist"):
        return (expression["key"], operator, ()) if not values else None
    return None


def _is_label_selector(body: Any) -> bool:
    return parse_selector(body) is not None


def _selects_labels(body: Any, labels: Any) -> bool:
    selector = parse_selector(body)
    return selector is not None and isinstance(labels, dict) and selector.matches(labels)


@lru_cache(maxsize=1)
def library() -> Library:
    """Return the CEL functions `isLabelSelector(x)` and `selectsLabels(selector, labels)`."""
    return Library(
        name="kpolicy.labels",
        doc="Label selectors, as the API machinery reads them.",
        functions=(
            Function(
                "isLabelSelector",
                (Overload("kpolicy_isLabelSelector", (DYN,), BOOL, _is_label_selector),),
                "Whether a LabelSelector is one that the API accepts.",
            ),
            Function(
                "selectsLabels",
                (
                    Overload(
                        "kpolicy_selectsLabels", (DYN, DYN), BOOL, _selects_labels, cost="size"
                    ),
                ),
                "Whether a LabelSelector selects labels; false for one that is not valid.",
            ),
        ),
    )
