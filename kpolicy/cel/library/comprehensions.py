"""Macros over lists and maps with two variables: index or key, and value.

Source: cel-go ext/comprehensions.go (`TwoVarComprehensions`), as Kubernetes enables it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kpolicy.cel.declarations import Library, Macro
from kpolicy.cel.macros import variable_name
from kpolicy.cel.nodes import Comprehension, ComprehensionKind, Node


def _macro(name: str, kind: ComprehensionKind, conditional: bool) -> Macro:
    def expand(expander: Any, offset: int, target: Node | None, args: Sequence[Node]) -> Node:
        assert target is not None
        first = variable_name(expander, args[0])
        second = variable_name(expander, args[1])
        if first == second:
            raise expander.error(args[1].offset, f"both variables are named '{first}'")
        condition = args[2] if conditional else None
        return Comprehension(offset, kind, target, first, second, args[-1], condition)

    return Macro(name, 4 if conditional else 3, True, expand)


def library() -> Library:
    """Return `all`, `exists`, `existsOne` and the transform macros with two variables."""
    quantifiers = (
        _macro("all", "all", False),
        _macro("exists", "exists", False),
        _macro("exists_one", "exists_one", False),
        _macro("existsOne", "exists_one", False),
    )
    kinds: tuple[ComprehensionKind, ...] = ("transformList", "transformMap", "transformMapEntry")
    transforms = tuple(
        _macro(kind, kind, conditional) for kind in kinds for conditional in (False, True)
    )
    return Library(
        name="twovar",
        macros=quantifiers + transforms,
        doc="Comprehensions with an index or key beside the value.",
        source="cel-go ext/comprehensions.go",
    )
