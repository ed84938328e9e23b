"""Validation of a body against a schema: of a built-in kind, or a CustomResourceDefinition's.

The keywords are those of Kubernetes' structural schemas (OpenAPI v3 without references) and of the
bundled definitions. What a server forgives is forgiven: a `null` field counts as absent, unknown
fields are reported apart, as `strict` field validation does.
Source: Kubernetes, "Extend the Kubernetes API with CustomResourceDefinitions"; OpenAPI 3.0, schema
object.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal

from kpolicy.records import dataclass
from kpolicy.schemas.model import Schema
from kpolicy.schemas.values import article, describe, dotted, has_type, is_base64, is_date_time

Fault = Literal["wrong-type", "missing", "unknown-field", "value"]

#: How the bundled definitions are called; those of custom resources are named by their group.
_BUILT_IN = "io.k8s."
#: Deeper than any schema goes on purpose; a definition may contain itself.
_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that a schema does not allow, and where (a JSON pointer)."""

    pointer: str
    message: str
    fault: Fault

    @property
    def path(self) -> str:
        """The place as people write it: `spec.containers[0].image`."""
        return dotted(self.pointer)


def validate(body: Any, schema: Schema) -> Iterator[Violation]:
    """Yield everything in `body` that `schema` does not allow, in the order of the manifest."""
    yield from _value(body, schema, "", False, 0)


def _value(
    value: Any, schema: Schema, pointer: str, nested: bool, depth: int
) -> Iterator[Violation]:
    """`nested`: inside allOf, anyOf, oneOf or not, which constrain fields and declare none."""
    data = schema.data
    if depth > _DEPTH:
        return
    if value is None:
        if data.get("nullable") or nested or schema.kind == "any" or not pointer:
            return
        if schema.name.startswith(_BUILT_IN):
            # Go decodes a null in a list or map of a built-in type as the zero value: "" in labels
            # is fine, a container without a name is not.
            yield from (
                Violation(pointer, f'the field "{name}" is required', "missing")
                for name in schema.required
            )
            return
        yield Violation(
            pointer, f"null is not allowed, expected {article(schema.kind)}", "wrong-type"
        )
        return
    whole = isinstance(value, float) and value.is_integer() and schema.kind == "integer"
    if not whole and not has_type(value, schema.kind):
        found = describe(value)
        yield Violation(pointer, f"expected {article(schema.kind)}, found {found}", "wrong-type")
        return
    yield from (Violation(pointer, text, "value") for text in _limits(value, schema))
    if isinstance(value, Mapping):
        yield from _mapping(value, schema, pointer, nested, depth)
    elif isinstance(value, (list, tuple)):
        yield from _list(value, schema, pointer, nested, depth)
    yield from _combined(value, schema, pointer, depth)


def _mapping(
    value: Mapping[str, Any], schema: Schema, pointer: str, nested: bool, depth: int
) -> Iterator[Violation]:
    data = schema.data
    for name in schema.required:
        if value.get(name) is None and not (name in value and _may_be_null(schema, name)):
            yield Violation(pointer, f'the field "{name}" is required', "missing")
    declared, rest = schema.field_names, schema.additional
    closed = "properties" in data and not schema.is_open and not nested
    for name, item in value.items():
        here = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
        if name in declared:
            inner = schema.get(name)
            # A null in a declared field is an absent field, unless the schema wants to see it.
            if inner is not None and not (item is None and not inner.data.get("nullable")):
                yield from _value(item, inner, here, nested, depth + 1)
        elif rest is not None:
            yield from _value(item, rest, here, nested, depth + 1)
        elif closed and data.get("additionalProperties") is not True:
            if data.get("x-kubernetes-embedded-resource") and name in _EMBEDDED:
                continue
            yield Violation(here, _unknown(name, declared), "unknown-field")


_EMBEDDED = ("apiVersion", "kind", "metadata")


def _may_be_null(schema: Schema, name: str) -> bool:
    inner = schema.get(name)
    return inner is not None and bool(inner.data.get("nullable"))


