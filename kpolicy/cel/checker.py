"""The type checker: gradual types, overload resolution, names resolved in their container.

It follows cel-go's checker, so that what Kubernetes accepts is accepted, with the same types (cel-
spec doc/langdef.md, "Gradual Type Checking" and "Name Resolution"). It finds all errors of an
expression and leaves the tree unchanged; what it learnt is keyed by the identity of the nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from kpolicy.cel import checker_errors as complain
from kpolicy.cel import nodes
from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.errors import CelError, CelErrors
from kpolicy.cel.macros import standard_macros
from kpolicy.cel.objects import ObjectType, unwrapped
from kpolicy.cel.standard import standard_functions
from kpolicy.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    ERROR,
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
    type_of_type,
)
from kpolicy.cel.unification import Unifier, is_wild
from kpolicy.cel.values import UInt

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

_CONSTANT_TYPES = {
    type(None): NULL,
    bool: BOOL,
    int: INT,
    UInt: UINT,
    float: DOUBLE,
    str: STRING,
    bytes: BYTES,
}

#: What a key of a sort may be: cel-go's lists extension, "sortBy".
_SORTABLE = {INT, UINT, DOUBLE, BOOL, DURATION, TIMESTAMP, STRING, BYTES}


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
        return cls(variables, functions, constants, container, names, results or {}, refused)

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


@dataclass(frozen=True, slots=True)
class CheckedTypes:
    """What the checker learnt; but for `result` keyed by `id(node)` of a tree that stays alive.

    - `types`: the static type of each node that is a value.
    - `overloads`: the ids of the overloads that a call may mean at run time.
    - `names`: the full name of each variable, constant or type name (an identifier or a selection).
    - `functions`: the full name of each called function; where it ends a namespace
      (`math.greatest`), the call's target is part of the name and not a value.
    """

    result: Type
    types: Mapping[int, Type]
    overloads: Mapping[int, tuple[str, ...]]
    names: Mapping[int, str]
    functions: Mapping[int, str]


def check(
    root: nodes.Node,
    declarations: Declarations,
    source: str,
    *,
    expected: Type | None = None,
    strict_literals: bool = False,
) -> CheckedTypes:
    """Check an expression and return its types.

    `expected` is the type that the whole must have (`dyn` passes). `strict_literals` adds what the
    API server demands of literals: elements of one type, and durations, timestamps and regexes that
    are valid. Raises `CelErrors` with every error found, in the order of their places.
    """
    checker = _Checker(declarations, source)
    result = checker.visit(root)
    types = {
        key: checker.unifier.substitute(kind, free_is_dyn=True)
        for key, kind in checker.types.items()
    }
    if not checker.errors and strict_literals:
        from kpolicy.cel.literals import literal_errors

        checker.errors.extend(literal_errors(root, types, source))
    result = types.get(id(root), result)
    if not checker.errors and expected is not None and not Unifier().assign((result,), (expected,)):
        checker.errors.append(complain.type_mismatch(source, root.offset, expected, result))
    if checker.errors:
        raise CelErrors(tuple(sorted(checker.errors, key=lambda e: (e.line, e.column))))
    return CheckedTypes(result, types, checker.overloads, checker.names, checker.functions)


def qualified_name(node: nodes.Node) -> str | None:
    """Return `a.b.c` for a chain of plain selections that begins at an identifier, else None."""
    fields = []
    while isinstance(node, nodes.Select):
        if node.test or node.optional:
            return None
        fields.append(node.field)
        node = node.operand
    if not isinstance(node, nodes.Identifier):
        return None
    return ".".join([node.name, *reversed(fields)])


class _Checker:
    """The state of one check: types found so far, type variables, scopes of local variables."""

    def __init__(self, declarations: Declarations, source: str) -> None:
        self.declarations = declarations
        self.source = source
        self.unifier = Unifier()
        self.types: dict[int, Type] = {}
        self.overloads: dict[int, tuple[str, ...]] = {}
        self.names: dict[int, str] = {}
        self.functions: dict[int, str] = {}
        self.errors: list[CelError] = []
        self.scopes: list[dict[str, Type]] = []

    def visit(self, node: nodes.Node) -> Type:
        """Return the type of a node, checking it and all below it the first time."""
        if id(node) in self.types:
            return self.types[id(node)]
        # A long chain of operators leans left; going down it in a loop keeps the stack flat.
        spine = [node]
        while isinstance(spine[-1], nodes.Call) and not spine[-1].target and spine[-1].args:
            spine.append(spine[-1].args[0])
        for below in reversed(spine):
            if id(below) not in self.types:
                kind = getattr(self, f"visit_{type(below).__name__}")(below)
                self.types[id(below)] = kind
        return self.types[id(node)]

    def type_of(self, node: nodes.Node) -> Type:
        """Return the type of a node as far as it is known by now."""
        return self.unifier.substitute(self.visit(node))

    @contextmanager
    def scope(self, variables: dict[str, Type]) -> Iterator[None]:
        """Declare local variables for the time of a block."""
        self.scopes.append(variables)
        try:
            yield
        finally:
            self.scopes.pop()

    def local(self, name: str) -> Type | None:
        """Return the type of a local variable, innermost scope first."""
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return None

    # Names

    def visit_Constant(self, node: nodes.Constant) -> Type:
        return _CONSTANT_TYPES.get(type(node.value), DYN)

    def visit_Identifier(self, node: nodes.Identifier) -> Type:
        local = self.local(node.name)
        if local is not None:
            return local
        found = self.declarations.variable(node.name)
        if found:
            self.names[id(node)] = found[0]
            return found[1]
        if self.declarations.variables is None:
            return DYN
        if node.name in self.declarations.refused:
            why = self.declarations.refused[node.name]
            self.errors.append(complain.refused_name(self.source, node.offset, why))
            return ERROR
        known = [*self.declarations.variables, *self.declarations.constants]
        known += [name for scope in self.scopes for name in scope]
        self.errors.append(
            complain.undeclared_name(
                self.source, node.offset, node.name, self.declarations.container, known
            )
        )
        return ERROR

    def visit_Select(self, node: nodes.Select) -> Type:
        name = qualified_name(node)
        if name is not None and self.local(name.partition(".")[0]) is None:
            found = self.declarations.variable(name)
            if found:
                self.names[id(node)] = found[0]
                return found[1]
        result = self.select(node, self.type_of(node.operand))
        return BOOL if node.test else self.unifier.substitute(result)

    def select(self, node: nodes.Select, operand: Type) -> Type:
        """Return the type of a field; of an optional or by `.?`, an optional of it."""
        target = unwrapped(operand)
        chained = target.name == "optional_type"
        if chained:
            target = unwrapped(target.parameters[0] if target.parameters else DYN)
        result = DYN
        if isinstance(target, ObjectType):
            result = self.field(node, target)
        elif target.name == "map":
            result = target.parameters[1] if target.parameters else DYN
        elif target.is_parameter:
            self.unifier.assign((DYN,), (target,))
        elif not is_wild(target):
            self.errors.append(complain.not_selectable(self.source, node.offset, target))
            result = ERROR
        if chained or node.optional:
            return optional_of(result)
        return result

    def field(self, node: nodes.Select, owner: ObjectType) -> Type:
        """Return the type of an object's declared field."""
        found = owner.fields.field(node.field)
        if found is not None:
            return found
        self.errors.append(
            complain.no_such_field(
                self.source, node.offset, owner, node.field, owner.fields.names()
            )
        )
        return ERROR

    # Calls

    def visit_Call(self, node: nodes.Call) -> Type:
        prefix = qualified_name(node.target) if node.target is not None else None
        name = node.function if prefix is None else f"{prefix}.{node.function}"
        if node.function in self.declarations.macros and not (
            self.declarations.function(node.function) or self.declarations.function(name)
        ):
            # A macro with the wrong shape: its variables would be reported, too.
            spelled = name if prefix and self._names_nothing(prefix) else node.function
            method = node.target is not None and spelled == node.function
            self.undeclared(node, spelled, method=method)
            return ERROR
        arguments = [self.type_of(argument) for argument in node.args]
        if node.target is None:
            return self.global_call(node, name, arguments)
        known_head = prefix is None or self.local(prefix.partition(".")[0]) is not None
        if not known_head and self.declarations.function(name):
            return self.global_call(node, name, arguments)
        function = self.declarations.function(node.function)
        if function is None and prefix is not None and self._names_nothing(prefix):
            self.undeclared(node, name, method=False)
            return ERROR
        receiver = self.type_of(node.target)
        if function is None:
            self.undeclared(node, node.function, method=True)
            return ERROR
        return self.resolve(node, function, [receiver, *arguments], method=True)

    def global_call(self, node: nodes.Call, name: str, arguments: list[Type]) -> Type:
        """Return the result type of a call without a receiver."""
        function = self.declarations.function(name)
        if function is None:
            self.undeclared(node, name, method=False)
            return ERROR
        if name in ("_&&_", "_||_"):
            return self.logical(node, function, arguments)
        return self.resolve(node, function, arguments, method=False)

    def logical(self, node: nodes.Call, function: Function, arguments: list[Type]) -> Type:
        """`&&` and `||`, whose node may hold a whole chain of operands."""
        self.functions[id(node)] = function.name
        self.overloads[id(node)] = (function.overloads[0].id,)
        if not all(self.unifier.assign((argument,), (BOOL,)) for argument in arguments):
            self.no_overload(node, function, arguments, method=False)
        return BOOL

    def resolve(
        self, node: nodes.Call, function: Function, arguments: list[Type], *, method: bool
    ) -> Type:
        """Return the result type of the overloads that fit; `dyn` if theirs differ."""
        self.functions[id(node)] = function.name
        result: Type | None = None
        matching = []
        for overload in function.overloads:
            if overload.member != method or len(overload.parameters) != len(arguments):
                continue
            declared = self.declarations.results.get(overload.id, overload.result)
            outcome, *parameters = self.unifier.instance((declared, *overload.parameters))
            if not self.unifier.assign(arguments, parameters):
                continue
            matching.append(overload.id)
            outcome = self.unifier.substitute(outcome)
            if result is None:
                result = outcome
            elif outcome != result:
                result = DYN
        if result is None:
            self.no_overload(node, function, arguments, method=method)
            return ERROR
        self.overloads[id(node)] = tuple(matching)
        if function.name == "_[_]" and isinstance(unwrapped(arguments[0]), ObjectType):
            return self.indexed_field(node, arguments[0])
        return result

    def indexed_field(self, node: nodes.Call, receiver: Type) -> Type:
        """`object['field']`: as `object.field` where the field is declared, else unknown."""
        owner, key = unwrapped(receiver), node.args[-1]
        if isinstance(owner, ObjectType) and isinstance(key, nodes.Constant):
            found = owner.fields.field(str(key.value))
            return DYN if found is None else found
        return DYN

    def undeclared(self, node: nodes.Call, name: str, *, method: bool) -> None:
        known = self.declarations.functions
        if method:
            known = {n: f for n, f in known.items() if any(o.member for o in f.overloads)}
        prefix = name.rpartition(".")[0]
        visible = [n for n in known if n[0].isalpha() and "@" not in n]
        visible += [f"{prefix}.{macro}" if prefix else macro for macro in self.declarations.macros]
        self.errors.append(
            complain.undeclared_function(self.source, node.offset, name, visible, method)
        )

    def no_overload(
        self, node: nodes.Call, function: Function, arguments: Sequence[Type], *, method: bool
    ) -> None:
        if any(argument.name == "error" for argument in arguments):
            return
        shown = [self.unifier.substitute(a, free_is_dyn=True) for a in arguments]
        self.errors.append(
            complain.no_matching_overload(
                self.source, node.offset, function.name, function.overloads, shown, method
            )
        )

    def _names_nothing(self, prefix: str) -> bool:
        """Say whether a qualified name begins with no variable, so that a namespace was meant."""
        if self.local(prefix.partition(".")[0]) is not None:
            return False
        parts = prefix.split(".")
        heads = (".".join(parts[:n]) for n in range(1, len(parts) + 1))
        if any(self.declarations.variable(head) for head in heads):
            return False
        return self.declarations.variables is not None or any(
            name.startswith(f"{prefix}.") for name in self.declarations.functions
        )

    # Aggregates

    def visit_ListNode(self, node: nodes.ListNode) -> Type:
        joined: Type | None = None
        for index, element in enumerate(node.elements):
            kind = self.type_of(element)
            if index in node.optional:
                kind = self.unwrapped_optional(element, kind)
            joined = self.joined(joined, kind)
        return list_of(joined or self.unifier.fresh())

    def visit_MapNode(self, node: nodes.MapNode) -> Type:
        key: Type | None = None
        value: Type | None = None
        for entry in node.entries:
            key = self.joined(key, self.type_of(entry.key))
            kind = self.type_of(entry.value)
            if entry.optional:
                kind = self.unwrapped_optional(entry.value, kind)
            value = self.joined(value, kind)
        return map_of(key or self.unifier.fresh(), value or self.unifier.fresh())

    def visit_StructNode(self, node: nodes.StructNode) -> Type:
        for entry in node.entries:
            self.visit(entry.value)
        self.errors.append(complain.no_message_types(self.source, node.offset, node.name))
        return ERROR

    def joined(self, previous: Type | None, current: Type) -> Type:
        """Return the type that two elements share; `dyn` when they share none."""
        return self.unifier.join(previous, current) or DYN

    def unwrapped_optional(self, node: nodes.Node, kind: Type) -> Type:
        """Return what an optional holds, for an element or entry marked with `?`."""
        if kind.name == "optional_type":
            return kind.parameters[0] if kind.parameters else DYN
        if not is_wild(kind):
            self.mismatch(node, optional_of(kind), kind)
        return kind

    # Macros

    def visit_Comprehension(self, node: nodes.Comprehension) -> Type:
        first, second, element = self.range_types(node)
        variables = {node.variable: element if node.variable2 is None else first}
        if node.variable2 is not None:
            variables[node.variable2] = second
        with self.scope(variables):
            if node.condition is not None:
                self.must_be(node.condition, BOOL)
            if node.kind in ("all", "exists", "exists_one", "filter"):
                self.must_be(node.body, BOOL)
                body = BOOL
            else:
                body = self.type_of(node.body)
        match node.kind:
            case "filter":
                return list_of(element)
            case "map" | "transformList":
                return list_of(body)
            case "transformMap":
                return map_of(first, body)
            case "transformMapEntry":
                entry = map_of(self.unifier.fresh(), self.unifier.fresh())
                if not self.unifier.assign((body,), (entry,)):
                    self.mismatch(node.body, map_of(DYN, DYN), body)
                return self.unifier.substitute(entry)
            case "sortBy":
                if not (body in _SORTABLE or is_wild(body) or body.is_parameter):
                    self.mismatch(node.body, STRING, body, "a sort key must have an order")
                return list_of(element)
        return BOOL

    def range_types(self, node: nodes.Comprehension) -> tuple[Type, Type, Type]:
        """Return the types of index or key, of value, and of what a single variable gets."""
        kind = unwrapped(self.type_of(node.range))
        if isinstance(kind, ObjectType):
            return STRING, DYN, STRING
        if kind.name == "list" and kind.parameters:
            return INT, kind.parameters[0], kind.parameters[0]
        if kind.name == "map" and kind.parameters:
            return kind.parameters[0], kind.parameters[1], kind.parameters[0]
        if kind.is_parameter:
            self.unifier.assign((DYN,), (kind,))
        elif not is_wild(kind) and kind.name not in ("list", "map"):
            self.errors.append(complain.not_iterable(self.source, node.range.offset, kind))
            return ERROR, ERROR, ERROR
        return DYN, DYN, DYN

    def visit_Bind(self, node: nodes.Bind) -> Type:
        value = self.type_of(node.value)
        with self.scope({node.variable: value}):
            return self.type_of(node.body)

    def visit_Block(self, node: nodes.Block) -> Type:
        slots: dict[str, Type] = {}
        with self.scope(slots):
            for index, slot in enumerate(node.slots):
                slots[f"@index{index}"] = self.type_of(slot)
            return self.type_of(node.result)

    def visit_OptionalMap(self, node: nodes.OptionalMap) -> Type:
        inner = self.unifier.fresh()
        target = self.type_of(node.target)
        if not self.unifier.assign((target,), (optional_of(inner),)):
            self.mismatch(node.target, optional_of(DYN), target)
            return ERROR
        inner = DYN if is_wild(target) else self.unifier.substitute(inner)
        with self.scope({node.variable: inner}):
            body = self.type_of(node.body)
        if not node.flat:
            return optional_of(body)
        flat = optional_of(self.unifier.fresh())
        if not self.unifier.assign((body,), (flat,)):
            self.mismatch(node.body, optional_of(DYN), body)
        return self.unifier.substitute(flat)

    def must_be(self, node: nodes.Node, expected: Type) -> None:
        """Report a node of another type than `expected`."""
        found = self.type_of(node)
        if not self.unifier.assign((found,), (expected,)):
            self.mismatch(node, expected, found)

    def mismatch(self, node: nodes.Node, expected: Type, found: Type, hint: str = "") -> None:
        if found.name == "error":
            return
        expected, found = (self.unifier.substitute(k, free_is_dyn=True) for k in (expected, found))
        self.errors.append(complain.type_mismatch(self.source, node.offset, expected, found, hint))


def declared_variables(
    variables: Mapping[str, Type | str] | Sequence[str] | None,
) -> dict[str, Type] | None:
    """Return variables with their types: names alone are `dyn`, types may be text.

    Raises ValueError for text that is no type.
    """
    from kpolicy.cel.types import parse_type

    if variables is None:
        return None
    if not isinstance(variables, Mapping):
        return dict.fromkeys(variables, DYN)
    return {n: parse_type(k) if isinstance(k, str) else k for n, k in variables.items()}
