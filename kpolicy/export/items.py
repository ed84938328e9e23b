"""A forEach over a list as one expression, and as one text that names the items that fail.

`flatten` came late to Kubernetes, and a policy with it would be refused by most API servers; where
the list of a forEach is flattened, added up, or made from such a list, the macros nest instead.
"""

from __future__ import annotations

from kpolicy.cel.nodes import Call, Comprehension, Constant, Identifier, ListNode, Node
from kpolicy.policy.syntax import walk

#: A name that no policy's own variable has.
_TEXT = "__text"


def flattens(node: Node) -> bool:
    """Return whether an expression calls `flatten`."""
    return any(isinstance(part, Call) and part.function == "flatten" for part, _ in walk(node))


def all_of(items: Node, variable: str, test: Node) -> Node:
    """Return that `test` holds for every item."""
    if not flattens(items):
        return Comprehension(0, "all", items, variable, None, test)
    match items:
        case Call(function="flatten", target=Comprehension(kind="map", condition=None) as inner):
            below = all_of(_less_deep(items, inner.body), variable, test)
            return Comprehension(0, "all", inner.range, inner.variable, inner.variable2, below)
        case Call(function="_+_", target=None, args=[left, right]):
            both = [all_of(left, variable, test), all_of(right, variable, test)]
            return Call(0, "_&&_", None, both)
        case Call(function="_?_:_", target=None, args=[test_of, left, right]):
            both = [all_of(left, variable, test), all_of(right, variable, test)]
            return Call(0, "_?_:_", None, [test_of, *both])
        case Comprehension(kind="filter", variable2=None) as inner:
            return all_of(inner.range, variable, _unless(inner, variable, test))
        case Comprehension(kind="map", condition=None, variable2=None) as inner:
            one = ListNode(0, [inner.body])
            below = Comprehension(0, "all", one, variable, None, test)
            return all_of(inner.range, inner.variable, below)
    return Comprehension(0, "all", items, variable, None, test)


def told_of(items: Node, variable: str, test: Node, each: Node, separator: str) -> Node:
    """Return the texts `each` of the items for which `test` does not hold, joined."""
    if flattens(items):
        match items:
            case Call(
                function="flatten", target=Comprehension(kind="map", condition=None) as inner
            ):
                deeper = _less_deep(items, inner.body)
                below = told_of(deeper, variable, test, each, separator)
                texts = Comprehension(0, "map", inner.range, inner.variable, None, below)
                return _joined(texts, separator)
            case Call(function="_+_", target=None, args=[left, right]):
                both = [told_of(side, variable, test, each, separator) for side in (left, right)]
                return _joined(ListNode(0, both), separator)
            case Call(function="_?_:_", target=None, args=[test_of, left, right]):
                both = [told_of(side, variable, test, each, separator) for side in (left, right)]
                return Call(0, "_?_:_", None, [test_of, *both])
            case Comprehension(kind="filter", variable2=None) as inner:
                holds = _unless(inner, variable, test)
                return told_of(inner.range, variable, holds, each, separator)
            case Comprehension(kind="map", condition=None, variable2=None) as inner:
                one = ListNode(0, [inner.body])
                holds = Comprehension(0, "all", one, variable, None, test)
                said = _first(Comprehension(0, "map", one, variable, None, each))
                return told_of(inner.range, inner.variable, holds, said, separator)
    failing = Comprehension(0, "filter", items, variable, None, _not(test))
    texts = Comprehension(0, "map", failing, variable, None, each)
    return Call(0, "join", texts, [Constant(0, separator)])


def _less_deep(flatten: Call, body: Node) -> Node:
    """Return the list that is left to flatten below one level of `flatten(depth)`."""
    depth = flatten.args[0].value if flatten.args and isinstance(flatten.args[0], Constant) else 1
    if depth == 1:
        return body
    rest: list[Node] = [Constant(0, depth - 1)] if depth > 2 else []
    return Call(0, "flatten", body, rest)


def _unless(filtered: Comprehension, variable: str, test: Node) -> Node:
    """Return that an item is filtered out, or holds."""
    passes: Node = filtered.body
    if filtered.variable != variable:
        one = ListNode(0, [Identifier(0, variable)])
        passes = Comprehension(0, "exists", one, filtered.variable, None, passes)
    return Call(0, "_||_", None, [_not(passes), test])


def _not(test: Node) -> Node:
    if isinstance(test, Call) and test.function == "!_":
        return test.args[0]
    return Call(0, "!_", None, [test])


def _first(items: Node) -> Node:
    return Call(0, "_[_]", None, [items, Constant(0, 0)])


def _joined(texts: Node, separator: str) -> Node:
    """Return texts joined, without those that are empty."""
    some = Call(0, "_!=_", None, [Identifier(0, _TEXT), Constant(0, "")])
    said = Comprehension(0, "filter", texts, _TEXT, None, some)
    return Call(0, "join", said, [Constant(0, separator)])
