"""Parameters: whether a value fits its declaration, and the values a policy runs with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kpolicy.policy.model import Param, ParamType, Policy
from kpolicy.strict.suggest import did_you_mean

PARAM_TYPES: tuple[ParamType, ...] = ("string", "integer", "number", "boolean", "array", "object")


def has_type(value: Any, wanted: ParamType) -> bool:
    """Return whether `value` is of the JSON type `wanted`."""
    if wanted == "boolean":
        return isinstance(value, bool)
    if wanted == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if wanted == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if wanted == "string":
        return isinstance(value, str)
    if wanted == "array":
        return isinstance(value, (list, tuple))
    return isinstance(value, Mapping)


def type_name(value: Any) -> str:
    """Return the JSON type of a value, in words."""
    if value is None:
        return "null"
    for name in PARAM_TYPES:
        if has_type(value, name):
            return name
    return type(value).__name__


def misfit(param: Param, value: Any) -> str:
    """Return why `value` is no value for `param`, or ""."""
    if not has_type(value, param.type):
        return f"must be {_article(param.type)}, not {type_name(value)}"
    if param.items:
        for index, element in enumerate(value):
            if not has_type(element, param.items):
                return f"must hold {param.items} items, but item {index} is {type_name(element)}"
    if param.enum:
        for element in value if param.type == "array" else (value,):
            if not any(element == allowed and type(element) is type(allowed)
                       for allowed in param.enum):  # fmt: skip
                wanted = ", ".join(map(str, param.enum))
                return f"must be one of {wanted}, not {element}"
    return ""


def _article(name: str) -> str:
    return f"an {name}" if name[0] in "aio" else f"a {name}"


def resolve(
    policy: Policy, *layers: Mapping[str, Any]
) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
    """Return the values `policy` runs with, and what is wrong with the given ones.

    Later layers win. Each problem is (parameter, what is wrong, hint). A parameter without a
    default and without a value is absent, so that `has(params.x)` is false.
    """
    declared = {param.name: param for param in policy.params}
    values = {name: param.default for name, param in declared.items() if param.default is not None}
    problems: list[tuple[str, str, str]] = []
    for layer in layers:
        for name, value in layer.items():
            param = declared.get(name)
            if param is None:
                known = ", ".join(declared) or "none"
                hint = did_you_mean(name, declared) or f"its parameters: {known}"
                problems.append((name, f'policy "{policy.id}" has no parameter "{name}"', hint))
                continue
            wrong = misfit(param, value)
            if wrong:
                problems.append((name, f'parameter "{name}" of "{policy.id}" {wrong}', ""))
                continue
            values[name] = value
    return values, problems
