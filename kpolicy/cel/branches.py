"""Which ways through an expression were taken: condition coverage, for policies' own tests.

A *condition* is what decides by being true or false: an operand of `&&` or `||`, the test of
`?:`, the predicate of a macro, `has()`, and the whole of an expression that must be a boolean.
What is made of conditions (`&&`, `||`, `!`, a `?:` where a boolean is asked for) is none itself:
its parts say it all. A constant is none either. Each condition has two outcomes.

Since `&&` and `||` ask their second operand only where the first leaves it open, an outcome that
was seen also decided: two outcomes for each condition is masking MC/DC.

Nothing here runs in a scan; a probe evaluates a second time, exactly, and watches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from kpolicy.cel.errors import CelError
from kpolicy.cel.exact import Frame, Step, build
from kpolicy.cel.nodes import Call, Constant, Node, Select
from kpolicy.cel.scopes import Apply, Let, Loop, resolve, resolved_children
from kpolicy.cel.unparse import unparse
from kpolicy.records import dataclass

if TYPE_CHECKING:
    from kpolicy.cel.program import Program

#: What a condition may come to.
OUTCOMES: Final = ("true", "false")
_PREDICATES: Final = frozenset(("all", "exists", "exists_one", "filter"))


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition: its text, and the index of its first character in the source."""

    text: str
    offset: int


class Probe:
    """A program that remembers which outcomes its conditions had.

    `boolean` = the whole must be a boolean; `whole` = it is then a condition itself where it is
    not made of others. `seen` holds (index of the condition, outcome).
    """

    def __init__(self, program: Program, *, boolean: bool = False, whole: bool = True) -> None:
        self.program = program
        self.seen: set[tuple[int, str]] = set()
        resolved = resolve(program.ast, program.environment.names)
        self._slots = resolved.slots
        self._found: list[Node] = []
        root = _plain(resolved.root)
        if boolean and (whole or not _is_condition(root)):
            self._boolean(root)
        else:
            self._any(root)
        self._numbers = {id(node): number for number, node in enumerate(self._found)}
        self._step = build(
            resolved.root, program.source, self._wrap,
            lenient=program.environment.lenient_presence,
        )  # fmt: skip
        self.conditions = tuple(
            Condition(unparse(node), _start(node, program.source)) for node in self._found
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "program":
            raise AttributeError(name)
        return getattr(self.program, name)

    def evaluate(self, bindings: Mapping[str, Any], context: Any = None) -> Any:
        """Evaluate as the program does, and watch."""
        try:
            return self.program.evaluate(bindings, context)
        finally:
            if self._found:
                self._watch(bindings, context)

    def _watch(self, bindings: Mapping[str, Any], context: Any) -> None:
        frame = Frame(bindings, context, self._slots, self.program.environment.budget)
        try:
            self._step(frame)
        except (CelError, RecursionError):
            return

    def _wrap(self, node: Node, step: Step) -> Step:
        number = self._numbers.get(id(node))
        if number is None:
            return step
        true, false = ((number, outcome) for outcome in OUTCOMES)

        def watched(frame: Frame) -> Any:
            value = step(frame)
            if value is True:
                self.seen.add(true)
            elif value is False:
                self.seen.add(false)
            return value

        return watched

    def _boolean(self, node: Node) -> None:
        """Collect the conditions of a node whose truth decides something."""
        match node:
            case Constant():
                return
            case Call(args=args):
                for argument in args:
                    self._boolean(argument)
            case Apply(args=[operand]) if node.callee.name == "!_":
                self._boolean(operand)
            case Let(slots=slots, body=body):
                for _, value in slots:
                    self._any(value)
                self._boolean(body)
            case _:
                self._found.append(node)
                self._below(node)

    def _any(self, node: Node) -> None:
        """Collect the conditions of a node that may give any value."""
        match node:
            case Call(function="_?_:_", args=[test, chosen, other]):
                self._boolean(test)
                self._any(chosen)
                self._any(other)
            case Call() | Select(test=True):
                self._boolean(node)
            case Apply() if node.callee.name == "!_":
                self._boolean(node)
            case _:
                self._below(node)

    def _below(self, node: Node) -> None:
        if isinstance(node, Loop):
            self._any(node.range)
            if node.condition is not None:
                self._boolean(node.condition)
            if node.kind in _PREDICATES:
                self._boolean(node.body)
            else:
                self._any(node.body)
            return
        for child in resolved_children(node):
            self._any(child)


def _plain(node: Node) -> Node:
    """Return a node without the negations around it."""
    while isinstance(node, Apply) and node.callee.name == "!_":
        node = node.args[0]
    return node


def _is_condition(node: Node) -> bool:
    return not isinstance(node, (Constant, Call, Let))


def _start(node: Node, source: str) -> int:
    """Return where the text of a node begins: a node's own offset is that of its operator."""
    start, pending = node.offset, [node]
    while pending:
        each = pending.pop()
        start = min(start, each.offset)
        pending += resolved_children(each)
    if isinstance(node, Select) and node.test:
        # `has` itself is before the parenthesis that the macro's offset points at.
        before = source[:start].rstrip()
        return len(before) - len("has") if before.endswith("has") else start
    return start
