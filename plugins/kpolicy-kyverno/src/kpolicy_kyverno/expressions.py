"""What Kyverno's expressions use that kpolicy has to bring, or has to refuse."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from kpolicy.policy.model import Expression, NamedExpression, Validation

if TYPE_CHECKING:
    from kpolicy.location import SourceLocation

#: What needs more than the manifests, and why a gate does not have it.
_REFUSED = {
    "generator": "a gate generates nothing",
    "attestors": "images are not verified offline",
    "attestations": "images are not verified offline",
    "random": "a gate decides the same each time",
    "x509": "a gate reads no certificates",
    "gzip": "a gate unpacks nothing",
}
_CALL = re.compile(rf"(?<![\w.])({'|'.join(_REFUSED)})\s*(?:\.\s*\w+|(?<=random)\()")
_CLIENT = re.compile(r"(?<![\w.])http\s*\.\s*[cC]lient\(")
_VERIFY = re.compile(
    r"(?<![\w.])(verifyImageSignatures|verifyAttestationSignatures|getImageData)\("
)
_POST = re.compile(r"(?<![\w.])resource\s*\.\s*([pP]ost)\(")
_IMAGES = re.compile(r"(?<![\w.])images(?=\s*[.\[])")
#: Functions that look at other resources.
_RESOURCE = re.compile(r"(?<![\w.])resource\s*\.\s*([gG]et|[lL]ist)\(")
_TEXTS = re.compile(r"('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")")

#: The images of an object, as Kyverno's extractors find them. Source: pkg/cel/compiler/images.go.
IMAGES = (
    "{'containers': object.containers().map(c, string(c.?image.orValue(''))), "
    "'initContainers': object.initContainers().map(c, string(c.?image.orValue(''))), "
    "'ephemeralContainers': object.ephemeralContainers().map(c, string(c.?image.orValue('')))}"
)
_VARIABLE = "kyvernoImages"


def substituted(
    source: str, pattern: re.Pattern[str], by: str | Callable[[re.Match[str]], str]
) -> str:
    """Return a source with a pattern substituted, but for what stands in its string literals."""
    parts = _TEXTS.split(source)
    parts[::2] = [pattern.sub(by, part) for part in parts[::2]]
    return "".join(parts)


def without_texts(source: str) -> str:
    """Return a source with empty string literals."""
    return _TEXTS.sub("''", source)


def refusal(expression: Expression) -> str:
    """Return why an expression cannot be answered offline whatever is given, "" where it can."""
    text = without_texts(expression.source)
    found = _CALL.search(text)
    if found is not None:
        return f"{found[1]} is refused: {_REFUSED[found[1]]}"
    if _CLIENT.search(text):
        return "http.Client is refused: a gate calls no services; give the answers to http.Get"
    if _POST.search(text):
        return "resource.Post is refused: an offline gate changes nothing"
    if _VERIFY.search(text):
        return "image verification is refused: a gate asks no registry"
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
    if not any(_IMAGES.search(without_texts(e.source)) for e in every):
        return variables, validations

    def read(expression: Expression) -> Expression:
        source = substituted(expression.source, _IMAGES, f"variables.{_VARIABLE}")
        return replace(expression, source=source)

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
