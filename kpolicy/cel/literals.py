"""What the API server demands of literals beyond their types.

Source: cel-go's AST validators that k8s.io/apiserver enables (homogeneous aggregate literals,
duration, timestamp, regex and format string literals).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kpolicy.cel import checker_errors as complain
from kpolicy.cel import nodes
from kpolicy.cel.errors import CelError
from kpolicy.cel.nodes import children
from kpolicy.cel.types import Type

#: Functions whose list arguments may mix types, by name.
_EXEMPT = frozenset(("format",))


def literal_errors(root: nodes.Node, types: Mapping[int, Type], source: str) -> Iterator[CelError]:
    """Yield an error for each literal of mixed types or that its function always refuses."""
    pending = [(root, False)]
    while pending:
        node, exempt = pending.pop()
        if isinstance(node, nodes.Call):
            yield from _call_errors(node, source)
            yield from _format_errors(node, types, source)
            exempt = exempt or node.function in _EXEMPT
        elif isinstance(node, nodes.ListNode) and not exempt:
            yield from _mixed(node.elements, node.optional, types, source)
        elif isinstance(node, nodes.MapNode) and not exempt:
            optional = frozenset(i for i, e in enumerate(node.entries) if e.optional)
            yield from _mixed([e.key for e in node.entries], frozenset(), types, source)
            yield from _mixed([e.value for e in node.entries], optional, types, source)
        pending.extend((child, exempt) for child in children(node))


def _mixed(
    elements: list[nodes.Node], optional: frozenset[int], types: Mapping[int, Type], source: str
) -> Iterator[CelError]:
    first: Type | None = None
    for index, element in enumerate(elements):
        kind = types[id(element)]
        if index in optional and kind.parameters:
            kind = kind.parameters[0]
        if first is None:
            first = kind
        elif kind != first:
            yield complain.type_mismatch(
                source, element.offset, first, kind, "elements of a literal must have one type"
            )
            return


def _call_errors(node: nodes.Call, source: str) -> Iterator[CelError]:
    argument = node.args[-1] if node.args else None
    if not isinstance(argument, nodes.Constant):
        return
    check = _CHECKS.get((node.function, len(node.args) + (node.target is not None)))
    if check is None or not isinstance(argument.value, (str, int)):
        return
    why = check(argument.value)
    if why:
        yield complain.invalid_literal(source, argument.offset, node.function, why)


def _format_errors(node: nodes.Call, types: Mapping[int, Type], source: str) -> Iterator[CelError]:
    """Yield why a literal template and a literal list of arguments do not go together."""
    template, arguments = node.target, node.args[0] if len(node.args) == 1 else None
    if (
        node.function == "format"
        and isinstance(template, nodes.Constant)
        and isinstance(template.value, str)
        and isinstance(arguments, nodes.ListNode)
        and not arguments.optional
    ):
        from kpolicy.cel.library.formatting import literal_problem

        why = literal_problem(template.value, [types[id(each)] for each in arguments.elements])
        if why:
            yield complain.invalid_literal(source, node.offset, "format", why)


def _duration(text: str | int) -> str:
    from kpolicy.cel.library.standard import to_duration

    return _why(to_duration, text)


def _timestamp(text: str | int) -> str:
    from kpolicy.cel.library.standard import to_timestamp

    return _why(to_timestamp, text)


def _regex(text: str | int) -> str:
    from kpolicy.cel.library.standard import pattern

    return _why(pattern, text) if isinstance(text, str) else ""


def _why(parse: Callable[[Any], object], text: str | int) -> str:
    try:
        parse(text)
    except CelError as error:
        return error.message
    return ""


#: By function and number of operands, the receiver counted: what is wrong with a literal operand,
#: or ''.
_CHECKS: Mapping[tuple[str, int], Callable[[str | int], str]] = {
    ("duration", 1): _duration,
    ("timestamp", 1): _timestamp,
    ("matches", 2): _regex,
    ("find", 2): _regex,
    ("findAll", 2): _regex,
}
