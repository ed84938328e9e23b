"""What a policy's cases have shown: validations both ways, branches of expressions, variables read.

`Observed` is a policy with a probe in place of every program; it evaluates as the policy does, and
`take` says what has been seen. A *branch* is a condition (see `kpolicy.cel.branches`) with one of
its outcomes, a `forEach` list with items or without, or a variable that is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from kpolicy.cel.branches import OUTCOMES, Probe
from kpolicy.records import dataclass
from kpolicy.testing.model import Branch, Coverage, Unreachable

if TYPE_CHECKING:
    from kpolicy.cel import Program
    from kpolicy.errors import Problem
    from kpolicy.location import SourceLocation
    from kpolicy.policy.compiled import CompileContext, CompiledPolicy, CompiledValidation
    from kpolicy.policy.model import Expression, Validation

EMPTY, FILLED = "empty", "non-empty"
READ = "read"

#: A branch that was taken: the number of its point, and the outcome.
Taken = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Point:
    """A place in a policy that a case may leave in several ways."""

    where: str
    """The expression it stands in: `validation 1`, `variable x` ..."""
    text: str
    expression: Expression
    offset: int
    outcomes: tuple[str, ...] = OUTCOMES


class _Items(Probe):
    """The list of a `forEach`: watches whether it has items."""

    def evaluate(self, bindings: Mapping[str, Any], context: Any = None) -> Any:
        """Evaluate as the program does, and watch."""
        items = super().evaluate(bindings, context)
        if isinstance(items, (list, tuple)):
            self.seen.add((len(self.conditions), FILLED if items else EMPTY))
        return items


class _Variable(Probe):
    """A variable: watches that it is read."""

    def evaluate(self, bindings: Mapping[str, Any], context: Any = None) -> Any:
        """Evaluate as the program does, and watch."""
        self.seen.add((len(self.conditions), READ))
        return super().evaluate(bindings, context)


class Observed:
    """A policy under observation. `compiled` evaluates as the given one does."""

    def __init__(self, compiled: CompiledPolicy) -> None:
        self.points: list[Point] = []
        self._probes: list[tuple[int, Probe]] = []
        policy = compiled.policy
        conditions = {c.name: c.expression for c in policy.match_conditions}
        filters = {f.name: f.expression for f in policy.filters}
        variables = {v.name: v.expression for v in policy.variables}
        # In the order of the policy's file, in which gaps are listed.
        observed_conditions = tuple(
            (n, self._probe(p, conditions[n], f"match condition {n}", boolean=True))
            for n, p in compiled.conditions
        )
        observed_filters = {
            n: self._probe(p, filters[n], f"filter {n}", boolean=True)
            for n, p in compiled.filters.items()
        }
        observed_variables = {
            n: self._variable(p, variables[n], n) for n, p in compiled.variables.items()
        }
        self.compiled = replace(
            compiled,
            conditions=observed_conditions,
            filters=observed_filters,
            variables=observed_variables,
            validations=tuple(
                self._validation(v, policy.validations[v.index]) for v in compiled.validations
            ),
        )

    def take(self) -> frozenset[Taken]:
        """Return the branches taken since the last call."""
        taken: set[Taken] = set()
        for first, probe in self._probes:
            taken.update((first + number, outcome) for number, outcome in probe.seen)
            probe.seen.clear()
        return frozenset(taken)

    def branches(self) -> Iterator[tuple[int, str]]:
        """Yield all there are, in the order of the policy's file."""
        for number, point in enumerate(self.points):
            for outcome in point.outcomes:
                yield number, outcome

    def _add(self, probe: Probe, expression: Expression, where: str) -> None:
        self._probes.append((len(self.points), probe))
        self.points += [Point(where, c.text, expression, c.offset) for c in probe.conditions]

    def _probe(
        self,
        program: Program,
        expression: Expression,
        where: str,
        *,
        boolean: bool = False,
        whole: bool = True,
    ) -> Program:
        probe = Probe(program, boolean=boolean, whole=whole)
        self._add(probe, expression, where)
        return cast("Program", probe)

    def _variable(self, program: Program, expression: Expression, name: str) -> Program:
        probe = _Variable(program)
        self._add(probe, expression, f"variable {name}")
        text = f"variables.{name}"
        self.points.append(Point(f"variable {name}", text, expression, 0, (READ,)))
        return cast("Program", probe)

    def _items(self, program: Program, expression: Expression, where: str) -> Program:
        probe = _Items(program)
        self._add(probe, expression, where)
        text = " ".join(expression.source.split())
        self.points.append(Point(where, text, expression, 0, (FILLED, EMPTY)))
        return cast("Program", probe)

    def _validation(self, made: CompiledValidation, source: Validation) -> CompiledValidation:
        where = f"validation {made.index + 1}"
        items = made.items
        if items is not None and source.for_each is not None:
            items = self._items(items, source.for_each.items, f"{where}, forEach")
        # Without forEach, whether the whole holds is what the validation's own coverage says.
        test = self._probe(
            made.test, source.expression, where, boolean=True, whole=items is not None
        )

        def optional(
            program: Program | None, expression: Expression | None, name: str, boolean: bool = False
        ) -> Program | None:
            if program is None or expression is None:
                return program
            return self._probe(program, expression, f"{where}, {name}", boolean=boolean)

        at = optional(made.at, source.at, "at")
        chain = made.at_chain
        if at is not None and chain:
            chain = ((at, chain[0][1]), *chain[1:])
        fix = tuple(
            step._replace(
                value=optional(step.value, given.value, f"fix[{number}].value"),
                when=optional(step.when, given.when, f"fix[{number}].when", boolean=True),
                base=optional(step.base, given.base, f"fix[{number}].in"),
            )
            for number, (step, given) in enumerate(zip(made.fix, source.fix, strict=True))
        )
        return replace(
            made,
            test=test,
            items=items,
            message_expression=optional(
                made.message_expression, source.message_expression, "messageExpression"
            ),
            at=at,
            at_chain=chain,
            related=optional(made.related, source.related, "related"),
            fix=fix,
        )


