"""What names mean to the checker: the variables, functions and constants of an environment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field

from kpolicy.cel.declarations import Function, Library, Overload, Struct
from kpolicy.cel.macros import standard_macros
from kpolicy.cel.standard import standard_functions
from kpolicy.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    TYPE,
    UINT,
    Type,
    list_of,
    map_of,
    optional_of,
    parse_type,
    type_of_type,
)
from kpolicy.records import dataclass

#: The type names that are identifiers of the language (langdef, "Values").
TYPE_NAMES: Mapping[str, Type] = {
    "bool": BOOL,
    "int": INT,
    "uint": UINT,
    "double": DOUBLE,
    "string": STRING,
    "bytes": BYTES,
    "null_type": NULL,
    "type": TYPE,
    "list": list_of(DYN),
    "map": map_of(DYN, DYN),
    "google.protobuf.Timestamp": TIMESTAMP,
    "google.protobuf.Duration": DURATION,
}


@dataclass(frozen=True, slots=True)
class Declarations:
    """What names mean in an environment.

    `variables` None: any undeclared name is a `dyn` variable.
    """

    variables: Mapping[str, Type] | None
    functions: Mapping[str, Function]
    constants: Mapping[str, Type]
    container: str = ""
    macros: frozenset[str] = frozenset()
    """The names of macros: a call of one that is left has the wrong shape."""
    results: Mapping[str, Type] = field(default_factory=dict)
    """Result types, by overload id, that are better known here than where the overload was
    declared.
    """
    refused: Mapping[str, str] = field(default_factory=dict)
    """Names that exist elsewhere but not here, and why (`Library.refused`)."""
    structs: tuple[Struct, ...] = ()

    @classmethod
    def of(
        cls,
        variables: Mapping[str, Type] | None,
        libraries: Sequence[Library],
        container: str = "",
        results: Mapping[str, Type] | None = None,
    ) -> Declarations:
        """Return the declarations of the standard functions, the type names and `libraries`.

        A library may add overloads to a function that another one declares; of two overloads with
        one id the later stands.
        """
        overloads: dict[str, dict[str, Overload]] = {
            name: {o.id: o for o in function.overloads}
            for name, function in standard_functions().items()
        }
        constants = {name: type_of_type(kind) for name, kind in TYPE_NAMES.items()}
        for library in libraries:
            for function in library.functions:
                known = overloads.setdefault(function.name, {})
                known.update({overload.id: overload for overload in function.overloads})
            constants.update({name: kind for name, (kind, _) in library.constants.items()})
        functions = {name: Function(name, tuple(o.values())) for name, o in overloads.items()}
        macros = (*standard_macros(), *(macro for lib in libraries for macro in lib.macros))
        names = frozenset(macro.name for macro in macros)
        refused = {name: why for library in libraries for name, why in library.refused.items()}
        structs = tuple(struct for library in libraries for struct in library.structs)
        return cls(
            variables, functions, constants, container, names, results or {}, refused, structs
        )

    def candidates(self, name: str) -> Iterator[str]:
        """Yield the full names that `name` may stand for, innermost container first."""
        if name.startswith("."):
            yield name[1:]
            return
        scope = self.container
        while scope:
            yield f"{scope}.{name}"
            scope = scope.rpartition(".")[0]
        yield name

    def variable(self, name: str) -> tuple[str, Type] | None:
        """Return the full name and the type of a variable, constant or type name, if declared."""
        for full in self.candidates(name):
            kind = (self.variables or {}).get(full) or self.constants.get(full)
            if kind is not None:
                return full, kind
        return None

    def function(self, name: str) -> Function | None:
        """Return the function that `name` stands for, if declared."""
        for full in self.candidates(name):
            if full in self.functions:
                return self.functions[full]
        return None

    def struct(self, name: str) -> Struct | None:
        """Return the message type of that name, if declared."""
        return next((struct for struct in self.structs if struct.claims(name)), None)


#: Names of types that are not their names in the language.
_ALIASES: Mapping[str, Type] = {
    "any": DYN,
    "null": NULL,
    "timestamp": TIMESTAMP,
    "duration": DURATION,
    "list": list_of(DYN),
    "map": map_of(DYN, DYN),
    "optional_type": optional_of(DYN),
}


def declared_variables(
    variables: Mapping[str, Type | str] | Iterable[str] | None,
) -> dict[str, Type] | None:
    """Return variables with their types: names alone are `dyn`, types may be text.

    A list, map or optional of nothing in particular holds `dyn`. Raises ValueError for text that is
    no type.
    """
    if variables is None:
        return None
    if not isinstance(variables, Mapping):
        return dict.fromkeys(variables, DYN)
    return {name: _declared(kind) for name, kind in variables.items()}


def _declared(kind: Type | str) -> Type:
    if isinstance(kind, str):
        kind = _ALIASES.get(kind) or parse_type(kind)
    return kind if kind.parameters else _ALIASES.get(kind.name, kind)
