"""Checking and compiling a policy's CEL; every mistake gets its place in the policy's file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kpolicy.cel.errors import CelError, CelErrors
from kpolicy.cel.nodes import Call, Constant, Identifier, Select
from kpolicy.cel.types import BOOL, STRING, Type
from kpolicy.errors import Problem
from kpolicy.location import SourceLocation
from kpolicy.policy.compiled import (
    JOINS,
    RELATION_FUNCTIONS,
    ROOTS,
    CompileContext,
    CompiledPolicy,
    CompiledStep,
    CompiledValidation,
    Key,
    Question,
)
from kpolicy.policy.model import Expression, Policy
from kpolicy.policy.source import SourceNode, SourceText, compose
from kpolicy.policy.syntax import calls_of, fields_of, literal
from kpolicy.strict.suggest import did_you_mean

if TYPE_CHECKING:
    from kpolicy.cel import Program

_AUTHORIZER = "authorizer asks the API server who may do what; a scan has no API server to ask"


def place_of(
    context: CompileContext, expression: Expression, error: CelError
) -> tuple[SourceLocation, SourceText | None]:
    """Return where in the policy's file a CEL error stands, and the file's text where known."""
    start = expression.location
    text = context.texts.get(start.path)
    if text is None or not error.line:
        return start, None
    nodes = context.documents.get(start.path)
    if nodes is None:
        nodes = context.documents[start.path] = compose(start.path, text)[0]
    for node in _scalars(nodes):
        if node.location == start and node.text == expression.source:
            return node.text_location(_offset(expression.source, error)), node.source
    return start, nodes[0].source if nodes else None


def _scalars(nodes: Sequence[SourceNode]) -> Iterator[SourceNode]:
    for node in nodes:
        if node.kind == "scalar":
            yield node
        elif node.kind == "sequence":
            yield from _scalars(node.elements())
        else:
            yield from _scalars([child for _, _, child in node.items()])


def _offset(source: str, error: CelError) -> int:
    lines = source.split("\n")
    before = sum(len(line) + 1 for line in lines[: error.line - 1])
    return min(before + max(error.column, 1) - 1, len(source))


class _Compiler:
    """Compiles one policy; keeps going after a mistake."""

    def __init__(self, policy: Policy, context: CompileContext) -> None:
        self.policy = policy
        self.context = context
        self.problems: list[Problem] = []
        self.programs: list[Program] = []
        self.params = frozenset(p.name for p in policy.params)
        self.free_params = bool(policy.metadata.get("free-params"))
        self.filters = {f.name for f in policy.filters}
        self.questions: dict[Question, None] = {}
        self.joins = bool(policy.metadata.get("joins")) or (
            policy.check is not None and not policy.metadata.get("local")
        )

    def problem(self, message: str, at: SourceLocation, text: SourceText | None, hint: str) -> None:
        parts = [hint] if hint else []
        if text is not None:
            parts.append(text.excerpt(at))
        self.problems.append(Problem(message, at, "\n  ".join("\n".join(parts).split("\n"))))

    def cel_problem(self, expression: Expression, error: CelError, what: str) -> None:
        errors = error.errors if isinstance(error, CelErrors) else (error,)
        for each in errors:
            at, text = place_of(self.context, expression, each)
            hint = each.hint
            if "authorizer" in each.message:
                hint = _AUTHORIZER
            self.problem(f"{what}: {each.message}", at, text, hint)

    def at_offset(self, expression: Expression, offset: int, message: str, hint: str) -> None:
        before = expression.source[:offset]
        line = before.count("\n") + 1
        error = CelError(
            message, line=line, column=offset - (before.rfind("\n") + 1) + 1, hint=hint
        )
        at, text = place_of(self.context, expression, error)
        self.problem(message, at, text, hint)

    def compile(
        self,
        expression: Expression,
        what: str,
        expected: Type | None,
        variables: frozenset[str],
        extra: tuple[str, ...] = (),
        roots: tuple[str, ...] = (*ROOTS, "variables"),
        mutation: str = "",
    ) -> Program | None:
        names = (*roots, *extra)
        if self.policy.metadata.get("no-params"):
            names = tuple(name for name in names if name != "params")
        try:
            if mutation:
                program = self.context.compile_mutation(expression.source, names, mutation)
            else:
                program = self.context.compile(expression.source, names, expected)
        except CelError as error:
            self.cel_problem(expression, error, what)
            return None
        self.programs.append(program)
        self._check_names(expression, program, variables, what)
        return program

    def _check_names(
        self, expression: Expression, program: Program, variables: frozenset[str], what: str
    ) -> None:
        tree = program.ast
        if "variables" in program.references:
            for name, offset in fields_of(tree, "variables"):
                if name not in variables:
                    later = any(v.name == name for v in self.policy.variables)
                    hint = (
                        f'"{name}" is defined further down; move it up'
                        if later
                        else did_you_mean(name, variables) or "define it under variables"
                    )
                    self.at_offset(expression, offset, f'{what}: no variable "{name}"', hint)
        if "params" in program.references and not self.free_params:
            for name, offset in fields_of(tree, "params"):
                if name not in self.params:
                    hint = did_you_mean(name, self.params) or "declare it under params"
                    self.at_offset(expression, offset, f'{what}: no parameter "{name}"', hint)
        called = program.functions & RELATION_FUNCTIONS
        for call in calls_of(tree, called) if called else ():
            self._question(expression, call, what)

    def _question(self, expression: Expression, call: Any, what: str) -> None:
        arguments = call.args
        if not arguments:
            return
        relation = literal(arguments[0])
        if relation is None:
            self.at_offset(
                expression, arguments[0].offset,
                f"{what}: the relation must be written as a string, so that its index is known",
                "",
            )  # fmt: skip
            return
        if relation not in self.context.relations:
            known = self.context.relations
            hint = did_you_mean(relation, known) or f"relations: {', '.join(sorted(known))}"
            offset = arguments[0].offset
            self.at_offset(expression, offset, f'{what}: no relation "{relation}"', hint)
        name = ""
        if len(arguments) > 1 and not _is_no_filter(call):
            given = literal(arguments[1])
            offset = arguments[1].offset
            if given is None:
                self.at_offset(
                    expression, offset,
                    f"{what}: the filter must be written as a string, so that it is indexed", "",
                )  # fmt: skip
                return
            if given not in self.filters:
                hint = did_you_mean(given, self.filters) or "define it under filters"
                self.at_offset(expression, offset, f'{what}: no filter "{given}"', hint)
            name = given
        self.questions[Question(relation, name)] = None


def compile_checked(
    policy: Policy, context: CompileContext
) -> tuple[CompiledPolicy | None, tuple[Problem, ...]]:
    """Return the policy ready to run, or None and everything that is wrong with its CEL.

    Raises nothing for a bad policy. `context.texts` gives the columns inside the policy's file.
    """
    work = _Compiler(policy, context)
    _check_kinds(work)
    conditions = []
    nothing: frozenset[str] = frozenset()
    for condition in policy.match_conditions:
        what = f'match condition "{condition.name}"'
        # As in Kubernetes, a match condition comes before the variables and cannot read them.
        program = work.compile(condition.expression, what, BOOL, nothing, roots=ROOTS)
        if program is not None:
            conditions.append((condition.name, program))
    filters = {}
    for named in policy.filters:
        what = f'filter "{named.name}"'
        program = work.compile(named.expression, what, BOOL, nothing, ("item",), ("params",))
        if program is None:
            continue
        filters[named.name] = program
        beyond = sorted(program.functions & JOINS)
        if beyond:
            work.problem(
                f"{what} calls {beyond[0]}; a filter looks at its item and the parameters alone",
                named.expression.location, None, "ask for relations in variables or validations",
            )  # fmt: skip
    variables: dict[str, Program] = {}
    known: set[str] = set()
    for named in policy.variables:
        what = f'variable "{named.name}"'
        program = work.compile(named.expression, what, None, frozenset(known))
        known.add(named.name)
        if program is not None:
            variables[named.name] = program
    validations = _validations(work, frozenset(known))
    mutations = [
        work.compile(
            mutation.expression, f"mutation {number}", None, frozenset(known),
            mutation=mutation.patch_type,
        )
        for number, mutation in enumerate(policy.mutations, start=1)
    ]  # fmt: skip
    if work.problems:
        return None, tuple(work.problems)
    references = frozenset().union(*(p.references for p in work.programs))
    functions = frozenset().union(*(p.functions for p in work.programs))
    joins = work.joins or "namespaceObject" in references or bool(functions & JOINS)
    return (
        CompiledPolicy(
            policy=policy,
            conditions=tuple(conditions),
            filters=MappingProxyType(filters),
            variables=MappingProxyType(variables),
            validations=validations,
            mutations=tuple(program for program in mutations if program is not None),
            questions=tuple(work.questions),
            references=references,
            joins=joins,
        ),
        (),
    )


def _is_no_filter(call: Call) -> bool:
    """Return whether the second argument is something else: a limit, or another resource."""
    second = call.args[1]
    if call.function == "countRelated" and len(call.args) == 2:
        return literal(second) is None and not isinstance(second, Identifier)
    return call.function == "isRelated" and literal(second) is None


def _check_kinds(work: _Compiler) -> None:
    from kpolicy.snapshot.kinds import is_kind_text, scope_groups

    kinds, policy = work.context.kinds, work.policy
    at = policy.location or SourceLocation(policy.id)
    for text in (*policy.match.kinds, *policy.match.exclude_kinds):
        if not is_kind_text(text, kinds):
            groups = scope_groups(kinds)
            hint = did_you_mean(text, groups) or f"groups of kinds: {', '.join(sorted(groups))}"
            work.problem(f'policy "{policy.id}": "{text}" is no kind', at, None, hint)


def _validations(work: _Compiler, known: frozenset[str]) -> tuple[CompiledValidation, ...]:
    found = []
    for index, validation in enumerate(work.policy.validations):
        what = f"validation {index + 1}"
        extra: tuple[str, ...] = ()
        items = None
        if validation.for_each is not None:
            items = work.compile(validation.for_each.items, f"{what}, forEach.in", None, known)
            extra = (validation.for_each.variable,)
            result = None if items is None else items.result_type
            if result is not None and result.name not in ("list", "dyn"):
                work.at_offset(
                    validation.for_each.items, 0,
                    f"{what}, forEach.in must be a list, not {result}", "",
                )  # fmt: skip
        test = work.compile(validation.expression, what, BOOL, known, extra)

        def optional(
            expression: Expression | None, name: str, expected: Type | None,
            what: str = what, extra: tuple[str, ...] = extra,
        ) -> Program | None:  # fmt: skip
            if expression is None:
                return None
            return work.compile(expression, f"{what}, {name}", expected, known, extra)

        message = optional(validation.message_expression, "messageExpression", STRING)
        at = optional(validation.at, "at", None)
        chain: list[tuple[Program, Key]] = []
        if at is not None and validation.at is not None:
            chain = _chain(work, validation.at, at, known, extra)
        related = optional(validation.related, "related", None)
        steps = tuple(
            CompiledStep(
                step.op, step.path, step.source,
                optional(step.value, f"fix[{number}].value", None),
                optional(step.when, f"fix[{number}].when", BOOL),
                optional(step.base, f"fix[{number}].in", None),
            )
            for number, step in enumerate(validation.fix)
        )  # fmt: skip
        if test is not None:
            found.append(
                CompiledValidation(
                    index=index,
                    test=test,
                    message=validation.message,
                    message_expression=message,
                    variable=validation.for_each.variable if validation.for_each else "",
                    items=items,
                    at=at,
                    at_chain=tuple(chain),
                    related=related,
                    fix=steps,
                )
            )
    return tuple(found)


def _chain(
    work: _Compiler, source: Expression, at: Program, known: frozenset[str], extra: tuple[str, ...]
) -> list[tuple[Program, Key]]:
    """Return `at` and its operands, outwards, each with the key that the next one reads of it.

    A scalar and an absent field have no place of their own; their container has.
    """
    names = (*ROOTS, "variables", *extra)
    chain: list[tuple[Program, Key]] = [(at, None)]
    node = at.ast
    while True:
        key: Key = None
        if isinstance(node, Select) and not node.test:
            operand, key = node.operand, node.field
        elif isinstance(node, Call) and node.function in ("_[_]", "_[?_]"):
            operand = node.args[0]
            index = node.args[1]
            if not isinstance(index, Constant):
                key = _computed_key(work, source.source, node.offset, names)
            elif isinstance(index.value, (str, int)) and not isinstance(index.value, bool):
                key = index.value
            if key is None:
                return chain
        else:
            return chain
        text = source.source[: node.offset].rstrip().removesuffix(".").rstrip()
        try:
            parent = work.context.compile(text, names, None)
        except CelError:  # a parenthesis around the whole: the outer place has to do
            return chain
        chain.append((parent, key))
        node = operand


def _computed_key(
    work: _Compiler, source: str, bracket: int, names: tuple[str, ...]
) -> Program | None:
    """Return the program of what stands in the brackets that open at an offset of a source.

    What compiles first is the key: up to any other closing bracket, one would be open.
    """
    start = bracket + 1
    if source.startswith("?", start):
        start += 1
    end = source.find("]", start)
    while end != -1:
        try:
            return work.context.compile(source[start:end], names, None)
        except CelError:
            end = source.find("]", end + 1)
    return None
