"""CEL rules of CustomResourceDefinitions (`x-kubernetes-validations`), as the API server runs them.

A rule stands at a node of the schema: `self` is the value there, `oldSelf` what stood there before.
A rule that names `oldSelf` runs only on an update where both exist, unless it says
`optionalOldSelf`; below a list that is no map by keys there is nothing to correlate, so such rules
do not run. Source: Kubernetes, "Custom Resource Definitions", validation rules;
apiextensions-apiserver, pkg/apiserver/schema/cel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from kpolicy.cel import Environment
from kpolicy.cel.errors import CelError
from kpolicy.cel.library import kubernetes_libraries
from kpolicy.cel.library.standard import to_duration, to_timestamp
from kpolicy.cel.program import Program
from kpolicy.cel.types import BOOL, DYN, STRING
from kpolicy.cel.values import Optional
from kpolicy.schemas.model import Schema

Broken = tuple[str, str]

#: Words that CEL reserves; a property of that name is written `__word__` in a rule.
_RESERVED = frozenset((
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function",
    "if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while",
))  # fmt: skip
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_ABSENT = object()


def broken_rules(body: Any, schema: Schema, old: Any = None) -> Iterator[Broken]:
    """Yield (JSON pointer, message) for every rule of `schema` that `body` breaks."""
    yield from _walk(body, _ABSENT if old is None else old, schema, "", 0)


def escaped(name: str) -> str | None:
    """Return how a rule spells a property; None if it cannot."""
    if name in _RESERVED:
        return f"__{name}__"
    if not _IDENTIFIER.fullmatch(name):
        return None
    return (
        name.replace("__", "__underscores__")
        .replace(".", "__dot__")
        .replace("-", "__dash__")
        .replace("/", "__slash__")
    )


def _walk(value: Any, old: Any, schema: Schema, pointer: str, depth: int) -> Iterator[Broken]:
    if value is None or depth > 100:
        return
    rules = schema.data.get("x-kubernetes-validations")
    if isinstance(rules, (list, tuple)):
        for rule in rules:
            if isinstance(rule, Mapping) and isinstance(rule.get("rule"), str):
                yield from _apply(rule, value, old, schema, pointer)
    if isinstance(value, Mapping):
        for name, item in value.items():
            inner = schema.get(name) or schema.additional
            if inner is not None:
                before = old.get(name, _ABSENT) if isinstance(old, Mapping) else _ABSENT
                token = name.replace("~", "~0").replace("/", "~1")
                yield from _walk(item, before, inner, f"{pointer}/{token}", depth + 1)
    elif isinstance(value, (list, tuple)) and schema.items is not None:
        for index, item in enumerate(value):
            before = _correlated(item, old, schema)
            yield from _walk(item, before, schema.items, f"{pointer}/{index}", depth + 1)


def _correlated(item: Any, old: Any, schema: Schema) -> Any:
    """Return the item's earlier self in a list that is a map by keys."""
    data = schema.data
    if data.get("x-kubernetes-list-type") != "map" or not isinstance(old, (list, tuple)):
        return _ABSENT
    keys = data.get("x-kubernetes-list-map-keys") or ()
    if not isinstance(item, Mapping):
        return _ABSENT
    for other in old:
        if isinstance(other, Mapping) and all(other.get(k) == item.get(k) for k in keys):
            return other
    return _ABSENT


@lru_cache(maxsize=1024)
def _program(source: str, text: bool = False) -> Program:
    variables = {"self": DYN, "oldSelf": DYN}
    environment = Environment(variables, kubernetes_libraries(), lenient_presence=True)
    return environment.compile(source, expected=STRING if text else BOOL)


def _apply(
    rule: Mapping[str, Any], value: Any, old: Any, schema: Schema, pointer: str
) -> Iterator[Broken]:
    where = _place(rule, pointer)
    source = rule["rule"]
    try:
        program = _program(source)
        bindings = {"self": as_cel(value, schema)}
        if "oldSelf" in program.references:
            if rule.get("optionalOldSelf") is True:
                known = old is not _ABSENT
                before = Optional.of(as_cel(old, schema)) if known else Optional.none()
            elif old is _ABSENT:
                return
            else:
                before = as_cel(old, schema)
            bindings["oldSelf"] = before
        if program.evaluate(bindings) is True:
            return
    except CelError as error:
        yield where, f"the rule {_short(source)} could not be evaluated: {error}"
        return
    yield where, _message(rule, bindings)


def _message(rule: Mapping[str, Any], bindings: Mapping[str, Any]) -> str:
    expression = rule.get("messageExpression")
    if isinstance(expression, str) and expression.strip():
        try:
            made = _program(expression, True).evaluate(bindings)
        except CelError:
            made = ""
        # As the server: blank or of several lines falls back to the fixed message.
        if isinstance(made, str) and made.strip() and "\n" not in made.strip():
            return made.strip()
    message = rule.get("message")
    if isinstance(message, str) and message.strip():
        return message.strip()
    return f"failed rule: {_short(rule['rule'])}"


def _short(source: str) -> str:
    line = " ".join(source.split())
    return line if len(line) <= 120 else f"{line[:117]}..."


def _place(rule: Mapping[str, Any], pointer: str) -> str:
    """Return the pointer that `fieldPath` (`.a.b`, `.a['b-c']`) names, else the node's own."""
    path = rule.get("fieldPath")
    if not isinstance(path, str):
        return pointer
    for match in re.finditer(r"\.([A-Za-z_][\w-]*)|\['([^']+)'\]", path):
        token = (match[1] or match[2]).replace("~", "~0").replace("/", "~1")
        pointer += f"/{token}"
    return pointer


def as_cel(value: Any, schema: Schema) -> Any:
    """Return a value as rules see it: escaped property names, dates and durations as such.

    Parts that need no change are the same objects.
    """
    if isinstance(value, str):
        return _text(value, schema.format)
    if isinstance(value, Mapping):
        changed: dict[str, Any] = {}
        for name, item in value.items():
            declared = schema.get(name)
            inner = declared or schema.additional
            made = as_cel(item, inner) if inner is not None else item
            key = (escaped(name) or name) if declared is not None else name
            if made is not item or key != name:
                changed[name] = (key, made)
        if not changed:
            return value
        return dict(changed.get(name, (name, item)) for name, item in value.items())
    if isinstance(value, (list, tuple)) and schema.items is not None:
        items = [as_cel(item, schema.items) for item in value]
        same = all(a is b for a, b in zip(items, value, strict=True))
        return value if same else items
    return value


def _text(value: str, form: str) -> Any:
    try:
        if form == "date-time":
            return to_timestamp(value)
        if form == "date":
            return to_timestamp(f"{value}T00:00:00Z")
        if form == "duration":
            return to_duration(value)
        if form == "byte":
            import base64

            return base64.b64decode(value, validate=True)
    except (CelError, ValueError):
        return value
    return value
