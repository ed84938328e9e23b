"""KubePattern's registry form: JSON with `version: kubepattern.it/v1`.

Read from its public documentation and definitions. What its engine would pass over in silence
(a relationship that does not begin at the leader, a type that nothing decides) is a problem here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kpolicy.policy.formats import Loaded
from kpolicy.policy.source import Reader

from kpolicy_kubepattern.filters import NUMBERS, SIZES, WITHOUT_VALUES
from kpolicy_kubepattern.pattern import Common, Need, Pattern
from kpolicy_kubepattern.reading import (
    filters_of,
    kind_of,
    message_of,
    policy_id,
    policy_of,
    severity_of,
    text,
)
from kpolicy_kubepattern.relationships import TYPES, UNSUPPORTED
from kpolicy_kubepattern.subjects import Subject

if TYPE_CHECKING:
    from kpolicy.policy.model import Severity
    from kpolicy.policy.source import SourceNode

_METADATA = (
    "name", "displayName", "patternType", "severity", "category", "gitUrl", "docUrl", "description",
)  # fmt: skip
_SPEC = (
    "message", "topology", "resources", "actors", "relationships", "commonRelationships",
    "minRelationshipPoints", "minCommonRelationshipPoints",
)  # fmt: skip
_RELATIONSHIP = ("id", "type", "description", "weight", "required", "shared", "resourceIds")
_TYPES = (
    "FOUNDATIONAL", "BEHAVIORAL", "STRUCTURAL", "CONFIGURATION", "SECURITY", "ADVANCED", "CUSTOM",
)  # fmt: skip
_OPERATORS = ("EQUALS", "NOT_EQUALS", *WITHOUT_VALUES, *NUMBERS, *SIZES)


def load_registry(document: SourceNode) -> Loaded:
    """Return the policy that a registry definition is, or all that is wrong with it."""
    reader = Reader(document.source)
    top = reader.fields(
        document, "the pattern", ("version", "kind", "metadata", "spec"), ("metadata", "spec")
    )
    if "metadata" not in top or "spec" not in top:
        return Loaded((), tuple(reader.problems))
    severities: Mapping[str, Severity] = {
        "CRITICAL": "error", "WARNING": "warning", "INFO": "info",
    }  # fmt: skip
    metadata = reader.fields(
        top["metadata"], "metadata", _METADATA, ("name", "displayName", "severity")
    )
    reader.choice(metadata.get("patternType"), "metadata.patternType", _TYPES, "")
    told = {
        "severity": severity_of(reader, metadata.get("severity"), "metadata.severity", severities),
        "title": reader.string(metadata.get("displayName"), "metadata.displayName"),
        "category": reader.string(metadata.get("category"), "metadata.category"),
        "description": reader.string(metadata.get("description"), "metadata.description"),
        "references": tuple(
            address
            for address in (reader.string(metadata.get("docUrl"), "metadata.docUrl"),)
            if address
        ),
    }
    reader.string(metadata.get("gitUrl"), "metadata.gitUrl")
    name = policy_id(reader, metadata.get("name"))
    pattern = _Spec(reader, name, top["spec"]).read()
    return policy_of(reader, pattern, document, **told)


class _Spec:
    """Reads `spec`: resources first, then what refers to them."""

    def __init__(self, reader: Reader, name: str, node: SourceNode) -> None:
        self.reader = reader
        self.name = name
        self.node = node
        self.fields = reader.fields(
            node, "spec", _SPEC, ("message", "topology", "resources", "actors")
        )
        self.subjects: dict[str, Subject] = {}
        self.leader: Subject | None = None

    def read(self) -> Pattern | None:
        """Return the pattern; None where the reader has problems that leave none."""
        reader, fields = self.reader, self.fields
        topology = reader.choice(
            fields.get("topology"), "spec.topology", ("SINGLE", "LEADER_FOLLOWER"), ""
        )
        self._resources()
        leader = self.leader
        if leader is None:
            return None
        follower = self._follower(topology, leader)
        actors = [leader] if follower is None else [leader, follower]
        words = [f"{subject.id}.{word}" for subject in actors for word in ("name", "namespace")]
        message = message_of(reader, fields.get("message"), words)
        needs = self._needs(leader)
        common = self._common(topology, leader, follower)
        if topology == "LEADER_FOLLOWER" and not common and not reader.problems:
            reader.problem(
                "a LEADER_FOLLOWER pattern without commonRelationships would pair every leader "
                "with every follower",
                self.node.location,
            )
        return Pattern(
            self.name,
            message,
            leader,
            needs,
            self._points("minRelationshipPoints"),
            (),
            follower,
            common,
            self._points("minCommonRelationshipPoints"),
        )

    def _resources(self) -> None:
        reader, node = self.reader, self.fields.get("resources")
        entries = reader.sequence(node, "spec.resources")
        if node is not None and node.kind == "sequence" and not entries:
            reader.problem("spec.resources is empty", node.location)
        for number, entry in enumerate(entries):
            here = f"spec.resources[{number}]"
            fields = reader.fields(
                entry, here, ("resource", "id", "leader", "filters"), ("resource", "id")
            )
            id_node = fields.get("id")
            id_ = text(reader, id_node, f"{here}.id")
            subject = Subject(
                id_,
                kind_of(reader, fields.get("resource"), f"{here}.resource"),
                None,
                filters_of(reader, fields.get("filters"), f"{here}.filters", "key", _OPERATORS),
            )
            if id_node is None or not id_:
                continue
            if id_ in self.subjects:
                reader.problem(f'two resources have the id "{id_}"', id_node.location)
            self.subjects.setdefault(id_, subject)
            if reader.boolean(fields.get("leader"), f"{here}.leader"):
                if self.leader is not None:
                    reader.problem(
                        f"{here} is a second leader", fields["leader"].location, "keep one"
                    )
                self.leader = self.leader or subject
        if self.leader is None and node is not None:
            reader.problem("no resource is the leader", node.location, 'write "leader": true')

    def _follower(self, topology: str, leader: Subject) -> Subject | None:
        reader, node = self.reader, self.fields.get("actors")
        actors = []
        for id_, at in reader.located_strings(node, "spec.actors"):
            if id_ not in self.subjects:
                reader.problem(f'no resource has the id "{id_}"', at, self._ids())
            else:
                actors.append(self.subjects[id_])
        if node is None or len(actors) != len(node.elements()):
            return None
        others = [subject for subject in actors if subject is not leader]
        wanted = 1 if topology == "LEADER_FOLLOWER" else 0
        if topology and (
            leader not in actors or len(actors) != wanted + 1 or len(others) != wanted
        ):
            what = "the leader and one follower" if wanted else "the leader alone"
            reader.problem(f"the actors of a {topology} pattern are {what}", node.location)
            return None
        return others[0] if wanted and others else None

    def _ids(self) -> str:
        return f"ids: {', '.join(self.subjects) or 'none'}"

    def _points(self, field: str) -> float:
        return self._number(self.fields.get(field), f"spec.{field}", 0)

    def _number(self, node: SourceNode | None, what: str, default: float) -> float:
        if node is None:
            return default
        value = node.value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            self.reader.problem(f"{what} must be a number that is not negative", node.location)
            return default
        return float(value)

    def _relationship(
        self, node: SourceNode, what: str
    ) -> tuple[str, tuple[Subject, ...], bool, bool, float] | None:
        """Return type, resources, required, shared and weight."""
        reader = self.reader
        fields = reader.fields(
            node, what, _RELATIONSHIP, ("type", "required", "shared", "resourceIds")
        )
        for field in ("id", "description"):
            reader.string(fields.get(field), f"{what}.{field}")
        required = reader.boolean(fields.get("required"), f"{what}.required")
        shared = reader.boolean(fields.get("shared"), f"{what}.shared")
        weight = self._number(fields.get("weight"), f"{what}.weight", 0)
        type_node = fields.get("type")
        if type_node is not None and type_node.value in UNSUPPORTED:
            reader.problem(
                f"{what}.type: {type_node.value} is not supported", type_node.location,
                f"supported: {', '.join(TYPES)}",
            )  # fmt: skip
            return None
        type_ = reader.choice(type_node, f"{what}.type", tuple(TYPES), "")
        subjects = []
        for id_, at in reader.located_strings(fields.get("resourceIds"), f"{what}.resourceIds"):
            if id_ not in self.subjects:
                reader.problem(f'{what}: no resource has the id "{id_}"', at, self._ids())
            else:
                subjects.append(self.subjects[id_])
        ids = fields.get("resourceIds")
        if ids is None or ids.kind != "sequence" or len(subjects) != len(ids.elements()):
            return None
        if len(subjects) != 2:
            reader.problem(f"{what}.resourceIds must name two resources", ids.location)
            return None
        return (type_, tuple(subjects), required, shared, weight) if type_ else None

    def _needs(self, leader: Subject) -> tuple[Need, ...]:
        reader = self.reader
        found = []
        here = "spec.relationships"
        for number, entry in enumerate(reader.sequence(self.fields.get("relationships"), here)):
            what = f"{here}[{number}]"
            read = self._relationship(entry, what)
            if read is None:
                continue
            type_, (first, other), required, shared, weight = read
            at = (entry.get("resourceIds") or entry).location
            if first is not leader:
                reader.problem(
                    f"{what} does not begin at the leader, so that KubePattern passes over it",
                    at, f'write "{leader.id}" first',
                )  # fmt: skip
                continue
            walks = TYPES[type_].ways(first.kind, other.kind)
            if not walks:
                kinds = TYPES[type_]
                reader.problem(
                    f"{what}: {type_} does not relate {first.kind} and {other.kind}", at,
                    f"it relates {_kinds(kinds.first)} and {_kinds(kinds.second)}",
                )  # fmt: skip
                continue
            found.append(Need(walks, other, shared, required, weight))
        return tuple(found)

    def _common(
        self, topology: str, leader: Subject, follower: Subject | None
    ) -> tuple[Common, ...]:
        reader, node = self.reader, self.fields.get("commonRelationships")
        entries = reader.sequence(node, "spec.commonRelationships")
        if topology == "SINGLE" and entries and node is not None:
            reader.problem(
                "a SINGLE pattern has no commonRelationships", node.location,
                "use relationships, or the topology LEADER_FOLLOWER",
            )  # fmt: skip
            return ()
        found = []
        for number, entry in enumerate(entries):
            what = f"spec.commonRelationships[{number}]"
            read = self._relationship(entry, what)
            if read is None or follower is None:
                continue
            type_, pair, required, shared, weight = read
            at = (entry.get("resourceIds") or entry).location
            if set(pair) != {leader, follower}:
                reader.problem(f"{what} must name the leader and the follower", at)
                continue
            known = TYPES[type_]
            fits = known.common is not None and all(
                "*" in known.common_kinds or subject.kind in known.common_kinds for subject in pair
            )
            if known.common is None or not fits:
                allowed = f"two of {_kinds(known.common_kinds)}" if known.common else "nothing"
                reader.problem(
                    f"{what}: {type_} is nothing that {pair[0].kind} and {pair[1].kind} can have "
                    "in common", at, f"{type_} is common to {allowed}",
                )  # fmt: skip
                continue
            found.append(Common(known.common, shared, required, weight))
        return tuple(found)


def _kinds(kinds: tuple[str, ...]) -> str:
    return "any kind" if "*" in kinds else " or ".join(kinds)
