"""`match` and `exclude` of Kyverno's rules, as resource rules and one CEL condition.

The kinds become rules, so that a resource meets only policies of its kind; all the rest (names,
namespaces, labels, annotations, operations, users) becomes CEL over `object` and `request`.
Source: kyverno.io/v1, MatchResources, and pkg/utils/match of kyverno/kyverno.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kpolicy.cel.writer import literal
from kpolicy.snapshot.kinds import Kinds

if TYPE_CHECKING:
    from kpolicy.policy.source import SourceNode
    from kpolicy.policy.vap_reading import Lenient

_BLOCK = ("resources", "subjects", "roles", "clusterRoles")
_RESOURCES = (
    "kinds", "name", "names", "namespaces", "annotations", "selector", "namespaceSelector",
    "operations",
)  # fmt: skip
_OPERATIONS = ("CREATE", "UPDATE", "DELETE", "CONNECT")
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
_VERSION = re.compile(r"v[0-9]+((alpha|beta)[0-9]+)?\Z|\*\Z")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind as a rule names it; parts may be `*`."""

    group: str
    version: str
    kind: str
    subresource: str = ""

    def rule(self, operations: Sequence[str]) -> dict[str, Any]:
        """Return the resource rule of this kind."""
        known = Kinds.of()
        group = self.group
        plural = "*" if self.kind == "*" else known.plural("" if group == "*" else group, self.kind)
        if group == "*" and self.kind != "*":
            # The plural of whichever built-in group has the kind.
            groups = [g for g, k in _built_in() if k == self.kind]
            plural = known.plural(groups[0], self.kind) if groups else plural
        resource = f"{plural}/{self.subresource}" if self.subresource else plural
        return {
            "apiGroups": [group],
            "apiVersions": [self.version],
            "resources": [resource],
            "operations": list(operations),
            "resourceNames": [],
            "scope": "*",
        }

    def test(self) -> str:
        """Return CEL that holds for a request about this kind."""
        parts = []
        if self.kind != "*":
            parts.append(f"request.kind.kind == {literal(self.kind)}")
        if self.group != "*":
            parts.append(f"request.kind.group == {literal(self.group)}")
        if self.version != "*":
            parts.append(f"request.kind.version == {literal(self.version)}")
        return " && ".join(parts) or "true"


def _built_in() -> list[tuple[str, str]]:
    from kpolicy.snapshot.tables import built_in_kinds

    return [(row.group, row.kind) for row in built_in_kinds()]


def parse_kind(text: str) -> Kind:
    """Return what `Pod`, `v1/Pod`, `apps/v1/Deployment`, `Pod/exec`, `*/Scale` or `Pod.exec` name.

    Source: ParseKindSelector of kyverno/kyverno.
    """
    parts = text.split("/")
    subresource = ""
    if len(parts) > 1 and not _VERSION.match(parts[0]) and not _is_group(parts):
        # Kind/subresource
        kind, subresource = parts[0], "/".join(parts[1:])
        return Kind("*", "*", *_dotted(kind, subresource))
    if len(parts) == 1:
        return Kind("*", "*", *_dotted(parts[0], ""))
    if _VERSION.match(parts[0]):
        if len(parts) > 2 and parts[0] == "*" and _VERSION.match(parts[1]):
            return Kind("*", parts[1], *_dotted(parts[2], "/".join(parts[3:])))
        group = "*" if parts[0] == "*" else ""
        return Kind(group, parts[0], *_dotted(parts[1], "/".join(parts[2:])))
    return Kind(parts[0], parts[1], *_dotted(parts[2], "/".join(parts[3:])))


def _is_group(parts: Sequence[str]) -> bool:
    return len(parts) > 2 and bool(_VERSION.match(parts[1]))


def _dotted(kind: str, subresource: str) -> tuple[str, str]:
    name, dot, below = kind.partition(".")
    return (name, below) if dot and not subresource else (kind, subresource)


