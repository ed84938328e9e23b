"""What a unit knows when its policy is a ValidatingAdmissionPolicy, and how it is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from kpolicy.engine.admission.matcher import AdmissionMatcher
from kpolicy.engine.evaluate import Unit
from kpolicy.frozen import FrozenDict, freeze
from kpolicy.policy.admission import severity_of_actions
from kpolicy.policy.defined_schemas import schemas_in, schemas_with
from kpolicy.policy.vap_matching import (
    NAME_LABEL,
    Constraints,
    NamespaceLabels,
    Target,
    constraints_of,
    labels_of,
)
from kpolicy.records import dataclass
from kpolicy.snapshot.kinds import Kinds, custom_kind_of, split_api_version
from kpolicy.snapshot.resource import ResourceKey

if TYPE_CHECKING:
    from kpolicy.policy.compiled import CompiledPolicy
    from kpolicy.schemas.model import Schema, SchemaSet
    from kpolicy.snapshot.snapshot import Snapshot


class Param(NamedTuple):
    """A resource that may parameterise a policy."""

    namespace: str
    """As written."""
    name: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Binding:
    """A Binding, its matcher ready."""

    name: str
    constraints: Constraints | None
    actions: tuple[str, ...]
    param_ref: Mapping[str, Any] | None

    @property
    def severity(self) -> str:
        """What its actions stand for."""
        return severity_of_actions(self.actions)


@dataclass(frozen=True, slots=True, eq=False)
class Admission:
    """What a unit knows when its policy is a ValidatingAdmissionPolicy."""

    constraints: Constraints
    bindings: tuple[Binding, ...]
    """At least one: where the input has none, one that denies everywhere."""
    bound: bool
    param_kind: tuple[str, str] | None
    given: tuple[Param, ...]
    """Parameters from policy files and `--params`."""
    reasons: Sequence[str]
    audit: Sequence[str]
    kinds: Kinds
    reads_request: bool
    reads_namespace: bool
    severity: str
    """The policy's own, before a configuration changes it."""
    rule: str = ""
    """The rule that this is, of a policy with several."""
    definitions: Sequence[Mapping[str, Any]] = ()
    """CustomResourceDefinitions that stand beside the policies, or among `--params`."""
    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Namespaces by name that stand beside the policies, or among `--params`."""
    _namespaces: dict[tuple[int, str, str], FrozenDict] = field(default_factory=dict)
    _schemas: list[SchemaSet] = field(default_factory=list)

    def namespace(self, snapshot: Snapshot | None, scope: str, name: str) -> FrozenDict:
        """Return a Namespace as policies see it: the input's, the one beside the policies, or as
        the server makes it."""
        key = (id(snapshot), scope, name)
        found = self._namespaces.get(key)
        if found is None:
            known = None
            if snapshot is not None:
                known = snapshot.get(ResourceKey("", "Namespace", "", name), scope)
            body = self.beside.get(name) if known is None else known.body
            found = self._namespaces[key] = _namespace(name, body)
        return found

    def schema(self, snapshot: Snapshot | None, target: Target) -> Schema | None:
        """Return the schema of a custom resource: by the input's definition, or one beside the
        policies; None for a built-in kind, or without a definition."""
        if self.kinds.is_built_in_group(target.group):
            return None
        key = (target.group, target.version, target.kind)
        found = None if snapshot is None else schemas_in(snapshot).schema_for(*key)
        if found is None and self.definitions:
            if not self._schemas:
                self._schemas.append(schemas_with(self.definitions))
            found = self._schemas[0].schema_for(*key)
        return found

    def labels(self, snapshot: Snapshot | None, scope: str) -> NamespaceLabels:
        """Return what gives the labels of a Namespace by its name."""

        def labels_of(name: str) -> Mapping[str, Any]:
            found: Mapping[str, Any] = self.namespace(snapshot, scope, name)["metadata"]["labels"]
            return found

        return labels_of


def _namespace(name: str, body: Mapping[str, Any] | None) -> FrozenDict:
    known = body or {}
    metadata = known.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    labels = {NAME_LABEL: name, **(labels_of(known) or {})}
    made: FrozenDict = freeze(
        {
            "metadata": {**metadata, "name": name, "labels": labels},
            "spec": known.get("spec") or {"finalizers": ["kubernetes"]},
            "status": known.get("status") or {"phase": "Active"},
        }
    )
    return made


def admission_unit(
    compiled: CompiledPolicy, kinds: Kinds, number: int, params: Sequence[Mapping[str, Any]] = ()
) -> Unit:
    """Return the unit of a ValidatingAdmissionPolicy; `params` are those of `--params`."""
    policy = compiled.policy
    data = policy.metadata["vap"]
    bindings = tuple(
        Binding(
            b["name"],
            constraints_of(b["constraints"]) if b["constraints"] is not None else None,
            tuple(b["actions"]),
            b["paramRef"],
        )
        for b in data["bindings"]
    )
    param_kind = None
    if data["paramKind"]:
        group, _ = split_api_version(data["paramKind"]["apiVersion"])
        param_kind = (group, data["paramKind"]["kind"])
    constraints = constraints_of(data["constraints"])
    admission = Admission(
        constraints=constraints,
        bindings=bindings or (Binding("", None, ("Deny",), None),),
        bound=bool(bindings),
        param_kind=param_kind,
        given=tuple(_given(param_kind, (*data["params"], *params))),
        reasons=data["reasons"],
        audit=data["audit"],
        kinds=kinds,
        reads_request="request" in compiled.references,
        reads_namespace="namespaceObject" in compiled.references,
        severity=severity_of_actions([a for b in bindings for a in b.actions]),
        rule=data.get("rule", ""),
        definitions=[
            body for body in (*data.get("definitions", ()), *params) if custom_kind_of(body)
        ],
        beside=dict(_namespaces_in((*params, *data.get("namespaces", ())))),
    )
    all_constraints = [constraints, *(b.constraints for b in bindings if b.constraints)]
    certain = _is_certain(all_constraints, admission.reads_request, kinds)
    joins = (
        compiled.joins
        or not certain
        or _covers_custom(all_constraints, kinds)
        or admission.reads_namespace
        or bool(param_kind and any(b.param_ref for b in bindings))
        or any(c.namespaces for c in all_constraints)
    )
    references = compiled.references | {"request"}
    ready = replace(compiled, joins=joins, references=references)
    matcher: Any = AdmissionMatcher(constraints, kinds, certain)
    return Unit(ready, matcher, {}, number, admission)


def _covers_custom(constraints: Iterable[Constraints], kinds: Kinds) -> bool:
    """Return whether these may meet custom resources, whose defaults their definitions tell."""
    return any(
        not kinds.is_built_in_group(group)
        for each in constraints
        for rule in each.rules
        for group in rule["apiGroups"]
    )


def _is_certain(constraints: Iterable[Constraints], reads_request: bool, kinds: Kinds) -> bool:
    """Return whether no definition in the input can change what these cover."""
    for each in constraints:
        for rule in (*each.rules, *each.excluded):
            if all(kinds.is_built_in_group(group) for group in rule["apiGroups"]):
                continue
            if reads_request or rule["scope"] != "*" or not {"*", "*/*"} & {*rule["resources"]}:
                return False
    return True


def _namespaces_in(
    bodies: Iterable[Mapping[str, Any]],
) -> Iterable[tuple[str, Mapping[str, Any]]]:
    for body in bodies:
        if (body.get("apiVersion"), body.get("kind")) == ("v1", "Namespace"):
            metadata = body.get("metadata")
            name = metadata.get("name") if isinstance(metadata, dict) else None
            if isinstance(name, str):
                yield name, body


def _given(
    param_kind: tuple[str, str] | None, bodies: Iterable[Mapping[str, Any]]
) -> Iterable[Param]:
    for body in bodies:
        group, _ = split_api_version(str(body.get("apiVersion") or ""))
        if (group, body.get("kind")) != param_kind:
            continue
        metadata = body.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        namespace, name = metadata.get("namespace"), metadata.get("name")
        yield Param(
            namespace if isinstance(namespace, str) else "",
            name if isinstance(name, str) else "",
            freeze(dict(body)),
        )
