"""What the readers of both forms share: names, filters, paths, severities."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kpolicy.policy.formats import Loaded
from kpolicy.policy.model import Match, Policy, Severity
from kpolicy.strict.suggest import did_you_mean

from kpolicy_kubepattern.filters import NUMBERS, SIZES, WITHOUT_VALUES, Condition, Filters, integer
from kpolicy_kubepattern.messages import unknown_placeholders
from kpolicy_kubepattern.paths import Path, PathError, parse

if TYPE_CHECKING:
    from kpolicy.policy.source import Reader, SourceNode

    from kpolicy_kubepattern.pattern import Pattern

_POLICY_ID = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z")
_KIND = re.compile(r"[A-Z][A-Za-z0-9]*\Z")

GROUPS = ("matchAll", "matchAny", "matchNone")


def policy_id(reader: Reader, node: SourceNode | None) -> str:
    """Return metadata.name, which becomes the policy's id."""
    name = text(reader, node, "metadata.name")
    if node is not None and name and not _POLICY_ID.match(name):
        hint = "lower-case letters, digits, dots and hyphens"
        reader.problem(f'"{name}" is no policy id', node.location, hint)
    return name


def text(reader: Reader, node: SourceNode | None, what: str) -> str:
    """Return a text that must not be empty."""
    before = len(reader.problems)
    found = reader.string(node, what)
    if node is not None and not found.strip() and len(reader.problems) == before:
        reader.problem(f"{what} is empty", node.location)
    return found


def kind_of(reader: Reader, node: SourceNode | None, what: str) -> str:
    """Return a kind."""
    name = text(reader, node, what)
    if node is not None and name and not _KIND.match(name):
        hint = "one kind, as in Pod" if name == "*" else "a kind begins with a capital letter"
        reader.problem(f'"{name}" is no kind that {what} can name', node.location, hint)
    return name


def severity_of(
    reader: Reader, node: SourceNode | None, what: str, known: Mapping[str, Severity]
) -> Severity:
    """Return what a severity of KubePattern is to kpolicy."""
    name = reader.choice(node, what, tuple(known), "")
    return known.get(name, "warning")


def message_of(reader: Reader, node: SourceNode | None, known: Sequence[str]) -> str:
    """Return spec.message, whose placeholders must be among `known`."""
    message = text(reader, node, "spec.message")
    if node is None:
        return message
    for name, offset in unknown_placeholders(message, known):
        wrong = f"{{{{{name}}}}} means nothing here" if name else "braces that enclose no name"
        hint = (did_you_mean(name, known) if name else "") or f"known: {', '.join(known)}"
        reader.problem(f"spec.message: {wrong}", node.text_location(offset), hint)
    return message


def path_of(reader: Reader, node: SourceNode | None, what: str) -> Path | None:
    """Return a path into a resource; None, with a problem, where it cannot be read."""
    written = text(reader, node, what)
    if node is None or not written.strip():
        return None
    try:
        return parse(written)
    except PathError as error:
        reader.problem(f"{what}: {error}", node.text_location(error.offset))
        return None


def filters_of(
    reader: Reader, node: SourceNode | None, what: str, key: str, operators: Sequence[str]
) -> Filters:
    """Return filters; `key` names the path of a condition, `operators` are the form's."""
    if node is None:
        return Filters()
    fields = reader.fields(node, what, GROUPS)
    groups = []
    for group in GROUPS:
        here = f"{what}.{group}"
        conditions = []
        for number, entry in enumerate(reader.sequence(fields.get(group), here)):
            found = _condition(reader, entry, f"{here}[{number}]", key, operators)
            if found is not None:
                conditions.append(found)
        groups.append(tuple(conditions))
    return Filters(*groups)


def _condition(
    reader: Reader, node: SourceNode, what: str, key: str, operators: Sequence[str]
) -> Condition | None:
    fields = reader.fields(node, what, (key, "operator", "values"), (key, "operator"))
    path = path_of(reader, fields.get(key), f"{what}.{key}")
    name = reader.choice(fields.get("operator"), f"{what}.operator", operators, "")
    given = fields.get("values")
    values = _values(reader, given, f"{what}.values")
    at = (given or node).location
    if not name or path is None:
        return None
    if name in WITHOUT_VALUES:
        if values:
            reader.problem(f"{what}: {name} takes no values", at, "write values: []")
    elif name in (*NUMBERS, *SIZES):
        if len(values) != 1 or integer(values[0]) is None:
            reader.problem(f"{what}: {name} needs one value, an integer", at)
            return None
    elif not values:
        reader.problem(f"{what}: {name} needs values", at)
    return Condition(path, name, values, spread=key == "key")


def _values(reader: Reader, node: SourceNode | None, what: str) -> tuple[str, ...]:
    """Return values as text; an unquoted number or boolean means its text."""
    found = []
    for number, element in enumerate(reader.sequence(node, what)):
        value = element.value if element.kind == "scalar" else None
        if value is None:
            reader.string(element, f"{what}[{number}]")  # notes what is wrong with it
        elif isinstance(value, str):
            found.append(value)
        else:
            found.append(element.text)
    return tuple(found)


def policy_of(reader: Reader, pattern: Pattern | None, document: SourceNode, **told: Any) -> Loaded:
    """Return the pattern as a policy, or all that is wrong with it."""
    if reader.problems or pattern is None:
        return Loaded((), tuple(reader.problems))
    policy = Policy(
        pattern.name,
        match=Match(kinds=pattern.leader.kinds, exclude_kinds=_no_pods(pattern)),
        check=pattern.check,
        location=document.location,
        metadata=MappingProxyType({"default-given": False}),
        **told,
    )
    return Loaded((policy,))


def _no_pods(pattern: Pattern) -> tuple[str, ...]:
    return ("core/PodTemplate",) if pattern.leader.is_pod else ()
