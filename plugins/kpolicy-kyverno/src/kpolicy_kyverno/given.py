"""What an offline gate cannot ask, given as data: images' metadata, answers of services, resources.

It stands in documents of Kyverno's own command line (`kpolicy_kyverno.command_line`). Policies get
it as a variable, and their calls are rewritten to functions that look there
(`kpolicy_kyverno.answers`).

Source: the libraries imagedata, http and globalcontext of kyverno/sdk.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kpolicy.policy.model import Expression, NamedExpression, Validation

from kpolicy_kyverno.expressions import substituted, without_texts

if TYPE_CHECKING:
    from kpolicy.location import SourceLocation
    from kpolicy.policy.formats import Part

#: The kind of the parts that give data: the format that assembles them.
PART = "kyverno-validating-policy"
_VARIABLE = "kyvernoGiven"

#: The calls that are answered from data: what is given for them, and the function that looks there.
_CALLS = {
    "image.GetMetadata": ("images", "kyverno.imageData"),
    "image.getMetadata": ("images", "kyverno.imageData"),
    "http.Get": ("http", "kyverno.httpGet"),
    "http.get": ("http", "kyverno.httpGet"),
    "http.Post": ("http", "kyverno.httpPost"),
    "http.post": ("http", "kyverno.httpPost"),
    "globalContext.Get": ("globalContext", "kyverno.globalEntry"),
    "globalContext.get": ("globalContext", "kyverno.globalEntry"),
    "resource.Get": ("resources", "kyverno.resourceGet"),
    "resource.get": ("resources", "kyverno.resourceGet"),
    "resource.List": ("resources", "kyverno.resourceList"),
    "resource.list": ("resources", "kyverno.resourceList"),
}
_CALL = re.compile(
    r"(?<![\w.])(image|http|globalContext|resource)\s*\.\s*"
    r"([gG]etMetadata|[gG]et|[pP]ost|[lL]ist)\s*\("
)


def nothing() -> dict[str, Any]:
    """Return data that gives nothing: images by name, resources, answers by `METHOD url`, entries
    of the global context by `name projection`."""
    return {"images": {}, "resources": [], "http": {}, "globalContext": {}}


def merged(parts: Iterable[Part]) -> Mapping[str, Any]:
    """Return what all documents give, the later ones first in doubt."""
    whole = nothing()
    for part in parts:
        for key, given in part.data.get("given", {}).items():
            if isinstance(given, list):
                whole[key] += given
            else:
                whole[key].update(given)
    return whole


def calls_of(expression: Expression) -> set[str]:
    """Return what an expression calls that data may be given for: `http.Get`."""
    text = without_texts(expression.source)
    return {f"{found[1]}.{found[2]}" for found in _CALL.finditer(text)} & set(_CALLS)


def missing(expression: Expression, given: Mapping[str, Any]) -> str:
    """Return the call of an expression that neither the input nor what is given answers, or ""."""
    for call in sorted(calls_of(expression)):
        kind, _ = _CALLS[call]
        if kind != "resources" and not given.get(kind):
            return call
    return ""


def with_given(
    variables: tuple[NamedExpression, ...],
    validations: tuple[Validation, ...],
    location: SourceLocation,
    given: Mapping[str, Any],
) -> tuple[tuple[NamedExpression, ...], tuple[Validation, ...]]:
    """Return variables and validations whose calls are answered by what is given."""
    every = [v.expression for v in variables]
    for v in validations:
        every += [e for e in (v.expression, v.message_expression) if e is not None]
    called = {call for expression in every for call in calls_of(expression)}
    wanted = {_CALLS[call][0] for call in called}
    used = {key: value for key, value in given.items() if key in wanted and value}
    if not used:
        return variables, validations

    def answered(match: re.Match[str]) -> str:
        kind, function = _CALLS.get(f"{match[1]}.{match[2]}", ("", ""))
        return f"{function}(variables.{_VARIABLE}, " if kind in used else match[0]

    def rewritten(expression: Expression) -> Expression:
        return replace(expression, source=substituted(expression.source, _CALL, answered))

    literal = json.dumps(json.dumps(used, ensure_ascii=False, default=str), ensure_ascii=False)
    first = NamedExpression(_VARIABLE, Expression(f"kyverno.given({literal})", location))
    return (
        (first, *(NamedExpression(v.name, rewritten(v.expression)) for v in variables)),
        tuple(
            replace(
                v,
                expression=rewritten(v.expression),
                message_expression=None
                if v.message_expression is None
                else rewritten(v.message_expression),
            )
            for v in validations
        ),
    )
