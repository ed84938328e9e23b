"""A policy with its CEL checked and compiled.

How it gets there is `kpolicy.policy.compiling`, which a start from the cache never imports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from kpolicy.cel.types import DYN, Type
from kpolicy.policy.model import Policy
from kpolicy.policy.programs import LazyProgram, Patience
from kpolicy.records import dataclass

if TYPE_CHECKING:
    from kpolicy.cel import Program
    from kpolicy.cel.declarations import Library
    from kpolicy.cel.errors import CelError
    from kpolicy.errors import Problem
    from kpolicy.location import SourceLocation
    from kpolicy.policy.model import Expression
    from kpolicy.policy.prepared import Prepared
    from kpolicy.policy.source import SourceNode, SourceText
    from kpolicy.snapshot.kinds import Kinds

#: A key or an index, or what computes it.
Key: TypeAlias = "str | int | Program | None"

_KEYS = (str, int)

#: What every expression of a policy can read.
ROOTS = ("object", "oldObject", "request", "params", "namespaceObject")

#: Functions whose first argument names a relation and whose second may name a filter.
RELATION_FUNCTIONS = frozenset(("related", "isRelated", "countRelated", "relatedPlaces", "missing"))
#: Functions that look beyond the resource under evaluation.
JOINS = RELATION_FUNCTIONS | {
    "snapshot.get", "snapshot.resolve", "snapshot.list", "namespaceLabels",
}  # fmt: skip


class CompiledStep(NamedTuple):
    """One step of a fix as programs."""

    op: str
    path: str
    source: str
    value: Program | None
    when: Program | None
    base: Program | None


class Question(NamedTuple):
    """A relation that a policy asks for, with the filter or ""."""

    relation: str
    filter: str


@dataclass(frozen=True, slots=True)
class CompiledValidation:
    """One validation as programs."""

    index: int
    test: Program
    message: str
    message_expression: Program | None = None
    variable: str = ""
    items: Program | None = None
    at: Program | None = None
    at_chain: tuple[tuple[Program, Key], ...] = ()
    """`at` and what it goes through, outwards: (program, key) with the key read from its value;
    a key that is computed is a program too."""
    related: Program | None = None
    fix: tuple[CompiledStep, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class CompiledPolicy:
    """A policy ready to run. `joins` = it needs more than its own resource."""

    policy: Policy
    conditions: tuple[tuple[str, Program], ...] = ()
    filters: Mapping[str, Program] = field(default_factory=lambda: MappingProxyType({}))
    variables: Mapping[str, Program] = field(default_factory=lambda: MappingProxyType({}))
    validations: tuple[CompiledValidation, ...] = ()
    mutations: tuple[Program, ...] = ()
    questions: tuple[Question, ...] = ()
    """The relations it asks for, in the order in which they are written; filters have none."""
    references: frozenset[str] = frozenset()
    joins: bool = False

    @property
    def id(self) -> str:
        """The policy's id."""
        return self.policy.id

    def asked(self) -> Iterator[Any]:
        """Yield the programs that nearly every evaluation runs."""
        yield from (program for _, program in self.conditions)
        yield from self.variables.values()
        for v in self.validations:
            yield v.test if v.items is None else v.items

    def programs(self) -> Iterator[Any]:
        """Yield all of its programs."""
        yield from (program for _, program in self.conditions)
        yield from (*self.filters.values(), *self.variables.values(), *self.mutations)
        for v in self.validations:
            parts: list[Any] = [v.test, v.message_expression, v.items, v.at, v.related]
            parts += [part for program, key in v.at_chain for part in (program, key)]
            parts += [part for step in v.fix for part in (step.value, step.when, step.base)]
            yield from (part for part in parts if part is not None and not isinstance(part, _KEYS))


class CompileContext:
    """What policies are checked against; made once for a scan. Environments are kept by names."""

    def __init__(
        self,
        libraries: Sequence[Library],
        relations: frozenset[str] = frozenset(),
        kinds: Kinds | None = None,
        texts: Mapping[str, str] = MappingProxyType({}),
        engine: str = "compiled",
    ) -> None:
        self.libraries = tuple(libraries)
        self.relations = relations
        self.kinds = kinds
        self.texts = texts
        self.engine = engine
        self.patience = Patience()
        self._prepared: Prepared | None = None
        self._environments: dict[tuple[str, ...], Any] = {}
        self.documents: dict[str, list[SourceNode]] = {}
        """The policy files that were read again for the place of a mistake."""

    def environment(self, names: tuple[str, ...]) -> Any:
        """Return the CEL environment in which these variables exist."""
        found = self._environments.get(names)
        if found is None:
            found = self._environments[names] = self._made(names)
        return found

    def prepared(self, program: LazyProgram) -> Callable[..., Any] | None:
        """Return the code of an expression that was written down when kpolicy was built, if any."""
        if self._prepared is None:
            from kpolicy.policy.prepared import Prepared

            self._prepared = Prepared.of(self.libraries)
        return self._prepared.function(program, self.environment)

    def _made(self, names: tuple[str, ...], *more: Library) -> Any:
        from kpolicy import cel

        variables: dict[str, Type] = dict.fromkeys(names, DYN)
        libraries = (*self.libraries, *more)
        return cel.Environment(variables=variables, libraries=libraries, lenient_presence=True)

    def compile_mutation(self, source: str, names: tuple[str, ...], patch_type: str) -> Program:
        """Return the program of a mutation, which makes types of its own. Raises `CelError`."""
        from kpolicy.cel.library.mutation import JSON_PATCH, LIBRARY, OBJECT
        from kpolicy.cel.types import list_of

        expected = OBJECT if patch_type == "ApplyConfiguration" else list_of(JSON_PATCH)
        program: Program = self._made(names, LIBRARY).compile(source, expected=expected)
        return program

    def compile(self, source: str, names: tuple[str, ...], expected: Type | None) -> Program:
        """Return the program of `source` where these variables exist. Raises `CelError`."""
        environment = self.environment(names)
        if self.engine == "reference":
            from kpolicy.cel.reference import reference_program

            return cast("Program", reference_program(environment, source, expected=expected))
        program: Program = environment.compile(source, expected=expected)
        return cast("Program", LazyProgram(source, names, lambda: program, self.patience, program))

    def place(
        self, expression: Expression, error: CelError
    ) -> tuple[SourceLocation, SourceText | None]:
        """Return where in the policy's file a CEL error stands, and the file's text where known."""
        from kpolicy.policy.compiling import place_of

        return place_of(self, expression, error)


def compile_policy(
    policy: Policy, context: CompileContext
) -> tuple[CompiledPolicy | None, tuple[Problem, ...]]:
    """Return the policy ready to run, or None and everything that is wrong with its CEL.

    Raises nothing for a bad policy. `context.texts` gives the columns inside the policy's file.
    """
    if policy.check is not None and not (policy.match_conditions or policy.validations):
        from kpolicy.snapshot.kinds import is_kind_text

        named = (*policy.match.kinds, *policy.match.exclude_kinds)
        if all(is_kind_text(text, context.kinds) for text in named):
            return CompiledPolicy(policy, joins=not policy.metadata.get("local")), ()
    from kpolicy.policy.compiling import compile_checked

    return compile_checked(policy, context)
