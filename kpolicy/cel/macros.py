"""The standard macros: calls that the parser rewrites into nodes of their own.

Source: cel-spec doc/langdef.md ("Macros") and cel-go's parser/macro.go; the forms with two
variables are in `library.comprehensions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kpolicy.cel.declarations import Macro
from kpolicy.cel.nodes import Comprehension, ComprehensionKind, Identifier, Node, Select


def variable_name(expander: Any, node: Node, what: str = "variable") -> str:
    """Return the simple name that a macro's variable argument spells; raises `CelError`."""
    if not isinstance(node, Identifier) or node.name.startswith("."):
        raise expander.error(node.offset, f"the {what} of a macro must be a simple name")
    return node.name


def _has(expander: Any, offset: int, _target: Node | None, args: Sequence[Node]) -> Node:
    (argument,) = args
    if not isinstance(argument, Select) or argument.test or argument.optional:
        raise expander.error(
            argument.offset, "has() takes a field selection such as has(object.spec)"
        )
    return Select(offset, argument.operand, argument.field, test=True)


def _quantifier(name: str, kind: ComprehensionKind) -> Macro:
    def expand(expander: Any, offset: int, target: Node | None, args: Sequence[Node]) -> Node:
        assert target is not None
        variable = variable_name(expander, args[0])
        return Comprehension(offset, kind, target, variable, None, args[1])

    return Macro(name, 2, True, expand)


def _map_filtered(expander: Any, offset: int, target: Node | None, args: Sequence[Node]) -> Node:
    assert target is not None
    variable = variable_name(expander, args[0])
    return Comprehension(offset, "map", target, variable, None, args[2], condition=args[1])


def standard_macros() -> tuple[Macro, ...]:
    """Return `has`, `all`, `exists`, `exists_one` (also `existsOne`), `filter` and `map`."""
    return (
        Macro("has", 1, False, _has),
        _quantifier("all", "all"),
        _quantifier("exists", "exists"),
        _quantifier("exists_one", "exists_one"),
        _quantifier("existsOne", "exists_one"),
        _quantifier("filter", "filter"),
        _quantifier("map", "map"),
        Macro("map", 3, True, _map_filtered),
    )
