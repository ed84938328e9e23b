"""Relations by declaration: `apiVersion: kpolicy.dev/v1`, `kind: Relation`, beside policies.

A side says which resources stand there (`match.kinds`, `condition`) and under which keys (`key`:
one; a list makes a composite one; `keys`: a list of keys). Both are CEL over `object` alone, so
that entries come from one resource; what asks for other resources is refused when the relation is
loaded. At run time a side is total: an expression that fails on a resource gives it no key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kpolicy.cel.errors import CelError, CelErrors
from kpolicy.errors import Problem
from kpolicy.records import dataclass
from kpolicy.relations.index import Direction
from kpolicy.relations.model import Entry, Key, Relation, Side
from kpolicy.relations.reading import pointer
from kpolicy.snapshot.kinds import is_kind_text, split_api_version
from kpolicy.strict.reader import Reader

if TYPE_CHECKING:
    from kpolicy.cel.declarations import Library
    from kpolicy.cel.program import Program
    from kpolicy.location import SourceLocation
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource
    from kpolicy.strict.node import SourceNode

API_VERSION = "kpolicy.dev/v1"
KIND = "Relation"

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
_SPEC = ("description", "inverse", "acrossNamespaces", "reference", "left", "right", "both")
_SIDE = ("match", "condition", "key", "keys")
#: No resource is filed under more keys than this.
MAX_KEYS = 10_000
#: Functions that look beyond the resource whose keys are computed.
_JOINING = frozenset(
    ("related", "isRelated", "countRelated", "relatedPlaces", "missing", "namespaceLabels",
     "snapshot.get", "snapshot.resolve", "snapshot.list")
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class DeclaredExpression:
    """A CEL text, what it is called in messages, and where each of its characters stands."""

    source: str
    what: str
    place: Callable[[int], SourceLocation]


@dataclass(frozen=True, slots=True, eq=False)
class DeclaredSide:
    """One side as written."""

    kinds: tuple[str, ...]
    keys: DeclaredExpression
    several: bool
    condition: DeclaredExpression | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RelationDeclaration:
    """A relation as written; `compile_relation` checks its CEL."""

    name: str
    inverse: str
    description: str
    left: DeclaredSide
    right: DeclaredSide
    across_namespaces: bool
    reference: bool
    location: SourceLocation
    inverse_location: SourceLocation


def read_relation(
    document: SourceNode,
) -> tuple[RelationDeclaration | None, tuple[Problem, ...]]:
    """Return the relation that a document declares, or everything that is wrong with its form."""
    reader = Reader(document.source)
    top = reader.fields(
        document, "the relation", ("apiVersion", "kind", "metadata", "spec"), ("metadata", "spec")
    )
    name, at_name = "", document.location
    if "metadata" in top:
        metadata = reader.fields(
            top["metadata"], "metadata", ("name", "labels", "annotations"), ("name",)
        )
        if "name" in metadata:
            name, at_name = _name(reader, metadata["name"], "metadata.name")
    if "spec" not in top:
        return None, tuple(reader.problems)
    spec_node = top["spec"]
    spec = reader.fields(spec_node, "spec", _SPEC)
    inverse, at_inverse = "", at_name
    if "inverse" in spec:
        inverse, at_inverse = _name(reader, spec["inverse"], "spec.inverse")
    description = reader.string(spec.get("description"), "spec.description")
    across = reader.boolean(spec.get("acrossNamespaces"), "spec.acrossNamespaces")
    reference = reader.boolean(spec.get("reference"), "spec.reference")
    left, right = _sides(reader, spec, spec_node)
    if "both" in spec:
        for field in ("inverse", "reference"):
            if field in spec:
                reader.problem(
                    f"spec.{field} has no meaning beside spec.both",
                    spec[field].location,
                    "a relation with one side for both is its own inverse",
                )
    elif inverse and inverse == name:
        reader.problem(
            "spec.inverse is the relation's own name",
            at_inverse,
            "name the way back differently, or use spec.both for a symmetric relation",
        )
    if reader.problems or left is None or right is None:
        return None, tuple(reader.problems)
    declaration = RelationDeclaration(
        name, inverse, description, left, right, across, reference, at_name, at_inverse
    )
    return declaration, ()


def _name(reader: Reader, node: SourceNode, what: str) -> tuple[str, SourceLocation]:
    name = reader.string(node, what)
    if name and not _NAME.match(name):
        reader.problem(
            f'"{name}" cannot be the name of a relation',
            node.location,
            "lower-case letters, digits and hyphens, as in mounts-claim",
        )
    return name, node.location


def _sides(
    reader: Reader, spec: Mapping[str, SourceNode], node: SourceNode
) -> tuple[DeclaredSide | None, DeclaredSide | None]:
    if "both" in spec:
        for field in ("left", "right"):
            if field in spec:
                reader.problem(
                    f"spec has both and {field}",
                    spec[field].location,
                    "keep `both` for a symmetric relation, else `left` and `right`",
                )
        side = _side(reader, spec["both"], "spec.both")
        return side, side
    for field in ("left", "right"):
        if field not in spec:
            reader.problem(
                f'spec lacks "{field}"',
                node.location,
                "give `left` and `right`, or `both` for a symmetric relation",
            )
    left = _side(reader, spec["left"], "spec.left") if "left" in spec else None
    right = _side(reader, spec["right"], "spec.right") if "right" in spec else None
    return left, right


def _side(reader: Reader, node: SourceNode, what: str) -> DeclaredSide | None:
    before = len(reader.problems)
    fields = reader.fields(node, what, _SIDE, ("match",))
    kinds: tuple[str, ...] = ()
    if "match" in fields:
        match = reader.fields(fields["match"], f"{what}.match", ("kinds",), ("kinds",))
        texts = reader.located_strings(match.get("kinds"), f"{what}.match.kinds")
        kinds = tuple(text for text, _ in texts)
        for text, at in texts:
            if not is_kind_text(text):
                reader.problem(
                    f'"{text}" is no kind', at, "as in Deployment, apps/Deployment, workloads or *"
                )
        if "kinds" in match and not kinds and len(reader.problems) == before:
            reader.problem(f"{what}.match.kinds is empty", match["kinds"].location)
    if ("key" in fields) == ("keys" in fields):
        reader.problem(
            f"{what} needs either key or keys",
            node.location,
            "key: an expression that gives one key; keys: one that gives a list of keys",
        )
        return None
    field = "keys" if "keys" in fields else "key"
    keys = _expression(reader, fields[field], f"{what}.{field}")
    condition = None
    if "condition" in fields:
        condition = _expression(reader, fields["condition"], f"{what}.condition")
    if len(reader.problems) > before or keys is None:
        return None
    return DeclaredSide(kinds, keys, field == "keys", condition)


def _expression(reader: Reader, node: SourceNode, what: str) -> DeclaredExpression | None:
    before = len(reader.problems)
    text = reader.string(node, what)
    if len(reader.problems) > before:
        return None
    if not text.strip():
        reader.problem(f"{what} is empty", node.location)
        return None
    return DeclaredExpression(text, what, node.text_location)


# From what is written to a relation


def compile_relation(
    declaration: RelationDeclaration, libraries: Sequence[Library]
) -> tuple[Relation | None, tuple[Problem, ...]]:
    """Return the relation, or every mistake in its CEL with its place."""
    from kpolicy import cel

    environment = cel.Environment(
        variables={"object": cel.DYN}, libraries=libraries, lenient_presence=True
    )
    problems: list[Problem] = []

    def compiled(expression: DeclaredExpression | None, expected: Any) -> Program | None:
        if expression is None:
            return None
        try:
            program: Program = environment.compile(expression.source, expected=expected)
        except CelErrors as errors:
            problems.extend(_problem(expression, error) for error in errors.errors)
        except CelError as error:
            problems.append(_problem(expression, error))
        else:
            joining = sorted(program.functions & _JOINING)
            if not joining:
                return program
            problems.append(
                Problem(
                    f"{expression.what}: {joining[0]}() looks at other resources",
                    expression.place(max(expression.source.find(joining[0]), 0)),
                    "the keys of a resource come from that resource alone",
                )
            )
        return None

    def side(given: DeclaredSide) -> Side | None:
        keys = compiled(given.keys, None)
        condition = compiled(given.condition, cel.BOOL)
        if keys is None or (given.condition is not None and condition is None):
            return None
        return Side(given.kinds, _entries(declaration, given, keys, condition))

    left = side(declaration.left)
    symmetric = declaration.right is declaration.left
    right = left if symmetric else side(declaration.right)
    if left is None or right is None or problems:
        return None, tuple(problems)
    relation = Relation(
        name=declaration.name,
        inverse=declaration.inverse,
        left=left,
        right=right,
        nearest=symmetric,
        description=declaration.description,
        source=str(declaration.location),
    )
    return relation, ()


def _problem(expression: DeclaredExpression, error: CelError) -> Problem:
    lines = expression.source.split("\n")
    offset = sum(len(line) + 1 for line in lines[: max(error.line, 1) - 1])
    place = expression.place(offset + max(error.column, 1) - 1)
    return Problem(f"{expression.what}: {error.message}", place, error.hint)


class _OneResource:
    """The context of key expressions: kinds are known, other resources are not."""

    __slots__ = ("kinds", "resource")

    def __init__(self, kinds: Kinds) -> None:
        self.kinds = kinds
        self.resource = None


def _entries(
    declaration: RelationDeclaration,
    side: DeclaredSide,
    keys: Program,
    condition: Program | None,
) -> Callable[[Resource, Kinds], Iterator[Entry]]:
    place = _pointer_of(keys)
    target_kind = declaration.right.kinds[0]
    refers = declaration.reference and side is declaration.left

    def entries(resource: Resource, kinds: Kinds) -> Iterator[Entry]:
        bindings = {"object": resource.body}
        context = _OneResource(kinds)
        try:
            if condition is not None and condition.evaluate(bindings, context) is not True:
                return
            value = keys.evaluate(bindings, context)
        except CelError:
            return
        values: Iterable[Any] = (value,)
        if side.several:
            values = value if isinstance(value, (list, tuple)) else ()
        namespace = "" if declaration.across_namespaces else resource.key.namespace
        seen: set[Key] = set()
        for item in values:
            key = _key(item)
            if key is None or key in seen or len(seen) >= MAX_KEYS:
                continue
            seen.add(key)
            target = _target(target_kind, namespace, key) if refers else None
            yield Entry((namespace, *key), None, place, target=target)

    return entries


def _key(value: Any) -> Key | None:
    """Return the key that a value stands for, None if it can be none: null, a map, nothing at
    all."""
    if isinstance(value, (list, tuple)):
        parts = [_key(item) for item in value]
        if not parts or any(part is None for part in parts):
            return None
        return ("list", *parts)
    if value is None or isinstance(value, Mapping):
        return None
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, (int, float)):
        return ("number", value)
    return ("string", str(value))


def _target(kind_text: str, namespace: str, key: Key) -> tuple[str | None, str, str, str | None]:
    prefix, _, kind = kind_text.rpartition("/")
    group = split_api_version(prefix)[0] if prefix.count("/") else prefix or None
    return group, kind, namespace, _text(key)


def _text(key: Key) -> str:
    return "/".join(_text(part) for part in key[1:]) if key[0] == "list" else str(key[1])


def _pointer_of(program: Program) -> str:
    """Return the JSON pointer of `object.a.b`; "" for any other expression."""
    from kpolicy.cel.nodes import Identifier, Select

    parts: list[str] = []
    node: Any = program.ast
    while isinstance(node, Select) and not node.test and not node.optional:
        parts.append(node.field)
        node = node.operand
    if isinstance(node, Identifier) and node.name == "object":
        return pointer(*reversed(parts))
    return ""


def directory_with(
    relations: Iterable[Relation],
    declarations: Iterable[RelationDeclaration],
    libraries: Sequence[Library],
) -> tuple[Mapping[str, Direction], tuple[Problem, ...]]:
    """Return every name that `related(...)` may use, declared relations included, and what is
    wrong.

    Raises ValueError when two of `relations` claim one name; a declaration that does is a problem.
    """
    from kpolicy.relations.index import directory

    found = dict(directory(relations))
    problems: list[Problem] = []
    for declaration in declarations:
        taken = False
        for name, at in (
            (declaration.name, declaration.location),
            (declaration.inverse, declaration.inverse_location),
        ):
            if name and name in found:
                taken = True
                problems.append(
                    Problem(f'another relation is named "{name}"', at, "rename one of the two")
                )
        relation, wrong = compile_relation(declaration, libraries)
        problems.extend(wrong)
        if relation is not None and not taken:
            found.update(directory([relation]))
    return MappingProxyType(found), tuple(problems)
