"""What a CEL library or a plugin declares: functions with overloads, constants and macros.

A declaration is data; nothing is registered anywhere. An `Environment` is made from libraries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kpolicy.cel.types import Type
from kpolicy.records import dataclass

if TYPE_CHECKING:
    from kpolicy.cel.nodes import Node


@dataclass(frozen=True, slots=True)
class Overload:
    """One signature of a function and the Python that computes it.

    - `id`: unique in the environment, in cel-go's manner (`string_substring_int_int`).
    - `parameters`: argument types, the receiver first when `member`.
    - `implementation`: called with run-time values that already fit `parameters` (a `dyn` or `T`
      parameter gets any value; list elements and map values are not checked beforehand). It is
      pure, must not change its arguments, and fails by raising `CelError(message)` (see
      `kpolicy.cel.errors`); ints that leave 64 bits are its own business to reject.
    - `member`: called as `receiver.name(...)`, else `name(...)`; declare two overloads for both.
    - `needs_context`: the implementation gets the evaluation's `context` object (see
      `Program.evaluate`) before the other arguments. Programs that use such an overload say so in
      `Program.functions`, and it is never folded.
    - `settled`: the name of a function with this signature alone. A call that the checker settled
      on this overload is renamed to it: for what values at run time cannot tell (see `settle`).
    - `parts`: the result is a part of an argument, a list of its parts, or something else that is
      no larger than the input: results of other calls are weighed, these are not.
    - `cost`: how much an evaluation is charged for: None = constant; "size" = linear in the
      sizes of string, bytes and list arguments; "product" = their product (e.g. matches, sets).
    """

    id: str
    parameters: tuple[Type, ...]
    result: Type
    implementation: Callable[..., Any]
    member: bool = False
    needs_context: bool = False
    cost: str | None = None
    settled: str = ""
    parts: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """A named function: `substring`, `sets.contains`, `math.greatest`."""

    name: str
    overloads: tuple[Overload, ...]
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Macro:
    """A call that is rewritten at parse time.

    `expand(expander, offset, target, args)` returns the new node, or None to leave the call as it
    is. `expander.error(offset, message)` builds the `CelError` to raise for a malformed use;
    `expander.fresh_name()` gives an identifier that no source can spell.
    `arity` None = variadic.
    """

    name: str
    arity: int | None
    member: bool
    expand: Callable[[Any, int, Node | None, Sequence[Node]], Node | None]


@dataclass(frozen=True, slots=True)
class Struct:
    """A message type: what a literal `Name{field: value}` makes.

    - `name`: as in the source. With `nested`, `Name.a.b{...}` is one too, a type of its own name.
    - `fields`: the types of its fields; None = a field of any name and type.
    - `make`: called with the full name and the fields that are set; pure, fails by raising
      `CelError(message)`.
    """

    name: str
    make: Callable[[str, Mapping[str, Any]], Any]
    fields: Mapping[str, Type] | None = None
    nested: bool = False

    def claims(self, name: str) -> bool:
        """Return whether a literal of this name is one."""
        return name == self.name or (self.nested and name.startswith(f"{self.name}."))


@dataclass(frozen=True, slots=True)
class Library:
    """A named set of declarations: one file in `kpolicy/cel/library/`, or a plugin's.

    `constants` maps names to (type, value); type names such as `net.IP` are constants of type
    `type`. `opaque` maps each Python class of the library's own run-time values to its CEL type;
    such a class has `__eq__`, `__hash__` and a canonical `__str__`. `structs` are message types.
    `source` names the specification (spec section, upstream doc).
    `refused` maps variables that exist elsewhere but cannot exist here to the reason, which is
    said instead of "undeclared reference"; a declared variable of that name takes precedence.
    """

    name: str
    functions: tuple[Function, ...] = ()
    constants: Mapping[str, tuple[Type, Any]] = field(default_factory=lambda: MappingProxyType({}))
    macros: tuple[Macro, ...] = ()
    opaque: Mapping[type, Type] = field(default_factory=lambda: MappingProxyType({}))
    doc: str = ""
    source: str = ""
    refused: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    structs: tuple[Struct, ...] = ()