def coverage_of(
    observed: Observed,
    context: CompileContext,
    failed: Collection[int],
    held: Collection[int],
    taken: Collection[Taken],
    marks: Sequence[Unreachable] = (),
) -> Coverage:
    """Return what cases have shown of a policy, less what its test file marks as unreachable."""
    missed = [branch for branch in observed.branches() if branch not in taken]
    excused, problems = _excused(observed, missed, marks)
    compiled = observed.compiled
    return Coverage(
        policy=compiled.id,
        validations=len(compiled.validations) or 1,
        failed=frozenset(failed),
        held=frozenset(held),
        branches=sum(1 for _ in observed.branches()) - len(excused),
        missed=tuple(
            _branch(observed.points[number], outcome, context)
            for number, outcome in missed
            if (number, outcome) not in excused
        ),
        unreachable=len(excused),
        problems=problems,
    )


def _branch(point: Point, outcome: str, context: CompileContext) -> Branch:
    return Branch(_place(point, context), point.where, point.text, outcome)


def _place(point: Point, context: CompileContext) -> SourceLocation:
    """Return where a point stands in the policy's file; of other formats, where the policy does."""
    from kpolicy.cel.errors import CelError, line_column

    line, column = line_column(point.expression.source, point.offset)
    return context.place(point.expression, CelError("", line=line, column=column))[0]


def _excused(
    observed: Observed, missed: Sequence[Taken], marks: Iterable[Unreachable]
) -> tuple[set[Taken], tuple[Problem, ...]]:
    """Return the missed branches that marks name, and the marks that name none."""
    from kpolicy.errors import Problem

    excused: set[Taken] = set()
    problems: list[Problem] = []
    for mark in marks:
        named = [b for b in observed.branches() if _names(mark, observed.points[b[0]], b[1])]
        found = [branch for branch in named if branch in missed]
        what = f"unreachable: {mark.where}: `{mark.expression}` {mark.never}"
        if not named:
            hint = "write `in`, `expression` and `never` as `kpolicy test --coverage` prints them"
            problems.append(Problem(f"{what} names no branch", mark.location, hint))
        elif not found:
            problems.append(Problem(f"{what} is reached", mark.location, "take the mark out"))
        excused.update(found)
    return excused, tuple(problems)


def _names(mark: Unreachable, point: Point, outcome: str) -> bool:
    return (
        mark.never == outcome
        and mark.where == point.where
        and "".join(mark.expression.split()) == "".join(point.text.split())
    )
