"""Evaluates a resolved tree exactly, as a tree of Python closures.

This is the word on what an expression means: it absorbs errors where CEL does, charges each step
and points errors at their place. The generated code answers the ordinary case and leaves the rest
to it; `kpolicy.cel.trace` watches it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from kpolicy.cel import runtime
from kpolicy.cel.cost import output_cost, static_cost
from kpolicy.cel.errors import BudgetExceeded, CelError
from kpolicy.cel.nodes import Call, Constant, ListNode, MapNode, Node, Select
from kpolicy.cel.scopes import (
    Apply,
    Failure,
    Let,
    Local,
    Lookup,
    Loop,
    OptionalLoop,
    Variable,
)
from kpolicy.cel.values import MISSING, NONE, Optional, make_map, no_overload


class Frame:
    """The state of one evaluation: bindings, context, local slots and what is left to spend."""

    __slots__ = ("bindings", "budget", "context", "cost", "slots", "watch")

    def __init__(
        self, bindings: Mapping[str, Any], context: Any, slots: int, budget: int, watch: Any = None
    ) -> None:
        self.bindings = bindings
        self.context = context
        self.slots: list[Any] = [MISSING] * slots
        self.budget = budget
        self.cost = 0
        self.watch = watch

    def charge(self, amount: int) -> None:
        """Spend `amount` steps; raises `BudgetExceeded`."""
        self.cost += amount
        if self.cost > self.budget:
            raise BudgetExceeded(self.budget)


Step = Callable[[Frame], Any]

#: Wraps the step of a node: how a trace sees values.
Wrap = Callable[[Node, Step], Step]


_NOTHING: Mapping[Any, Any] = MappingProxyType({})


def build(root: Node, source: str, wrap: Wrap | None = None, *, lenient: bool = False) -> Step:
    """Return the function that evaluates a resolved tree in a `Frame`.

    `lenient` = what has no fields may be asked for them (see `presence`).
    """
    return _Builder(source, wrap, lenient).step(root)


class _Builder:
    def __init__(self, source: str, wrap: Wrap | None, lenient: bool) -> None:
        self.source = source
        self.chosen: Mapping[Any, Any] = _NOTHING
        if lenient:
            from kpolicy.cel.presence import LENIENT

            self.chosen = LENIENT
        self.wrap = wrap
        self.lines = [0, *(i + 1 for i, each in enumerate(source) if each == "\n")]

    def step(self, node: Node) -> Step:
        method: Callable[[Any], Step] = getattr(self, f"step_{type(node).__name__}")
        made = method(node)
        return made if self.wrap is None else self.wrap(node, made)

    def located(self, error: CelError, node: Node) -> CelError:
        """Give an error the place of `node`, unless it has one already."""
        if not error.line:
            # An expression may absorb many errors: to find each line anew would read it each time.
            line = bisect_right(self.lines, node.offset)
            error.line, error.column = line, node.offset - self.lines[line - 1] + 1
            error.source = self.source
        return error

    def charge(self, frame: Frame, amount: int, node: Node) -> None:
        """Spend steps on behalf of a node."""
        try:
            frame.charge(amount)
        except CelError as error:
            raise self.located(error, node) from None

    # Names and constants

    def step_Constant(self, node: Constant) -> Step:
        value = node.value
        return lambda frame: value

    def step_Local(self, node: Local) -> Step:
        slot = node.slot

        def local(frame: Frame) -> Any:
            value = frame.slots[slot]
            if type(value) is Delayed:
                value = frame.slots[slot] = value.force(frame)
            return value

        return local

    def step_Variable(self, node: Variable) -> Step:
        name = node.name

        def variable(frame: Frame) -> Any:
            try:
                return frame.bindings[name]
            except KeyError:
                raise self.located(_unbound(name), node) from None
            except CelError as error:
                raise self.located(error, node) from None

        return variable

    def step_Lookup(self, node: Lookup) -> Step:
        def lookup(frame: Frame) -> Any:
            for name, fields in node.candidates:
                if name in frame.bindings:
                    value = frame.bindings[name]
                    try:
                        for field in fields:
                            value = runtime.select(value, field)
                    except CelError as error:
                        raise self.located(error, node) from None
                    return value
            if node.constant is not MISSING:
                return node.constant
            raise self.located(_unbound(node.text), node)

        return lookup

    def step_Failure(self, node: Failure) -> Step:
        def fail(frame: Frame) -> Any:
            raise self.located(CelError(node.message, hint=node.hint), node)

        return fail

    def step_Select(self, node: Select) -> Step:
        operand = self.step(node.operand)
        field = node.field
        compute = (
            runtime.has if node.test else runtime.optional_select if node.optional else None
        )  # fmt: skip
        if compute is None:
            return self.selected(node, operand, field)
        compute = self.chosen.get(compute, compute)

        def select(frame: Frame) -> Any:
            value = operand(frame)
            try:
                return compute(value, field)
            except CelError as error:
                raise self.located(error, node) from None

        return select

    def selected(self, node: Select, operand: Step, field: str) -> Step:
        """Return `operand.field`, quickly where it is a plain map."""
        any_select = self.chosen.get(runtime.select, runtime.select)

        def select(frame: Frame) -> Any:
            value = operand(frame)
            try:
                if isinstance(value, dict) and field in value:
                    return value[field]
                return any_select(value, field)
            except CelError as error:
                raise self.located(error, node) from None

        return select

    # Calls

    def step_Apply(self, node: Apply) -> Step:
        steps = [self.step(argument) for argument in node.args]
        callee = node.callee
        cost = _COSTS.get(callee.name, callee.cost)
        if cost is None and not callee.overloads and callee.standard is not None:
            standard = self.chosen.get(callee.standard, callee.standard)
            if len(steps) == 1:
                return self.unary(node, standard, steps[0])
            if len(steps) == 2:
                return self.binary(node, standard, steps[0], steps[1])

        def apply(frame: Frame) -> Any:
            values = [step(frame) for step in steps]
            try:
                if cost is not None:
                    frame.charge(_charge(cost, values, frame.budget))
                made = callee.invoke(values, frame.context)
                frame.charge(output_cost(made))
                return made
            except CelError as error:
                raise self.located(error, node) from None

        return apply

    def unary(self, node: Apply, function: Callable[..., Any], operand: Step) -> Step:
        """Return a call of a standard function of one argument."""

        def unary(frame: Frame) -> Any:
            value = operand(frame)
            try:
                return function(value)
            except CelError as error:
                raise self.located(error, node) from None

        return unary

    def binary(self, node: Apply, function: Callable[..., Any], left: Step, right: Step) -> Step:
        """Return a call of a standard function of two arguments."""

        def binary(frame: Frame) -> Any:
            first, second = left(frame), right(frame)
            try:
                return function(first, second)
            except CelError as error:
                raise self.located(error, node) from None

        return binary

    def step_Call(self, node: Call) -> Step:
        steps = [self.step(argument) for argument in node.args]
        if node.function == "_?_:_":
            return self.conditional(node, *steps)
        return self.logical(node, *steps, absorbing=node.function == "_||_")

    def conditional(self, node: Node, test: Step, chosen: Step, other: Step) -> Step:
        def conditional(frame: Frame) -> Any:
            value = test(frame)
            if value is True:
                return chosen(frame)
            if value is False:
                return other(frame)
            raise self.located(CelError(no_overload("_?_:_", value)), node)

        return conditional

    def logical(self, node: Node, left: Step, right: Step, *, absorbing: bool) -> Step:
        """Return `left || right` (absorbing True) or `left && right`; either side may decide."""
        name = "_||_" if absorbing else "_&&_"

        def settled(value: Any) -> Any:
            if value is True or value is False:
                return value
            return self.located(CelError(no_overload(name, value)), node)

        def logical(frame: Frame) -> Any:
            first: Any
            second: Any
            try:
                first = left(frame)
            except BudgetExceeded:
                raise
            except CelError as error:
                first = error
            if first is absorbing:
                return absorbing
            try:
                second = right(frame)
            except BudgetExceeded:
                raise
            except CelError as error:
                second = error
            if second is absorbing:
                return absorbing
            if first is second is not absorbing and isinstance(first, bool):
                return not absorbing
            first = first if isinstance(first, CelError) else settled(first)
            second = second if isinstance(second, CelError) else settled(second)
            for value in (first, second):
                if isinstance(value, CelError):
                    raise value
            return not absorbing

        return logical

    # Literals

    def step_ListNode(self, node: ListNode) -> Step:
        steps = [(self.step(e), i in node.optional) for i, e in enumerate(node.elements)]

        def make(frame: Frame) -> list[Any]:
            made = []
            self.charge(frame, len(steps), node)
            for step, optional in steps:
                value = step(frame)
                if optional:
                    try:
                        value = runtime.optional_element(value)
                    except CelError as error:
                        raise self.located(error, node) from None
                    if not value.has_value:
                        continue
                    value = value.value
                made.append(value)
            return made

        return make

    def step_MapNode(self, node: MapNode) -> Step:
        steps = [(self.step(e.key), self.step(e.value), e.optional) for e in node.entries]

        def make(frame: Frame) -> Mapping[Any, Any]:
            pairs = []
            self.charge(frame, len(steps), node)
            try:
                for key, step, optional in steps:
                    name, value = key(frame), step(frame)
                    if optional:
                        value = runtime.optional_element(value)
                        if not value.has_value:
                            continue
                        value = value.value
                    pairs.append((name, value))
                return make_map(pairs)
            except CelError as error:
                raise self.located(error, node) from None

        return make

    # Macros

    def step_Let(self, node: Let) -> Step:
        slots = [(slot, Delayed(self.step(value))) for slot, value in node.slots]
        body = self.step(node.body)

        def let(frame: Frame) -> Any:
            for slot, delayed in slots:
                frame.slots[slot] = delayed
            return body(frame)

        return let

    def step_OptionalLoop(self, node: OptionalLoop) -> Step:
        target, body, slot = self.step(node.target), self.step(node.body), node.slot
        name = "optFlatMap" if node.flat else "optMap"

        def mapped(frame: Frame) -> Any:
            value = target(frame)
            if not isinstance(value, Optional):
                raise self.located(CelError(no_overload(name, value)), node)
            if not value.has_value:
                return NONE
            frame.slots[slot] = value.value
            made = body(frame)
            if not node.flat:
                return Optional.of(made)
            if not isinstance(made, Optional):
                raise self.located(CelError(no_overload(name, made)), node)
            return made

        return mapped

    def step_Loop(self, node: Loop) -> Step:
        ranged = self.step(node.range)
        body = self.step(node.body)
        condition = None if node.condition is None else self.step(node.condition)
        slot, slot2 = node.slot, node.slot2
        price = static_cost(node)
        run: Callable[..., Any] = getattr(self, f"run_{_RUNS[node.kind]}")

        def loop(frame: Frame) -> Any:
            value = ranged(frame)
            try:
                items = (
                    [(item, None) for item in runtime.elements(value)]
                    if slot2 is None
                    else runtime.entries(value)
                )
                frame.charge(len(items) * price)
            except CelError as error:
                raise self.located(error, node) from None

            def turns(step: Step) -> Any:
                for first, second in items:
                    frame.slots[slot] = first
                    if slot2 is not None:
                        frame.slots[slot2] = second
                    if condition is not None:
                        chosen = condition(frame)
                        if chosen is False:
                            continue
                        if chosen is not True:
                            raise self.located(CelError(no_overload(node.kind, chosen)), node)
                    yield first, step

            return run(node, frame, turns(body))

        return loop

    def run_quantifier(self, node: Loop, frame: Frame, turns: Any) -> Any:
        deciding = node.kind == "exists"
        failed: CelError | None = None
        for _, body in turns:
            try:
                value = body(frame)
            except BudgetExceeded:
                raise
            except CelError as error:
                failed = failed or error
                # An error takes longer to make than a step.
                self.charge(frame, 8, node)
                continue
            if value is deciding:
                return deciding
            if value is not True and value is not False:
                failed = failed or self.located(CelError(no_overload(node.kind, value)), node)
        if failed is not None:
            raise failed
        return not deciding

    def predicate(self, node: Loop, value: Any) -> bool:
        if value is True or value is False:
            return bool(value)
        raise self.located(CelError(no_overload(node.kind, value)), node)

    def run_exists_one(self, node: Loop, frame: Frame, turns: Any) -> bool:
        return len(self.run_filter(node, frame, turns)) == 1

    def run_filter(self, node: Loop, frame: Frame, turns: Any) -> list[Any]:
        return [item for item, body in turns if self.predicate(node, body(frame))]

    def run_map(self, node: Loop, frame: Frame, turns: Any) -> list[Any]:
        return [body(frame) for _, body in turns]

    def run_transform_map(self, node: Loop, frame: Frame, turns: Any) -> Mapping[Any, Any]:
        try:
            return make_map([(key, body(frame)) for key, body in turns])
        except CelError as error:
            raise self.located(error, node) from None

    def run_transform_entry(self, node: Loop, frame: Frame, turns: Any) -> Mapping[Any, Any]:
        pairs: list[tuple[Any, Any]] = []
        try:
            for _, body in turns:
                runtime.merge_entry(pairs, body(frame))
            return make_map(pairs)
        except CelError as error:
            raise self.located(error, node) from None

    def run_sort(self, node: Loop, frame: Frame, turns: Any) -> list[Any]:
        pairs = [(item, body(frame)) for item, body in turns]
        try:
            return runtime.sort_by([item for item, _ in pairs], [key for _, key in pairs])
        except CelError as error:
            raise self.located(error, node) from None


class Delayed:
    """The value of a `cel.bind` name that nothing has asked for yet."""

    __slots__ = ("step",)

    def __init__(self, step: Step) -> None:
        self.step = step

    def force(self, frame: Frame) -> Any:
        """Evaluate it."""
        return self.step(frame)


def _unbound(name: str) -> CelError:
    """Return the error of a variable without a value, with why when there never is one."""
    from kpolicy.cel.library import refusals

    return CelError(f"no such attribute: {name}", hint=refusals().get(name.split(".")[0], ""))


_RUNS = {
    "all": "quantifier", "exists": "quantifier", "exists_one": "exists_one", "filter": "filter",
    "map": "map", "transformList": "map", "transformMap": "transform_map",
    "transformMapEntry": "transform_entry", "sortBy": "sort",
}  # fmt: skip

#: Standard functions and operators whose time grows with their operands.
_COSTS = {
    "_+_": "size", "@in": "size", "_==_": "deep", "_!=_": "deep", "matches": "size",
    "contains": "size", "bytes": "size", "string": "size",
}  # fmt: skip


def _charge(cost: str, values: list[Any], budget: int) -> int:
    if cost == "deep":
        return min(runtime.weight(value, budget) for value in values)
    sizes = [
        len(v) // 10 if isinstance(v, (str, bytes)) else len(v)
        for v in values
        if isinstance(v, (str, bytes, list, tuple))
    ]
    if cost == "size":
        return sum(sizes)
    product = 1
    for each in sizes:
        product *= each + 1
    return product