@dataclass(frozen=True, slots=True)
class Filter:
    """One block of a match: kinds, and the CEL that holds for what it means."""

    kinds: tuple[Kind, ...]
    operations: tuple[str, ...]
    condition: str
    """Without the kinds."""
    namespace_selector: Mapping[str, Any] | None
    special: bool
    """Whether it says more than kinds: names, labels, annotations."""

    def test(self) -> str:
        """Return CEL that holds for a request that the block means."""
        kinds = " || ".join(f"({kind.test()})" for kind in self.kinds)
        parts = [f"({kinds})"] if kinds else []
        if self.operations:
            parts.append(f"request.operation in {_list(self.operations)}")
        if self.condition != "true":
            parts.append(f"({self.condition})")
        return " && ".join(parts) or "true"


@dataclass(frozen=True, slots=True)
class Block:
    """`match` or `exclude`: filters of which `any`, or `all`, must mean a request."""

    filters: tuple[Filter, ...]
    every: bool = False

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Every kind that some filter names."""
        return tuple(dict.fromkeys(kind for each in self.filters for kind in each.kinds))

    def with_kinds(self, kinds: tuple[Kind, ...]) -> Block:
        """Return the same block about other kinds."""
        return replace(self, filters=tuple(replace(f, kinds=kinds) for f in self.filters))

    def test(self) -> str:
        """Return CEL that holds for a request that is meant."""
        sign = " && " if self.every else " || "
        return sign.join(f"({each.test()})" for each in self.filters) or "false"


def read_block(
    read: Lenient, node: SourceNode | None, what: str, *, excludes: bool = False
) -> Block:
    """Return a `match` or `exclude`; what cannot be said offline is a problem.

    Which roles a user has is not known; what `excludes` by roles therefore excludes nobody.
    """
    if node is None:
        return Block(())
    fields = read.fields(node, what, ("any", "all", *_BLOCK))
    for key in ("any", "all"):
        if key in fields:
            entries = read.reader.sequence(fields[key], f"{what}.{key}")
            filters = tuple(
                _filter(read, entry, f"{what}.{key}[{number}]", excludes)
                for number, entry in enumerate(entries)
            )
            return Block(filters, every=key == "all")
    return Block((_filter(read, node, what, excludes),))


def _filter(read: Lenient, node: SourceNode, what: str, excludes: bool) -> Filter:
    reader = read.reader
    fields = read.fields(node, what, _BLOCK)
    conditions = []
    for key in ("roles", "clusterRoles"):
        if key in fields and excludes:
            conditions.append("false")
            read.notes.append(
                f"{fields[key].location}: {what}.{key} excludes nobody: which roles a user has is "
                "not known offline"
            )
        elif key in fields:
            reader.problem(
                f"{what}.{key} is refused: which roles a user has is not known offline",
                fields[key].location,
            )
    given = fields.get("resources")
    inner = read.fields(given, f"{what}.resources", _RESOURCES)
    here = f"{what}.resources"
    kinds = tuple(parse_kind(k) for k in reader.strings(inner.get("kinds"), f"{here}.kinds"))
    names = [*reader.strings(inner.get("names"), f"{here}.names")]
    if "name" in inner:
        names.append(reader.string(inner["name"], f"{here}.name"))
    if names:
        metadata = "(object != null ? object : oldObject).metadata"
        own = f"({metadata}.?name.orValue({metadata}.?generateName.orValue('')))"
        conditions.append(_any_glob(own, names))
    namespaces = reader.strings(inner.get("namespaces"), f"{here}.namespaces")
    if namespaces:
        conditions.append(_any_glob("request.?namespace.orValue('')", namespaces))
    conditions += _maps(inner.get("annotations"), "annotations")
    conditions += _selector(read, inner.get("selector"), f"{here}.selector")
    conditions += _subjects(read, fields.get("subjects"), f"{what}.subjects")
    operations = reader.located_strings(inner.get("operations"), f"{here}.operations")
    for operation, at in operations:
        if operation not in _OPERATIONS:
            reader.problem(f'"{operation}" is no operation', at, f"one of {_OPERATIONS}")
    selected = inner.get("namespaceSelector")
    special = any(key in inner for key in ("name", "names", "selector", "annotations"))
    return Filter(
        kinds,
        tuple(operation for operation, _ in operations),
        " && ".join(f"({c})" for c in conditions) or "true",
        selected.value if selected is not None and selected.kind == "mapping" else None,
        special,
    )


def _maps(node: SourceNode | None, field: str) -> list[str]:
    """Return conditions for wildcards over the keys and values of labels or annotations."""
    value = node.value if node is not None and node.kind == "mapping" else {}
    found = []
    for key, wanted in value.items():
        own = f"(object != null ? object : oldObject).metadata.?{field}.orValue({{}})"
        if _is_glob(key):
            test = f"k.matches({_regex(key)}) && string(__all[k]).matches({_regex(str(wanted))})"
            found.append(f"[{own}].exists(__all, __all.exists(k, {test}))")
        else:
            name = literal(key)
            found.append(f"{name} in {own} && {_any_glob(f'string({own}[{name}])', [str(wanted)])}")
    return found


def _selector(read: Lenient, node: SourceNode | None, what: str) -> list[str]:
    fields = read.fields(node, what, ("matchLabels", "matchExpressions"))
    found = _maps(fields.get("matchLabels"), "labels")
    own = "(object != null ? object : oldObject).metadata.?labels.orValue({})"
    entries = read.reader.sequence(fields.get("matchExpressions"), f"{what}.matchExpressions")
    for number, entry in enumerate(entries):
        here = f"{what}.matchExpressions[{number}]"
        inner = read.fields(entry, here, ("key", "operator", "values"), ("key", "operator"))
        key = literal(read.reader.string(inner.get("key"), f"{here}.key"))
        operator = read.reader.choice(
            inner.get("operator"), f"{here}.operator", _OPERATORS, "Exists"
        )
        values = _list(read.reader.strings(inner.get("values"), f"{here}.values"))
        found.append(
            {
                "In": f"{key} in {own} && {own}[{key}] in {values}",
                "NotIn": f"!({key} in {own} && {own}[{key}] in {values})",
                "Exists": f"{key} in {own}",
                "DoesNotExist": f"!({key} in {own})",
            }[operator]
        )
    return found


def _subjects(read: Lenient, node: SourceNode | None, what: str) -> list[str]:
    tests = []
    for number, entry in enumerate(read.reader.sequence(node, what)):
        here = f"{what}[{number}]"
        fields = read.fields(
            entry, here, ("kind", "name", "namespace", "apiGroup"), ("kind", "name")
        )
        kind = read.reader.string(fields.get("kind"), f"{here}.kind")
        name = read.reader.string(fields.get("name"), f"{here}.name")
        namespace = read.reader.string(fields.get("namespace"), f"{here}.namespace")
        user = "request.userInfo.?username.orValue('')"
        if kind == "ServiceAccount":
            tests.append(_any_glob(user, [f"system:serviceaccount:{namespace}:{name}"]))
        elif kind == "Group":
            groups = "request.userInfo.?groups.orValue([])"
            tests.append(f"{groups}.exists(g, {_any_glob('g', [name])})")
        else:
            tests.append(_any_glob(user, [name]))
    return [" || ".join(f"({test})" for test in tests)] if tests else []


# Texts


def _list(values: Sequence[str]) -> str:
    return f"[{', '.join(literal(value) for value in values)}]"


def _is_glob(text: str) -> bool:
    return "*" in text or "?" in text


def _regex(pattern: str) -> str:
    """Return the regular expression of a wildcard pattern, as a literal."""
    parts = ("[\\s\\S]*" if c == "*" else "[\\s\\S]" if c == "?" else re.escape(c) for c in pattern)
    return literal(f"^{''.join(parts)}$")


def _any_glob(subject: str, patterns: Sequence[str]) -> str:
    plain = [pattern for pattern in patterns if not _is_glob(pattern)]
    tests = [f"{subject} in {_list(plain)}"] if plain else []
    tests += [f"{subject}.matches({_regex(p)})" for p in patterns if _is_glob(p)]
    return " || ".join(tests)
