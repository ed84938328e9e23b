"""Explains an evaluation: the value of every sub-expression that decided it.

Nothing here runs in an ordinary evaluation; a trace evaluates exactly, once more, and watches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from kpolicy.cel.errors import CelError, line_column
from kpolicy.cel.exact import Frame, Step, build
from kpolicy.cel.nodes import Call, Constant, Node, Select
from kpolicy.cel.program import Program
from kpolicy.cel.scopes import (
    Apply,
    Local,
    Lookup,
    Loop,
    Variable,
    resolve,
    resolved_children,
)  # fmt: skip
from kpolicy.cel.unparse import unparse
from kpolicy.cel.values import MISSING, show
from kpolicy.records import dataclass

#: A trace keeps this many sub-expressions; of a longer evaluation it has the beginning.
MAX_EVENTS: Final = 5_000

#: In text, values and expressions are cut at this length.
_WIDTH: Final = 160


@dataclass(frozen=True, slots=True)
class Event:
    """A sub-expression that was evaluated.

    - `text`: the expression; `line`, `column` of its operator, from 1.
    - `value`: what it gave, or `MISSING` when it failed with `error`.
    - `turn`: in the body of a macro, the variables of this turn.
    - `children`: the sub-expressions evaluated for it, in order.
    - `function`, `arguments`: for a call of a function, its name and what it was given; so a join
      shows what it looked for.
    """

    text: str
    line: int
    column: int
    value: Any
    error: str
    turn: tuple[tuple[str, Any], ...] = ()
    children: tuple[Event, ...] = ()
    function: str = ""
    arguments: tuple[Any, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the sub-expression ended in an error."""
        return self.value is MISSING

    def __iter__(self) -> Iterator[Event]:
        """Yield this event and all below it."""
        yield self
        for child in self.children:
            yield from child

    def lines(self, indent: int = 0) -> Iterator[str]:
        """Yield the trace as indented text, one sub-expression a line."""
        outcome = f"error: {self.error}" if self.failed else show(self.value, limit=_WIDTH)
        turn = ", ".join(f"{name} = {show(value, limit=60)}" for name, value in self.turn)
        where = f"[{turn}] " if turn else ""
        yield f"{'  ' * indent}{where}{_cut(self.text)} => {outcome}"
        for child in self.children:
            yield from child.lines(indent + 1)

    def as_json(self) -> dict[str, Any]:
        """Return the trace as JSON-able data; values are shown as CEL text."""
        made: dict[str, Any] = {"expression": self.text, "line": self.line, "column": self.column}
        if self.failed:
            made["error"] = self.error
        else:
            made["value"] = show(self.value)
        if self.turn:
            made["turn"] = {name: show(value) for name, value in self.turn}
        if self.function:
            made["function"] = self.function
            made["arguments"] = [show(argument) for argument in self.arguments]
        if self.children:
            made["children"] = [child.as_json() for child in self.children]
        return made


@dataclass(frozen=True, slots=True)
class Trace:
    """An explained evaluation. `decisive` has only what decided the outcome, `root` everything."""

    root: Event
    decisive: Event
    truncated: bool

    def __str__(self) -> str:
        note = f"\n(only the first {MAX_EVENTS:,} sub-expressions are kept)"
        return "\n".join(self.decisive.lines()) + (note if self.truncated else "")


def trace(program: Program, bindings: Mapping[str, Any], context: Any = None) -> Trace:
    """Evaluate a program and return why it gave what it gave; evaluation errors are part of it."""
    resolved = resolve(program.ast, program.environment.names)
    recorder = _Recorder(program.source, resolved.root)
    lenient = program.environment.lenient_presence
    step = build(resolved.root, program.source, recorder.wrap, lenient=lenient)
    budget = program.environment.budget
    frame = Frame(bindings, context, resolved.slots, budget, recorder)
    try:
        step(frame)
    except CelError:
        pass
    except RecursionError:
        recorder.fail("a value nests too deeply to evaluate")
    root = recorder.root()
    return Trace(root, _decisive(root, recorder.nodes), recorder.count > MAX_EVENTS)


