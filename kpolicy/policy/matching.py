"""Which resources a policy meets: kinds first (decided once for each kind), then the rest."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import translate
from typing import TYPE_CHECKING, Any

from kpolicy.policy.constraints import rule_meets
from kpolicy.policy.model import Policy
from kpolicy.snapshot.kinds import Kinds, matcher, split_api_version

if TYPE_CHECKING:
    from kpolicy.snapshot.resource import Resource

Operation = str
Test = Callable[["Resource"], bool]


def _globs(patterns: Sequence[str]) -> Callable[[str], object] | None:
    if not patterns:
        return None
    return re.compile("|".join(translate(p) for p in patterns)).match


#: What a policy meets that says nothing about operations.
USUAL = ("CREATE", "UPDATE")


class Matcher:
    """Decides whether a policy meets a resource."""

    __slots__ = (
        "_exact", "_excluded", "_kinds", "_policy", "_rules", "_table", "_tests", "operation",
    )  # fmt: skip

    def __init__(self, policy: Policy, kinds: Kinds, operation: str = "CREATE") -> None:
        self.operation = operation
        self._policy = policy
        self._table = kinds
        match = policy.match
        self._kinds = matcher(match.kinds, kinds)
        self._excluded = matcher(match.exclude_kinds, kinds) if match.exclude_kinds else None
        constraints = policy.metadata.get("matchConstraints")
        self._rules: Mapping[str, Any] | None = constraints
        self._exact = constraints is not None and constraints["matchPolicy"] == "Exact"
        self._tests: dict[str, Test | None] = {}

    @property
    def test(self) -> Test | None:
        """What else a resource of a right kind must pass under the usual operation."""
        return self.test_for(self.operation)

    def test_for(self, operation: str) -> Test | None:
        """Return what else a resource of a right kind must pass; None = the kind decides alone."""
        try:
            return self._tests[operation]
        except KeyError:
            test = _residual(self._policy, self._rules, self._table, operation)
            self._tests[operation] = test
            return test

    def may_meet(self, resource: Resource) -> bool:
        """Return whether the policy may meet this resource, by its kind and its decoding."""
        return self.takes(resource.decoding) and self.meets_kind(
            resource.api_version, resource.kind
        )

    def takes(self, decoding: str) -> bool:
        """Return whether the policy may meet resources of which typed decoding made this."""
        wanted = self._policy.match.decoded
        if wanted == "typed":
            return decoding == "typed"
        return not (wanted == "readable" and decoding == "wrong-type")

    def meets_kind(self, api_version: str, kind: str) -> bool:
        """Return whether the policy may meet resources of this kind."""
        if not self._kinds(api_version, kind):
            return False
        if self._excluded is not None and self._excluded(api_version, kind):
            return False
        rules = self._rules
        if rules is None:
            return True
        group, version = split_api_version(api_version)
        plural = self._table.plural(group, kind)
        namespaced = self._table.namespaced(group, kind)
        wanted = rules["resourceRules"]
        # Kubernetes matches nothing without a rule; a policy that names none here means all.
        return not wanted or any(
            rule_meets(rule, group, version, plural, namespaced=namespaced, exact=self._exact)
            for rule in wanted
        )


def _covers(operations: Sequence[str], operation: str) -> bool:
    return operation in (operations or USUAL) or "*" in operations


def namespace_for_match(resource: Resource) -> str:
    """Return the namespace that globs are held against: a Namespace counts as inside itself."""
    if resource.kind == "Namespace" and not resource.group:
        return resource.name
    return resource.key.namespace


def _residual(
    policy: Policy, constraints: Mapping[str, Any] | None, kinds: Kinds, operation: str
) -> Test | None:
    match = policy.match
    tests: list[Test] = []
    if not (constraints and constraints["resourceRules"]) and operation not in USUAL:
        return lambda _: False
    include, exclude = _globs(match.namespaces), _globs(match.exclude_namespaces)
    if include is not None:
        tests.append(lambda r: include(namespace_for_match(r)) is not None)
    if exclude is not None:
        tests.append(lambda r: exclude(namespace_for_match(r)) is None)
    names, not_names = _globs(match.names), _globs(match.exclude_names)
    if names is not None:
        tests.append(lambda r: names(r.name) is not None)
    if not_names is not None:
        tests.append(lambda r: not_names(r.name) is None)
    if match.labels is not None:
        tests.append(_label_test(match.labels))
    if constraints is not None:
        tests.extend(_constraint_tests(constraints, kinds, operation))
    if not tests:
        return None
    if len(tests) == 1:
        return tests[0]
    return lambda r: all(test(r) for test in tests)


def labels_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a resource's own labels; {} where they are absent or no mapping."""
    metadata = body.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return labels if isinstance(labels, dict) else {}


def _label_test(selector: Mapping[str, Any]) -> Test:
    return lambda r: selects(selector, labels_of(r.body))


def selects(selector: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    """Return whether a checked LabelSelector (see `native.read_selector`) selects `labels`."""
    for key, value in selector["matchLabels"].items():
        if labels.get(key) != value:
            return False
    for requirement in selector["matchExpressions"]:
        key, operator, values = requirement["key"], requirement["operator"], requirement["values"]
        present = key in labels
        if operator == "In" and not (present and labels[key] in values):
            return False
        if operator == "NotIn" and present and labels[key] in values:
            return False
        if operator == "Exists" and not present:
            return False
        if operator == "DoesNotExist" and present:
            return False
    return True


def _constraint_tests(constraints: Mapping[str, Any], kinds: Kinds, operation: str) -> list[Test]:
    tests: list[Test] = []
    if constraints["objectSelector"] is not None:
        tests.append(_label_test(constraints["objectSelector"]))
    rules, excluded = constraints["resourceRules"], constraints["excludeResourceRules"]
    exact = constraints["matchPolicy"] == "Exact"

    def fits(rule: Mapping[str, Any], resource: Resource, exact: bool) -> bool:
        if not _covers(rule["operations"], operation):
            return False
        if rule["resourceNames"] and resource.name not in rule["resourceNames"]:
            return False
        group, version = split_api_version(resource.api_version)
        return rule_meets(
            dict(rule), group, version, kinds.plural(group, resource.kind),
            namespaced=kinds.namespaced(group, resource.kind), exact=exact,
        )  # fmt: skip

    if any(rule["resourceNames"] or not _covers(rule["operations"], operation) for rule in rules):
        tests.append(lambda r: any(fits(rule, r, exact) for rule in rules))
    if excluded:
        tests.append(lambda r: not any(fits(rule, r, exact) for rule in excluded))
    return tests
