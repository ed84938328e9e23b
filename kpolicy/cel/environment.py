"""An environment: what names and functions mean, and the way from source to program."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kpolicy.cel.declarations import Function, Library, Macro
from kpolicy.cel.dispatch import Functions
from kpolicy.cel.macros import standard_macros
from kpolicy.cel.program import Program
from kpolicy.cel.runtime import DEFAULT_BUDGET
from kpolicy.cel.scopes import Names
from kpolicy.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    LIST,
    MAP,
    NULL,
    STRING,
    TIMESTAMP,
    TYPE,
    UINT,
    Type,
)  # fmt: skip

if TYPE_CHECKING:
    from kpolicy.cel.checker import Declarations
    from kpolicy.cel.nodes import Node

#: Type names that are identifiers of the language (langdef, "Values").
_TYPE_NAMES: Mapping[str, Type] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            BOOL, INT, UINT, DOUBLE, STRING, BYTES, NULL, TYPE, LIST, MAP, TIMESTAMP, DURATION,
        )
    }
)  # fmt: skip


class Environment:
    """Variables, libraries and limits that expressions are compiled in. Immutable.

    - `variables`: types by name (dotted names too), a type also as text (`list(int)`), or just
      names, which are `dyn`; None: any name is a `dyn` variable that the bindings decide at
      evaluation.
    - `libraries`: functions, constants and macros beside the standard ones.
    - `container`: the namespace in which names are looked up first.
    - `strict_literals`: check what the API server demands of literals (see `checker.check`).
    - `budget`: what one evaluation may cost.
    - `lenient_presence`: what has no fields has none to ask for, as in Kubernetes (see `presence`);
      otherwise it is an error to ask, as CEL's conformance cases have it.
    """

    def __init__(
        self,
        variables: Mapping[str, Type | str] | Iterable[str] | None = None,
        libraries: Iterable[Library] = (),
        container: str = "",
        *,
        strict_literals: bool = False,
        budget: int = DEFAULT_BUDGET,
        lenient_presence: bool = False,
    ) -> None:
        declared = None if variables is None else _declared(variables)
        self.variables = None if declared is None else MappingProxyType(declared)
        self.libraries = tuple(libraries)
        self.container = container
        self.strict_literals = strict_literals
        self.budget = budget
        self.lenient_presence = lenient_presence
        opaque: dict[type, Type] = {}
        constants: dict[str, Any] = dict(_TYPE_NAMES)
        macros: list[Macro] = list(standard_macros())
        for library in self.libraries:
            opaque.update(library.opaque)
            constants.update({name: value for name, (_, value) in library.constants.items()})
            macros.extend(library.macros)
        self.opaque: Mapping[type, Type] = MappingProxyType(opaque)
        self.macros = tuple(macros)
        functions = Functions(self.libraries, opaque)
        self.names = Names(
            None if self.variables is None else frozenset(self.variables),
            constants,
            container,
            functions.callee,
            functions.has,
            functions.struct,
        )
        self._declarations: Declarations | None = None
        self._settled: Mapping[str, str] | None = None

    def parse(self, source: str) -> Node:
        """Return the tree of `source` with macros expanded; raises `CelError` (phase parse)."""
        from kpolicy.cel.parser import parse

        return parse(source, self.macros)

    def compile(self, source: str, expected: Type | None = None, check: bool = True) -> Program:
        """Return the program of `source`.

        With `check`, types are checked and the result must be of type `expected`. Raises `CelError`
        (phase parse or check; `CelErrors` when the checker finds several) with line and column.
        """
        root = self.parse(source)
        result = None
        if check:
            from kpolicy.cel.checker import check as check_types
            from kpolicy.cel.settle import settle, settled_names

            checked = check_types(
                root,
                self.declarations(),
                source,
                expected=expected,
                strict_literals=self.strict_literals,
            )
            result = checked.result
            if self._settled is None:
                self._settled = settled_names(self.libraries)
            settle(root, checked.overloads, self._settled)
        return Program(self, source, root, result)

    def load(self, data: Any) -> Program:
        """Return the program that `Program.dump` described, without parsing or checking.

        Raises `serialize.Damaged` (a `ValueError`) for data that describes none.
        """
        from kpolicy.cel import serialize
        from kpolicy.cel.types import parse_type

        match data:
            case [serialize.FORMAT, str(source), tree, None | str() as result]:
                root = serialize.load(tree)
                try:
                    kind = None if result is None else parse_type(result)
                except ValueError as error:
                    raise serialize.Damaged(str(error)) from None
                return Program(self, source, root, kind)
        raise serialize.Damaged("not a compiled expression of this version")

    def declarations(self) -> Declarations:
        """Return what the checker knows of this environment."""
        if self._declarations is None:
            from kpolicy.cel.checker import Declarations

            self._declarations = Declarations.of(self.variables, self.libraries, self.container)
        return self._declarations


def _declared(variables: Mapping[str, Type | str] | Iterable[str]) -> dict[str, Type]:
    """Return variables with their types; the usual ones need no look at the checker's side."""
    if isinstance(variables, Mapping) and all(v is DYN for v in variables.values()):
        return dict.fromkeys(variables, DYN)
    from kpolicy.cel.declared import declared_variables

    return declared_variables(variables) or {}


@lru_cache(maxsize=16)
def environment_of(
    variables: tuple[tuple[str, Type | str], ...] | None,
    container: str,
    given: tuple[Function | Library, ...],
) -> Environment:
    """Return the environment of `cel.compile`: all libraries of Kubernetes, and those given."""
    from kpolicy.cel.library import kubernetes_libraries

    loose = tuple(each for each in given if isinstance(each, Function))
    libraries = (
        *kubernetes_libraries(),
        *(each for each in given if isinstance(each, Library)),
        *((Library("given", loose),) if loose else ()),
    )
    declared = None if variables is None else dict(variables)
    return Environment(variables=declared, libraries=libraries, container=container)