def _unknown(name: str, declared: frozenset[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, sorted(declared), 1, 0.75)
    return f'unknown field "{name}"' + (f', did you mean "{near[0]}"?' if near else "")


def _list(
    value: list[Any] | tuple[Any, ...], schema: Schema, pointer: str, nested: bool, depth: int
) -> Iterator[Violation]:
    items = schema.items
    if items is not None:
        for index, item in enumerate(value):
            yield from _value(item, items, f"{pointer}/{index}", nested, depth + 1)
    data = schema.data
    kind = data.get("x-kubernetes-list-type")
    if kind == "map":
        names = data.get("x-kubernetes-list-map-keys") or ()
        marks = [tuple(repr(i.get(n)) for n in names) if isinstance(i, Mapping) else ()
                 for i in value]  # fmt: skip
    elif kind == "set" or data.get("uniqueItems"):
        marks = [(repr(item),) for item in value]
    else:
        return
    seen: set[tuple[str, ...]] = set()
    for index, mark in enumerate(marks):
        if mark in seen:
            yield Violation(f"{pointer}/{index}", "a duplicate of an earlier item", "value")
        seen.add(mark)


def _combined(value: Any, schema: Schema, pointer: str, depth: int) -> Iterator[Violation]:
    data = schema.data
    if data.get("x-kubernetes-int-or-string"):
        return
    for number, given in enumerate(_schemas(data.get("allOf"))):
        yield from _value(value, _part(schema, f"allOf{number}", given), pointer, True, depth + 1)

    def holds(keyword: str) -> list[bool]:
        return [
            not any(_value(value, _part(schema, f"{keyword}{n}", p), pointer, True, depth + 1))
            for n, p in enumerate(_schemas(data.get(keyword)))
        ]

    any_of, one_of = holds("anyOf"), holds("oneOf")
    if any_of and not any(any_of):
        yield Violation(pointer, "none of the alternatives of the schema holds (anyOf)", "value")
    if one_of and sum(one_of) != 1:
        how_many = f"{sum(one_of)} of its alternatives hold"
        yield Violation(pointer, f"exactly one must hold, {how_many} (oneOf)", "value")
    forbidden = data.get("not")
    if isinstance(forbidden, Mapping):
        part = _part(schema, "not", forbidden)
        if not any(_value(value, part, pointer, True, depth + 1)):
            yield Violation(pointer, "is what the schema forbids (not)", "value")


def _schemas(given: Any) -> list[Mapping[str, Any]]:
    return [g for g in given if isinstance(g, Mapping)] if isinstance(given, (list, tuple)) else []


def _part(schema: Schema, step: str, data: Mapping[str, Any]) -> Schema:
    return Schema(f"{schema.name}.{step}", data, schema.definitions)


def _limits(value: Any, schema: Schema) -> Iterator[str]:
    data = schema.data
    enum = schema.enum
    if enum and not any(value == allowed and type(value) is type(allowed) for allowed in enum):
        wanted = ", ".join(str(allowed) for allowed in enum[:12])
        yield f"{describe(value)} is not one of {wanted}"
    if isinstance(value, str):
        yield from _text_limits(value, schema)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _number_limits(value, schema)
    elif isinstance(value, Mapping):
        yield from _size(len(value), data, "Properties", "field")
    elif isinstance(value, (list, tuple)):
        yield from _size(len(value), data, "Items", "item")


def _size(size: int, data: Mapping[str, Any], word: str, thing: str) -> Iterator[str]:
    least, most = data.get(f"min{word}"), data.get(f"max{word}")
    if isinstance(least, int) and size < least:
        yield f"has {size} {thing}{'' if size == 1 else 's'}, at least {least} needed"
    if isinstance(most, int) and size > most:
        yield f"has {size} {thing}s, at most {most} allowed"


def _text_limits(value: str, schema: Schema) -> Iterator[str]:
    data = schema.data
    yield from _size(len(value), data, "Length", "character")
    pattern = data.get("pattern")
    if isinstance(pattern, str) and not _searches(pattern)(value):
        yield f"{describe(value)} does not match {pattern}"
    test = FORMATS.get(schema.format)
    if test is not None and not test(value):
        yield f"{describe(value)} is no {_FORMAT_WORDS.get(schema.format, schema.format)}"


_FORMAT_WORDS = {"byte": "base64 text"}


def _number_limits(value: float, schema: Schema) -> Iterator[str]:
    data = schema.data
    least, most, step = data.get("minimum"), data.get("maximum"), data.get("multipleOf")
    if isinstance(least, (int, float)):
        if data.get("exclusiveMinimum") is True and value <= least:
            yield f"{value} is not greater than {least}"
        elif value < least:
            yield f"{value} is less than {least}"
    if isinstance(most, (int, float)):
        if data.get("exclusiveMaximum") is True and value >= most:
            yield f"{value} is not less than {most}"
        elif value > most:
            yield f"{value} is greater than {most}"
    if isinstance(step, (int, float)) and step > 0 and not _is_multiple(value, step):
        yield f"{value} is no multiple of {step}"
    bits = {"int32": 31, "int64": 63}.get(schema.format)
    if bits is not None and not -(1 << bits) <= value < 1 << bits:
        yield f"{value} does not fit into {schema.format}"


def _is_multiple(value: float, step: float) -> bool:
    ratio = value / step
    return math.isclose(ratio, round(ratio), abs_tol=1e-9)


@lru_cache(maxsize=512)
def _searches(pattern: str) -> Callable[[str], object]:
    """Return an unanchored search; a pattern that RE2 does not take matches everything."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        found: Callable[[str], object] = re2.compile(pattern, options=options).search
    except re2.error:
        return lambda _: True
    return found


def _is_ip(version: int) -> Callable[[str], bool]:
    def test(text: str) -> bool:
        try:
            return ipaddress.ip_address(text).version == version
        except ValueError:
            return False

    return test


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text


def _is_date(text: str) -> bool:
    import datetime

    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == 10


_HOSTNAME = re.compile(
    r"(?=.{1,253}$)[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*",
    re.ASCII,
)
_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}", re.ASCII)
_GO_DURATION = re.compile(r"[+-]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)

#: Those that the API server checks (apiextensions-apiserver, supported formats); others are free.
FORMATS: Mapping[str, Callable[[str], object]] = {
    "byte": is_base64,
    "cidr": _is_network,
    "date": _is_date,
    "date-time": is_date_time,
    "duration": _GO_DURATION.fullmatch,
    "hostname": _HOSTNAME.fullmatch,
    "ipv4": _is_ip(4),
    "ipv6": _is_ip(6),
    "uuid": _UUID.fullmatch,
}