class _Recorder:
    """Collects events as a tree while an evaluation runs."""

    def __init__(self, source: str, root: Node) -> None:
        self.source = source
        self.count = 0
        self.levels: list[list[Event]] = [[]]
        self.nodes: dict[int, Node] = {}
        self.loops: dict[int, Loop] = {}
        pending = [root]
        while pending:
            node = pending.pop()
            if isinstance(node, Loop):
                self.loops[id(node.body)] = node
                if node.condition is not None:
                    self.loops[id(node.condition)] = node
            pending += resolved_children(node)

    def wrap(self, node: Node, step: Step) -> Step:
        """Return the step, watched; literals speak for themselves."""
        loop = self.loops.get(id(node))
        if isinstance(node, Constant) and loop is None:
            return step
        text = unparse(node)
        line, column = line_column(self.source, node.offset)

        def watched(frame: Frame) -> Any:
            self.count += 1
            if self.count > MAX_EVENTS:
                return step(frame)
            turn: tuple[tuple[str, Any], ...] = ()
            if loop is not None:
                slots = (loop.slot, loop.slot2 if loop.slot2 is not None else loop.slot)
                turn = tuple(
                    (name, frame.slots[slot]) for name, slot in zip(loop.names, slots, strict=False)
                )
            self.levels.append([])
            value: Any = MISSING
            error = ""
            try:
                value = step(frame)
                return value
            except CelError as failure:
                error = str(failure)
                raise
            finally:
                children = tuple(self.levels.pop())
                event = Event(text, line, column, value, error, turn, children)
                if isinstance(node, Apply) and node.callee.overloads:
                    event = replace(
                        event,
                        function=node.callee.name,
                        arguments=_arguments(node, children),
                    )
                self.nodes[id(event)] = node
                self.levels[-1].append(event)

        return watched

    def fail(self, message: str) -> None:
        """End the trace with an error that no event has."""
        self.levels = [[Event("", 1, 1, MISSING, message)]]

    def root(self) -> Event:
        """Return the whole evaluation."""
        events = self.levels[0]
        return events[0] if events else Event("", 1, 1, MISSING, "nothing was evaluated")


def _arguments(node: Apply, children: tuple[Event, ...]) -> tuple[Any, ...]:
    """Return what a function was given: literals, and the values of what was evaluated."""
    evaluated = iter(children)
    made: list[Any] = []
    for argument in node.args:
        if isinstance(argument, Constant):
            made.append(argument.value)
            continue
        event = next(evaluated, None)
        if event is None or event.failed:
            break
        made.append(event.value)
    return tuple(made)


def _decisive(event: Event, nodes: Mapping[int, Node]) -> Event:
    """Return the event without the sub-expressions that did not matter."""
    node = nodes.get(id(event))
    children = event.children
    if isinstance(node, Call) and node.function in ("_&&_", "_||_"):
        deciding = node.function == "_||_"
        if event.value is deciding:
            children = tuple(c for c in children if c.value is deciding)[-1:]
    elif isinstance(node, Loop) and node.kind in ("all", "exists"):
        deciding = node.kind == "exists"
        if event.value is deciding:
            turns = tuple(c for c in children if c.turn and c.value is deciding)[-1:]
            children = tuple(c for c in children if not c.turn) + turns
    if event.failed:
        failed = tuple(c for c in children if c.failed)
        children = failed[:1] or children
    elif isinstance(node, Select):
        # The steps to a field say no more than the field.
        children = tuple(c for c in children if not _is_path(nodes.get(id(c))))
    made: list[Event] = []
    for child in children:
        pruned = _decisive(child, nodes)
        below = nodes.get(id(child))
        if isinstance(node, Call) and isinstance(below, Call) and node.function == below.function:
            made.extend(pruned.children)
        else:
            made.append(pruned)
    return replace(event, children=tuple(made))


def _is_path(node: Node | None) -> bool:
    while isinstance(node, Select) and not node.test:
        node = node.operand
    return isinstance(node, (Local, Variable, Lookup))


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."
