"""Calls that the checker settled on an overload which run-time values could not tell.

`[1.5].filter(x, x > 2.0).sum()` is 0.0, but an empty list does not say of what it is empty. An
overload that depends on it names a hidden function (`Overload.settled`), and the call is renamed to
that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kpolicy.cel.declarations import Library
from kpolicy.cel.nodes import Call, Node, children


def settled_names(libraries: Iterable[Library]) -> dict[str, str]:
    """Return the hidden function's name by the id of the overload."""
    return {
        overload.id: overload.settled
        for library in libraries
        for function in library.functions
        for overload in function.overloads
        if overload.settled
    }


def settle(root: Node, overloads: Mapping[int, tuple[str, ...]], names: Mapping[str, str]) -> None:
    """Rename, in place, the calls that mean exactly one overload with a hidden function.

    `overloads` are the checker's, by `id(node)`.
    """
    pending = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, Call):
            possible = overloads.get(id(node), ())
            if len(possible) == 1:
                node.function = names.get(possible[0], node.function)
        pending += children(node)
