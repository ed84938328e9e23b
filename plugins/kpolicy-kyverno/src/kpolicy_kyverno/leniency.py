"""`orValue` on what is no optional value: the value itself.

Kyverno's engines and the collections tried with them have an older cel-go, which let it pass where
the checker knew no type; Kubernetes' present one, and kpolicy, call it an error. Policies of
Kyverno's kinds decide as they do there: their calls become a macro.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from kpolicy.cel import BOOL, Function, Macro, Optional, Overload
from kpolicy.cel.nodes import Bind, Call, Identifier, Node, OptionalMap, Select
from kpolicy.cel.types import DYN
from kpolicy.policy.model import Expression, NamedExpression, Validation

from kpolicy_kyverno.expressions import substituted

_NAME = "kyvernoOrValue"
_CALL = re.compile(r"\.(\s*)orValue(?=\s*\()")
_OPTIONAL = frozenset(
    ("optional.of", "optional.none", "optional.ofNonZeroValue", "or", "first", "last")
)


def lenient(expression: Expression) -> Expression:
    """Return an expression whose `orValue` takes any value."""
    return replace(expression, source=substituted(expression.source, _CALL, rf".\1{_NAME}"))


def lenient_named(found: Iterable[NamedExpression]) -> tuple[NamedExpression, ...]:
    """Return named expressions whose `orValue` takes any value."""
    return tuple(NamedExpression(n.name, lenient(n.expression)) for n in found)


def lenient_validations(found: Iterable[Validation]) -> tuple[Validation, ...]:
    """Return validations whose `orValue` takes any value."""
    return tuple(
        replace(
            v,
            expression=lenient(v.expression),
            message_expression=None
            if v.message_expression is None
            else lenient(v.message_expression),
        )
        for v in found
    )


def _is_optional(node: Node | None) -> bool:
    """Return whether the source itself says that a node is an optional value."""
    while node is not None:
        match node:
            case Select(optional=True) | Call(function="_[?_]") | OptionalMap():
                return True
            case Call(function=name) if name in _OPTIONAL:
                return True
            case Select(operand=operand):
                node = operand
            case Call(function="_[_]", args=[operand, _]):
                node = operand
            case _:
                return False
    return False


def _expand(expander: Any, offset: int, target: Node | None, args: Sequence[Node]) -> Node:
    assert target is not None
    if _is_optional(target):
        return Call(offset, "orValue", target, list(args))
    name = expander.fresh_name()

    def value() -> Node:
        return Call(offset, "dyn", None, [Identifier(offset, name)])

    known = Call(offset, "kyverno.isOptional", None, [value()])
    unwrapped = Call(offset, "orValue", value(), list(args))
    return Bind(offset, name, target, Call(offset, "_?_:_", None, [known, unwrapped, value()]))


def macro() -> Macro:
    """Return the macro that lenient calls are."""
    return Macro(_NAME, 1, True, _expand)


def function() -> Function:
    """Return the function by which the macro tells optional values."""
    return Function(
        "kyverno.isOptional",
        (Overload("kyverno_is_optional", (DYN,), BOOL, lambda v: isinstance(v, Optional)),),
        "Whether a value is optional.",
    )
