"""What a native policy meets, in the words of a ValidatingAdmissionPolicy's matchConstraints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import translate
from typing import Any

from kpolicy.policy.model import Match
from kpolicy.snapshot.kinds import KindMatcher, Kinds, WorkloadKind, matcher
from kpolicy.snapshot.tables import built_in_kinds

_OPERATIONS = ["CREATE", "UPDATE"]
_GLOB = re.compile(r"[*?\[]")


def resource_rules(texts: Iterable[str], kinds: Kinds) -> list[dict[str, Any]]:
    """Return the rules for the kinds that texts of a match name, one for each group and version.

    Raises `ValueError` for a text whose resources cannot be named: a glob, a kind of any group.
    """
    if any(pattern == ("*", "*", "*") for pattern in matcher(texts, kinds).patterns):
        return [_rule("*", "*", ["*"])]
    found: dict[tuple[str, str], list[str]] = {}
    for group, version, kind in matcher(texts, kinds).patterns:
        if _GLOB.search(kind) or (_GLOB.search(group) and group != "*"):
            raise ValueError(f"{group}/{kind}")
        plural = kinds.plural("" if group == "*" else group, kind)
        resources = found.setdefault((group, version), [])
        if plural not in resources:
            resources.append(plural)
    return [_rule(group, version, plurals) for (group, version), plurals in found.items()]


def _rule(group: str, version: str, resources: list[str]) -> dict[str, Any]:
    return {
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": list(_OPERATIONS),
        "resources": resources,
    }


def constraints(match: Match, kinds: Kinds) -> dict[str, Any]:
    """Return the matchConstraints. Raises `ValueError` as `resource_rules`."""
    # A native policy meets the groups that it names and no others that a server converts to them.
    found: dict[str, Any] = {
        "matchPolicy": "Exact",
        "resourceRules": resource_rules(match.kinds, kinds),
    }
    if match.exclude_kinds:
        found["excludeResourceRules"] = resource_rules(match.exclude_kinds, kinds)
    if match.labels is not None:
        labels, expressions = match.labels["matchLabels"], match.labels["matchExpressions"]
        found["objectSelector"] = {
            **({"matchLabels": dict(labels)} if labels else {}),
            **({"matchExpressions": [_requirement(e) for e in expressions]} if expressions else {}),
        }
    return found


def _requirement(requirement: Any) -> dict[str, Any]:
    found = {"key": requirement["key"], "operator": requirement["operator"]}
    return {**found, "values": list(requirement["values"])} if requirement["values"] else found


def match_conditions(match: Match) -> list[tuple[str, str]]:
    """Return (name, CEL) of what a match says of namespaces and names."""
    found = []
    # A Namespace counts as inside itself, for kpolicy as for request.namespace.
    for name, subject, wanted, negated in (
        ("namespaces", "request.namespace", match.namespaces, False),
        ("excluded-namespaces", "request.namespace", match.exclude_namespaces, True),
        ("names", "object.metadata.?name.orValue('')", match.names, False),
        ("excluded-names", "object.metadata.?name.orValue('')", match.exclude_names, True),
    ):
        if wanted:
            found.append((name, ("!" if negated else "") + _any_of(subject, wanted)))
    return found


def _any_of(subject: str, patterns: Sequence[str]) -> str:
    if not any(_GLOB.search(pattern) for pattern in patterns):
        return f"({subject} in {list(patterns)!r})"
    # Python writes `(?s:...)\Z`; RE2 wants `\z`.
    parts = (translate(pattern).removesuffix(r"\Z") for pattern in patterns)
    text = "|".join(parts).replace("\\", "\\\\").replace("'", "\\'")
    return f"{subject}.matches('^({text})$')"


def workloads_met(match: Match, kinds: Kinds) -> tuple[tuple[WorkloadKind, ...], bool]:
    """Return the workload kinds that a match may name, and whether it may name anything else."""
    named = matcher(match.kinds, kinds)
    excluded = matcher(match.exclude_kinds, kinds) if match.exclude_kinds else None
    met = tuple(
        w
        for w in kinds.workloads.values()
        if named.matches(w.group, w.kind) and not _wholly(excluded, w)
    )
    ours = {(w.group, w.kind) for w in met}
    strangers = any((group, kind) not in ours for group, _, kind in named.patterns)
    return met, strangers


def _wholly(excluded: KindMatcher | None, workload: WorkloadKind) -> bool:
    return excluded is not None and excluded.matches(workload.group, workload.kind)


def ambiguous(workloads: Sequence[WorkloadKind], match: Match, kinds: Kinds) -> frozenset[str]:
    """Return the workload kinds whose name means something else in another group that is met."""
    named = matcher(match.kinds, kinds)
    templates: dict[str, set[tuple[str, ...]]] = {}
    for workload in workloads:
        templates.setdefault(workload.kind, set()).add(workload.template)
    ours = {(w.group, w.kind) for w in workloads}
    others = {row.kind for row in built_in_kinds() if (row.group, row.kind) not in ours}
    return frozenset(
        w.kind
        for w in workloads
        if len(templates[w.kind]) > 1
        or any(
            (kind == "*" and w.kind in others) or (kind == w.kind and (group, kind) not in ours)
            for group, _, kind in named.patterns
        )
    )
