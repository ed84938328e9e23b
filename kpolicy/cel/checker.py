"""The type checker: gradual types, overload resolution, names resolved in their container.

It follows cel-go's checker, so that what Kubernetes accepts is accepted, with the same types (cel-
spec doc/langdef.md, "Gradual Type Checking" and "Name Resolution"). It finds all errors of an
expression and leaves the tree unchanged; what it learnt is keyed by the identity of the nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

from kpolicy.cel import checker_errors as complain
from kpolicy.cel import nodes
from kpolicy.cel.declarations import Function
from kpolicy.cel.declared import TYPE_NAMES, Declarations, declared_variables
from kpolicy.cel.errors import CelError, CelErrors
from kpolicy.cel.objects import MessageType, ObjectType, StructFields, unwrapped
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
    UINT,
    Type,
    list_of,
    map_of,
    optional_of,
)
from kpolicy.cel.unification import Unifier, is_wild
from kpolicy.cel.values import UInt
from kpolicy.records import dataclass

_CONSTANT_TYPES = {
    type(None): NULL,
    bool: BOOL,
    int: INT,
    UInt: UINT,
    float: DOUBLE,
    str: STRING,
    bytes: BYTES,
}

__all__ = [
    "TYPE_NAMES",
    "CheckedTypes",
    "Declarations",
    "check",
    "declared_variables",
    "examine",
    "qualified_name",
]

#: What a key of a sort may be: cel-go's lists extension, "sortBy".
_SORTABLE = {INT, UINT, DOUBLE, BOOL, DURATION, TIMESTAMP, STRING, BYTES}


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


def path_of(node: nodes.Node) -> str:
    """Return `a.b` for selections from an identifier, by `.`, `.?` or a constant key; else ''."""
    match node:
        case nodes.Identifier():
            return node.name
        case nodes.Select(test=False):
            below = path_of(node.operand)
            return f"{below}.{node.field}" if below else ""
        case nodes.Call(function="_[_]" | "_[?_]", args=[operand, nodes.Constant(value=str(key))]):
            below = path_of(operand)
            return f"{below}.{key}" if below else ""
    return ""


@dataclass(frozen=True, slots=True)
class AbsentField:
    """A field that an object's schema does not have.

    `asked`: the expression only asks for it (`has`, `.?`, `in`), and so guards `path`.
    """

    error: CelError
    path: str
    asked: bool


@dataclass(frozen=True, slots=True)
class Findings:
    """All that a check found, wrong or not: for who checks one expression for several kinds."""

    result: Type
    errors: tuple[CelError, ...]
    absent: tuple[AbsentField, ...]


def examine(root: nodes.Node, declarations: Declarations, source: str) -> Findings:
    """Check an expression and return what was found; raises nothing.

    Fields get types here that the run time never asks for, so a conditional may mix them: it is
    `dyn` then.
    """
    checker = _Checker(declarations, source, mixed_branches=True)
    result = checker.unifier.substitute(checker.visit(root), free_is_dyn=True)
    return Findings(result, tuple(checker.errors), tuple(checker.absent))


class _Checker:
    """The state of one check: types found so far, type variables, scopes of local variables."""

    def __init__(
        self, declarations: Declarations, source: str, *, mixed_branches: bool = False
    ) -> None:
        self.mixed_branches = mixed_branches
        self.declarations = declarations
        self.source = source
        self.unifier = Unifier()
        self.types: dict[int, Type] = {}
        self.overloads: dict[int, tuple[str, ...]] = {}
        self.names: dict[int, str] = {}
        self.functions: dict[int, str] = {}
        self.errors: list[CelError] = []
        self.absent: list[AbsentField] = []
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
        asked = node.test or node.optional
        self.absent_field(node.offset, owner, node.operand, node.field, asked=asked)
        return DYN if asked else ERROR

    def absent_field(
        self, offset: int, owner: ObjectType, operand: nodes.Node, name: str, *, asked: bool
    ) -> None:
        """Report a field that an object does not declare, unless the expression asks for it."""
        path = path_of(operand)
        error = complain.no_such_field(self.source, offset, owner, name, owner.fields.names())
        self.absent.append(AbsentField(error, f"{path}.{name}" if path else "", asked))
        if not asked:
            self.errors.append(error)

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
        if (
            result is None
            and self.mixed_branches
            and function.name == "_?_:_"
            and self.unifier.assign(arguments[:1], (BOOL,))
        ):
            return DYN
        if result is None:
            self.no_overload(node, function, arguments, method=method)
            return ERROR
        self.overloads[id(node)] = tuple(matching)
        if function.name in ("_[_]", "_[?_]", "@in"):
            return self.field_by_name(node, function.name, arguments, result)
        return result

    def field_by_name(
        self, node: nodes.Call, operator: str, arguments: Sequence[Type], result: Type
    ) -> Type:
        """`object['f']`, `object[?'f']` and `'f' in object`: as the selection of `f`."""
        membership = operator == "@in"
        owner = unwrapped(arguments[1 if membership else 0])
        operand, key = reversed(node.args) if membership else node.args
        if not isinstance(owner, ObjectType) or not isinstance(key, nodes.Constant):
            return result
        found = owner.fields.field(str(key.value))
        asked = operator != "_[_]"
        if found is None:
            self.absent_field(node.offset, owner, operand, str(key.value), asked=asked)
            found = DYN if asked else ERROR
        if membership:
            return BOOL
        return optional_of(found) if asked else found

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
        struct = self.declarations.struct(node.name)
        for entry in node.entries:
            kind = self.type_of(entry.value)
            if struct is None or struct.fields is None:
                continue
            name = str(cast(nodes.Constant, entry.key).value)
            declared = struct.fields.get(name)
            if declared is None:
                owner = MessageType(node.name, fields=StructFields(struct))
                self.errors.append(
                    complain.no_such_field(
                        self.source, entry.key.offset, owner, name, struct.fields
                    )
                )
                continue
            if entry.optional:
                kind = self.unwrapped_optional(entry.value, kind)
            if not self.unifier.assign((kind,), (declared,)):
                self.mismatch(entry.value, declared, kind)
        if struct is None:
            self.errors.append(complain.no_message_types(self.source, node.offset, node.name))
            return ERROR
        return MessageType(node.name, fields=StructFields(struct))

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
