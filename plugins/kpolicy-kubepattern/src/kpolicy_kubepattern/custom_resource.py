"""KubePattern's custom resource: `apiVersion: kubepattern.dev/v1`, `kind: Pattern`.

A target that passes its filters and whose relationships are as `matchAll`, `matchAny` and
`matchNone` say is a finding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kpolicy.policy.formats import Loaded
from kpolicy.policy.source import Reader
from kpolicy.relations.selecting import SELECTS

from kpolicy_kubepattern.criteria import Criterion, relation_of
from kpolicy_kubepattern.filters import NUMBERS, SIZES
from kpolicy_kubepattern.pattern import Need, Pattern, Walk
from kpolicy_kubepattern.reading import (
    GROUPS,
    filters_of,
    kind_of,
    message_of,
    path_of,
    policy_id,
    policy_of,
    severity_of,
    text,
)
from kpolicy_kubepattern.relationships import Ancestry, Way
from kpolicy_kubepattern.subjects import Subject

if TYPE_CHECKING:
    from kpolicy.policy.model import Severity
    from kpolicy.policy.source import SourceNode

_METADATA = (
    "name", "generateName", "namespace", "labels", "annotations", "uid", "resourceVersion",
    "generation", "creationTimestamp", "managedFields", "ownerReferences", "finalizers", "selfLink",
)  # fmt: skip
_SPEC = (
    "displayName", "category", "severity", "reference", "message", "target", "dependencies",
    "relationships",
)  # fmt: skip
_SUBJECT = ("kind", "apiVersion", "plural", "filters")
_OPERATORS = ("EQUALS", "EXISTS", "IS_EMPTY", *NUMBERS, *SIZES)
_TYPES = ("custom", "owns", "ownedBy", "selects", "selectedBy")
_WORDS = tuple(
    f"target.{word}"
    for word in ("metadata.name", "metadata.namespace", "metadata.uid", "kind", "apiVersion")
)
#: Kinds whose selectors kpolicy knows to select pods.
_SELECTORS = frozenset(
    {("", "Service"), ("networking.k8s.io", "NetworkPolicy"), ("policy", "PodDisruptionBudget")}
)
_API_VERSION = re.compile(r"([a-z0-9.-]+/)?v[a-z0-9]+\Z")

#: Keys that newer versions of KubePattern know, and why they are refused.
_REFUSED: Mapping[str, str] = {
    "for": "a scan sees one moment, so nothing lasts",
    "emitOnEmpty": "a finding needs a place; it would have none",
    "kinds": "write one pattern for each kind",
    "category": "categories of kinds are known to a cluster alone",
    "fromTarget": "write the kind",
    "valuesFrom": "write the values",
    "selectorPath": "the selector is where the kind has it",
}
_REFUSED_OF_CRITERIA = (
    "targetValue", "dependencyValue", "targetDefault", "dependencyDefault", "targetTransform",
    "dependencyTransform",
)  # fmt: skip


def load_custom_resource(document: SourceNode) -> Loaded:
    """Return the policy that a custom resource is, or all that is wrong with it."""
    reader = Reader(document.source)
    top = reader.fields(
        document,
        "the pattern",
        ("apiVersion", "kind", "metadata", "spec", "status"),
        ("metadata", "spec"),
    )
    if "metadata" not in top or "spec" not in top:
        return Loaded((), tuple(reader.problems))
    metadata = reader.fields(top["metadata"], "metadata", _METADATA, ("name",))
    name = policy_id(reader, metadata.get("name"))
    spec = _fields(
        reader, top["spec"], "spec", _SPEC, ("for",),
        ("displayName", "severity", "message", "target"),
    )  # fmt: skip
    severities: Mapping[str, Severity] = {
        "LOW": "info", "MEDIUM": "warning", "HIGH": "error", "CRITICAL": "error",
    }  # fmt: skip
    reference = reader.string(spec.get("reference"), "spec.reference")
    told = {
        "severity": severity_of(reader, spec.get("severity"), "spec.severity", severities),
        "title": reader.string(spec.get("displayName"), "spec.displayName"),
        "category": reader.string(spec.get("category"), "spec.category"),
        "references": (reference,) if reference else (),
    }
    message = message_of(reader, spec.get("message"), _WORDS)
    target = _subject(reader, "target", spec.get("target"), "spec.target", ("emitOnEmpty",))
    if target is None:
        return Loaded((), tuple(reader.problems))
    dependencies = _dependencies(reader, spec.get("dependencies"))
    matched = _relationships(reader, spec.get("relationships"), name, target, dependencies)
    needs = (*matched["matchAll"], *matched["matchNone"])
    pattern = Pattern(name, message, target, needs, any_of=matched["matchAny"])
    return policy_of(reader, pattern, document, **told)


def _fields(
    reader: Reader,
    node: SourceNode,
    what: str,
    known: Sequence[str],
    refused: Sequence[str],
    required: Sequence[str] = (),
) -> dict[str, SourceNode]:
    """Return the entries of a mapping; those that KubePattern knows and this does not are named."""
    fields = reader.fields(node, what, (*known, *refused), required)
    for key in refused:
        given = fields.pop(key, None)
        if given is not None and given.value is not False:
            places = {name: at for name, at, _ in node.items()}
            why = _REFUSED.get(key, "compare with a path, by EQUALS")
            reader.problem(f"{what}.{key} is not supported", places.get(key, given.location), why)
    return fields


def _subject(
    reader: Reader,
    id_: str,
    node: SourceNode | None,
    what: str,
    refused: Sequence[str],
    more: Sequence[str] = (),
) -> Subject | None:
    if node is None:
        return None
    fields = _fields(
        reader, node, what, (*more, *_SUBJECT), ("kinds", "category", *refused),
        (*more, "kind", "apiVersion"),
    )  # fmt: skip
    kind = kind_of(reader, fields.get("kind"), f"{what}.kind")
    version = fields.get("apiVersion")
    api_version = text(reader, version, f"{what}.apiVersion")
    if version is not None and api_version and not _API_VERSION.match(api_version):
        reader.problem(f'"{api_version}" is no apiVersion', version.location, "as in v1 or apps/v1")
    reader.string(fields.get("plural"), f"{what}.plural")
    filters = filters_of(reader, fields.get("filters"), f"{what}.filters", "path", _OPERATORS)
    return Subject(id_, kind, api_version.rpartition("/")[0], filters) if kind else None


def _dependencies(reader: Reader, node: SourceNode | None) -> dict[str, Subject | None]:
    """Return the dependencies by id; None for one that could not be read."""
    found: dict[str, Subject | None] = {}
    for number, entry in enumerate(reader.sequence(node, "spec.dependencies")):
        here = f"spec.dependencies[{number}]"
        id_node = entry.get("id")
        subject = _subject(reader, "", entry, here, ("fromTarget",), ("id",))
        id_ = text(reader, id_node, f"{here}.id")
        if id_node is None or not id_:
            continue
        if id_ in found:
            reader.problem(f'two dependencies have the id "{id_}"', id_node.location)
        found[id_] = subject
    return found


def _relationships(
    reader: Reader,
    node: SourceNode | None,
    name: str,
    target: Subject,
    dependencies: Mapping[str, Subject | None],
) -> dict[str, tuple[Need, ...]]:
    found: dict[str, tuple[Need, ...]] = dict.fromkeys(GROUPS, ())
    if node is None:
        return found
    fields = reader.fields(node, "spec.relationships", GROUPS)
    for group in GROUPS:
        here = f"spec.relationships.{group}"
        needs = []
        for number, entry in enumerate(reader.sequence(fields.get(group), here)):
            what = f"{here}[{number}]"
            read = _relationship(
                reader, entry, what, f"{name}-{group}-{number}", target, dependencies
            )
            if read is not None:
                subject, walk = read
                needs.append(Need((walk,), subject, shared=group != "matchNone"))
        found[group] = tuple(needs)
    return found


def _relationship(
    reader: Reader,
    node: SourceNode,
    what: str,
    name: str,
    target: Subject,
    dependencies: Mapping[str, Subject | None],
) -> tuple[Subject, Walk] | None:
    fields = _fields(
        reader, node, what, ("with", "type", "criteria"), ("selectorPath",), ("with", "type")
    )
    with_node, type_node = fields.get("with"), fields.get("type")
    id_ = text(reader, with_node, f"{what}.with")
    type_ = reader.choice(type_node, f"{what}.type", _TYPES, "")
    criteria_node = fields.get("criteria")
    criteria = _criteria(reader, criteria_node, f"{what}.criteria")
    if with_node is not None and id_ and id_ not in dependencies:
        hint = f"ids: {', '.join(dependencies) or 'none'}"
        reader.problem(f'{what}: no dependency has the id "{id_}"', with_node.location, hint)
    dependency = dependencies.get(id_)
    if dependency is None or type_node is None or not type_:
        return None
    if type_ == "custom":
        if criteria_node is None or not criteria_node.elements():
            reader.problem(f"{what}: custom needs criteria", type_node.location)
        if not criteria:
            return None
        return dependency, Way(relation_of(name, target, dependency, criteria))
    if criteria_node is not None and criteria_node.elements():
        at = criteria_node.location
        reader.problem(
            f"{what}: criteria beside {type_} are not supported", at, "only custom takes them"
        )
        return None
    if type_ in ("owns", "ownedBy"):
        return dependency, Ancestry(reverse=type_ == "owns")
    one, many = (target, dependency) if type_ == "selects" else (dependency, target)
    if (one.group, one.kind) not in _SELECTORS or not many.is_pod:
        reader.problem(
            f"{what}: that {one.kind} selects {many.kind} is not supported", type_node.location,
            "Service, NetworkPolicy and PodDisruptionBudget select Pods",
        )  # fmt: skip
        return None
    return dependency, Way(SELECTS, reverse=type_ == "selectedBy")


def _criteria(reader: Reader, node: SourceNode | None, here: str) -> tuple[Criterion, ...]:
    found = []
    for number, entry in enumerate(reader.sequence(node, here)):
        what = f"{here}[{number}]"
        fields = _fields(
            reader, entry, what, ("targetPath", "dependencyPath", "operator"),
            _REFUSED_OF_CRITERIA, ("targetPath", "dependencyPath", "operator"),
        )  # fmt: skip
        operator = fields.get("operator")
        if operator is not None and operator.value in ("CONTAINS", "LABEL_SELECTOR"):
            reader.problem(
                f"{what}.operator: {operator.value} is not supported", operator.location,
                "no engine of KubePattern has it; EQUALS compares values",
            )  # fmt: skip
        else:
            reader.choice(operator, f"{what}.operator", ("EQUALS",), "")
        mine = path_of(reader, fields.get("targetPath"), f"{what}.targetPath")
        theirs = path_of(reader, fields.get("dependencyPath"), f"{what}.dependencyPath")
        if mine is not None and theirs is not None:
            found.append(Criterion(mine, theirs))
    return tuple(found)
