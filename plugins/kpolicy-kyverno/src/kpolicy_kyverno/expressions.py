"""What Kyverno's expressions use that kpolicy has to bring, or has to refuse."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kpolicy.policy.model import Expression, NamedExpression, Validation

if TYPE_CHECKING:
    from kpolicy.location import SourceLocation

#: What needs more than the manifests, and why a gate does not have it.
_REFUSED = {
    "http": "an offline gate calls no services",
    "globalContext": "the global context lives in Kyverno's controllers",
    "generator": "a gate generates nothing",
    "attestors": "images are not verified offline",
    "attestations": "images are not verified offline",
}
_CALL = re.compile(rf"(?<![\w.])({'|'.join(_REFUSED)})\s*\.\s*\w+")
_VERIFY = re.compile(
    r"(?<![\w.])(verifyImageSignatures|verifyAttestationSignatures|getImageData)\("
)
_METADATA = re.compile(r"(?<![\w.])image\s*\.\s*GetMetadata\(")
_POST = re.compile(r"(?<![\w.])resource\s*\.\s*(Post)\(")
_IMAGES = re.compile(r"(?<![\w.])images(?=\s*[.\[])")
#: Functions that look at other resources.
_RESOURCE = re.compile(r"(?<![\w.])resource\s*\.\s*(Get|List)\(")
_TEXTS = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")

#: The images of an object, as Kyverno's extractors find them. Source: pkg/cel/compiler/images.go.
IMAGES = (
    "{'containers': object.containers().map(c, string(c.?image.orValue(''))), "
    "'initContainers': object.initContainers().map(c, string(c.?image.orValue(''))), "
    "'ephemeralContainers': object.ephemeralContainers().map(c, string(c.?image.orValue('')))}"
)
_VARIABLE = "kyvernoImages"


def refusal(expression: Expression) -> str:
    """Return why an expression cannot be answered offline, "" where it can."""
    text = _TEXTS.sub("''", expression.source)
    found = _CALL.search(text)
    if found is not None:
        return f"{found[1]} is refused: {_REFUSED[found[1]]}"
    if _POST.search(text):
        return "resource.Post is refused: an offline gate changes nothing"
    if _VERIFY.search(text) or _METADATA.search(text):
        return "image verification and metadata are refused: a gate asks no registry"
    return ""


def looks_around(expressions: Iterable[Expression]) -> bool:
    """Return whether some expression reads other resources."""
    return any(_RESOURCE.search(expression.source) for expression in expressions)


def with_images(
    variables: tuple[NamedExpression, ...],
    validations: tuple[Validation, ...],
    location: SourceLocation,
) -> tuple[tuple[NamedExpression, ...], tuple[Validation, ...]]:
    """Return variables and validations in which `images` can be read: as a variable."""
    from dataclasses import replace

    every = [v.expression for v in variables]
    every += [v.expression for v in validations]
    every += [v.message_expression for v in validations if v.message_expression is not None]
    if not any(_IMAGES.search(_TEXTS.sub("''", e.source)) for e in every):
        return variables, validations

    def read(expression: Expression) -> Expression:
        return replace(expression, source=_IMAGES.sub(f"variables.{_VARIABLE}", expression.source))

    found = NamedExpression(_VARIABLE, Expression(IMAGES, location))
    return (
        (found, *(NamedExpression(v.name, read(v.expression)) for v in variables)),
        tuple(
            replace(
                v,
                expression=read(v.expression),
                message_expression=None
                if v.message_expression is None
                else read(v.message_expression),
            )
            for v in validations
        ),
    )
