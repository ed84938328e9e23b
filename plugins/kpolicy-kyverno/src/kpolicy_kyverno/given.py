"""What an offline gate cannot ask, given as data: images' metadata, answers of services, resources.

It stands in the document that Kyverno's own command line reads for this, `Context` of
`cli.kyverno.io` (`images`, `resources`); `http` and `globalContext` are kpolicy's additions to it.
Policies get it as a variable, and their calls are rewritten to functions that look there
(`kpolicy_kyverno.answers`).

Source: cmd/cli/kubectl-kyverno/apis/v1alpha1/context.go of kyverno/kyverno, and the libraries
imagedata, http and globalcontext of kyverno/sdk.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kpolicy.policy.formats import Loaded, Part
from kpolicy.policy.model import Expression, NamedExpression, Validation
from kpolicy.policy.vap_reading import Lenient

from kpolicy_kyverno.expressions import substituted, without_texts

if TYPE_CHECKING:
    from kpolicy.location import SourceLocation
    from kpolicy.policy.source import SourceNode

#: The kind of the parts that a `Context` gives: the format that assembles them.
PART = "kyverno-validating-policy"
_VARIABLE = "kyvernoGiven"
_SPEC = ("images", "resources", "http", "globalContext")
_IMAGE = (
    "image", "resolvedImage", "registry", "repository", "tag", "digest", "imageIndex", "manifest",
    "config",
)  # fmt: skip

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


def load_context(document: SourceNode) -> Loaded:
    """Return what a `Context` gives, as a part for the policies of all files."""
    read = Lenient(document)
    reader = read.reader
    top = read.fields(document, "", ("apiVersion", "kind", "metadata", "spec"), ("spec",))
    spec = read.fields(top.get("spec"), "spec", _SPEC)
    data: dict[str, Any] = {"images": {}, "resources": [], "http": {}, "globalContext": {}}
    for number, node in enumerate(reader.sequence(spec.get("images"), "spec.images")):
        here = f"spec.images[{number}]"
        fields = read.fields(node, here, _IMAGE, ("image",))
        name = reader.string(fields.get("image"), f"{here}.image")
        data["images"][name] = {key: child.value for key, child in fields.items()}
    for number, node in enumerate(reader.sequence(spec.get("resources"), "spec.resources")):
        if node.kind == "mapping":
            data["resources"].append(node.value)
        else:
            reader.problem(f"spec.resources[{number}] must be a resource", node.location)
    for number, node in enumerate(reader.sequence(spec.get("http"), "spec.http")):
        here = f"spec.http[{number}]"
        fields = read.fields(node, here, ("url", "method", "response"), ("url", "response"))
        url = reader.string(fields.get("url"), f"{here}.url")
        method = reader.choice(fields.get("method"), f"{here}.method", ("GET", "POST"), "GET")
        if "response" in fields:
            data["http"][f"{method} {url}"] = fields["response"].value
    entries = reader.sequence(spec.get("globalContext"), "spec.globalContext")
    for number, node in enumerate(entries):
        here = f"spec.globalContext[{number}]"
        fields = read.fields(node, here, ("name", "projection", "data"), ("name", "data"))
        name = reader.string(fields.get("name"), f"{here}.name")
        projection = reader.string(fields.get("projection"), f"{here}.projection")
        if "data" in fields:
            data["globalContext"][f"{name} {projection}"] = fields["data"].value
    notes = tuple(Part("note", {"text": text}, document.location) for text in read.notes)
    if reader.problems:
        return Loaded((), tuple(reader.problems), parts=notes)
    return Loaded(parts=(Part(PART, {"given": data}, document.location), *notes))


def merged(parts: Iterable[Part]) -> Mapping[str, Any]:
    """Return what all documents give, the later ones first in doubt."""
    whole: dict[str, Any] = {"images": {}, "resources": [], "http": {}, "globalContext": {}}
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
