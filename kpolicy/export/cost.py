"""A static estimate of what an expression may cost an API server, in the server's own units.

The rules are cel-go's (checker/cost.go) and those of Kubernetes' libraries (k8s.io/apiserver,
pkg/cel/library/cost.go): one unit for a variable or a field, a tenth of a unit for each character
that a function looks at, the body of a macro once for each element. Kubernetes' own types say
nothing about the sizes of lists and texts; the sizes assumed for them are constants below.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Final, NamedTuple

from kpolicy.cel.nodes import (
    Bind,
    Call,
    Comprehension,
    Constant,
    Identifier,
    ListNode,
    MapNode,
    Node,
    OptionalMap,
    Select,
)

#: What an API server allows the estimate of one expression, and of all of one definition. It
#: estimates rules of custom resources alone, by the sizes in their schemas; admission policies it
#: stops at a tenth of this at run time. Source: k8s.io/apiextensions-apiserver, apis validation
#: (StaticEstimatedCostLimit, StaticEstimatedCRDCostLimit).
PER_EXPRESSION: Final = 10_000_000
PER_POLICY: Final = 100_000_000

#: How many elements a list or map of an object is taken to have, and how many characters a text.
ITEMS: Final = 32
CHARACTERS: Final = 256

_CHARACTER: Final = 0.1
_REGEX: Final = 0.25
#: What making a list or a map costs, whatever it holds.
_LIST, _MAP = 10, 30
#: A macro's own work: at its beginning, in each round besides its body, at its end. That of
#: `all(x, p)` is the fold that cel-go makes of it: `accu && p` while `accu`.
_MACROS: Final[Mapping[str, tuple[int, int, int]]] = {
    "all": (0, 3, 1),
    "exists": (0, 4, 1),
    "exists_one": (0, 2, 2),
    "filter": (_LIST, 13, 1),
    "sortBy": (_LIST, 13, 1),
}
_MAKING: Final = (_LIST, 12, 1)

#: Functions that go through the whole receiver, a tenth of a unit a character.
_TRAVERSING: Final = frozenset((
    "split", "replace", "lowerAscii", "upperAscii", "trim", "substring", "charAt", "indexOf",
    "lastIndexOf", "join", "reverse", "format", "quantity", "isQuantity", "url", "isURL", "ip",
    "isIP", "cidr", "isCIDR", "semver", "isSemver", "validate", "strings.quote",
))  # fmt: skip
#: Functions that go through the elements of the receiver.
_OVER_ITEMS: Final = frozenset((
    "sum", "min", "max", "isSorted", "sort", "distinct", "flatten", "slice", "sets.contains",
    "sets.equivalent", "sets.intersects",
))  # fmt: skip


class Estimate(NamedTuple):
    """The most that an expression may cost, and how large its value may be (None = unknown)."""

    cost: int
    size: int | None = None
    """Characters of a text, elements of a list or map."""
    element: int | None = None
    """The size of the largest element."""


def estimate(node: Node, variables: Mapping[str, Estimate]) -> Estimate:
    """Return the estimate of an expression; `variables` are those read as `variables.NAME`."""
    return _Walk(variables).visit(node)


class _Walk:
    def __init__(self, variables: Mapping[str, Estimate]) -> None:
        self.variables = variables
        self.locals: dict[str, int | None] = {}

    def visit(self, node: Node) -> Estimate:
        match node:
            case Constant(value=value):
                return Estimate(0, len(value) if isinstance(value, (str, bytes)) else None)
            case Identifier(name=name):
                return Estimate(1, self.locals.get(name))
            case Select(operand=operand):
                below = self.visit(operand).cost
                if node.test:
                    return Estimate(below)
                if isinstance(operand, Identifier) and operand.name == "variables":
                    known = self.variables.get(node.field, Estimate(0))
                    return known._replace(cost=below + 1)
                return Estimate(below + 1)
            case ListNode(elements=elements):
                found = [self.visit(element) for element in elements]
                sizes = [each.size for each in found if each.size is not None]
                largest = max(sizes) if sizes and len(sizes) == len(found) else None
                return Estimate(_LIST + sum(each.cost for each in found), len(found), largest)
            case MapNode(entries=entries):
                parts = [self.visit(part) for e in entries for part in (e.key, e.value)]
                return Estimate(_MAP + sum(each.cost for each in parts), len(entries))
            case Comprehension():
                return self._loop(node)
            case OptionalMap(target=target, body=body) | Bind(value=target, body=body):
                return Estimate(self.visit(target).cost + self.visit(body).cost + 1)
            case Call():
                return self._call(node)
        return Estimate(1)

    def _loop(self, node: Comprehension) -> Estimate:
        over = self.visit(node.range)
        rounds = ITEMS if over.size is None else over.size
        shadowed = self.locals
        self.locals = {**shadowed, node.variable: over.element}
        body = self.visit(node.body)
        each = body.cost
        if node.condition is not None:
            each += self.visit(node.condition).cost
        self.locals = shadowed
        begin, step, end = _MACROS.get(node.kind, _MAKING)
        cost = over.cost + begin + rounds * (each + step) + end
        if node.kind in ("all", "exists", "exists_one"):
            return Estimate(cost)
        element = over.element if node.kind in ("filter", "sortBy") else body.size
        return Estimate(cost, over.size, element)

    def _call(self, node: Call) -> Estimate:
        operands = [*([node.target] if node.target is not None else []), *node.args]
        found = [self.visit(operand) for operand in operands]
        below = sum(each.cost for each in found)
        sizes = [each.size for each in found]
        name = node.function
        if name == "_?_:_":
            test, chosen, other = found
            larger = max((chosen.size, other.size), key=lambda size: size or 0)
            known = None not in (chosen.size, other.size)
            return Estimate(test.cost + max(chosen.cost, other.cost), larger if known else None)
        if name in ("_&&_", "_||_"):
            return Estimate(below)
        if name in ("!_", "-_", "_[_]", "_[?_]", "dyn", "type"):
            return Estimate(below + 1)
        if name in ("_==_", "_!=_"):
            least = min(_characters(size) for size in sizes)
            return Estimate(below + _tenth(least))
        if name == "@in":
            return Estimate(below + _items(sizes[1]))
        if name == "_+_":
            if any(_is_number(operand) for operand in operands):
                return Estimate(below + 1)
            return self._plus(below, sizes)
        if name == "orValue":
            alternatives = {size for size in sizes[1:] if size}
            return Estimate(below + 1, max(alternatives) if alternatives and sizes[0] else None)
        if name in ("startsWith", "endsWith"):
            return Estimate(below + _tenth(_characters(sizes[-1])))
        if name == "contains":
            here, there = (_tenth(_characters(size)) for size in sizes[:2])
            return Estimate(below + here * there)
        if name in ("matches", "find", "findAll"):
            pattern = max(1, ceil(_characters(sizes[1]) * _REGEX))
            return Estimate(below + _tenth(_characters(sizes[0]) + 1) * pattern, sizes[0])
        if name in _TRAVERSING:
            return Estimate(below + 1 + _tenth(_characters(sizes[0] if sizes else None)))
        if name in _OVER_ITEMS:
            return Estimate(below + _items(sizes[0]), sizes[0])
        return Estimate(below + 1)

    def _plus(self, below: int, sizes: list[int | None]) -> Estimate:
        """Texts and lists: their sizes add up; the cost is that of the longer guess, a text."""
        known = [size for size in sizes if size is not None]
        total = sum(known) if len(known) == len(sizes) else None
        length = sum(known) + CHARACTERS * (len(sizes) - len(known))
        return Estimate(below + _tenth(length), total)


def _is_number(node: Node) -> bool:
    return isinstance(node, Constant) and isinstance(node.value, (int, float))


def _items(size: int | None) -> int:
    return ITEMS if size is None else size


def _characters(size: int | None) -> int:
    return CHARACTERS if size is None else size


def _tenth(characters: int) -> int:
    return max(1, ceil(characters * _CHARACTER))
