"""Whether an admission request is a ValidatingAdmissionPolicy's business, and why not.

Source: k8s.io/apiserver, the admission plugins' matching and predicates packages; the types of
admissionregistration.k8s.io/v1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, NamedTuple

from kpolicy.records import dataclass
from kpolicy.snapshot.kinds import Kinds, split_api_version
from kpolicy.snapshot.selector import Selector, describe, selector_of, selects

if TYPE_CHECKING:
    from kpolicy.snapshot.resource import Resource

#: The one label that the API server sets on every Namespace.
NAME_LABEL = "kubernetes.io/metadata.name"

#: Resources that are one in storage under several groups: `matchPolicy: Equivalent` sees through.
_SHARED = (
    {("apps", "deployments"), ("extensions", "deployments")},
    {("apps", "daemonsets"), ("extensions", "daemonsets")},
    {("apps", "replicasets"), ("extensions", "replicasets")},
    {("networking.k8s.io", "ingresses"), ("extensions", "ingresses")},
    {("networking.k8s.io", "networkpolicies"), ("extensions", "networkpolicies")},
    {("policy", "podsecuritypolicies"), ("extensions", "podsecuritypolicies")},
    {("", "events"), ("events.k8s.io", "events")},
)

#: Kinds that are the bodies of requests to a subresource: (resource, subresource), "*" = of any.
_SUBRESOURCES = {
    ("", "PodExecOptions"): ("pods", "exec"),
    ("", "PodAttachOptions"): ("pods", "attach"),
    ("", "PodPortForwardOptions"): ("pods", "portforward"),
    ("", "PodProxyOptions"): ("pods", "proxy"),
    ("", "ServiceProxyOptions"): ("services", "proxy"),
    ("", "NodeProxyOptions"): ("nodes", "proxy"),
    ("policy", "Eviction"): ("pods", "eviction"),
    ("autoscaling", "Scale"): ("*", "scale"),
    ("authentication.k8s.io", "TokenRequest"): ("serviceaccounts", "token"),
}
_CONNECT = frozenset(("exec", "attach", "portforward", "proxy"))

#: What no ValidatingAdmissionPolicy is asked about: the policies themselves, and reviews.
_EXEMPT = frozenset(
    ("admissionregistration.k8s.io", kind)
    for kind in (
        "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
        "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding",
    )
) | {
    ("authentication.k8s.io", "TokenReview"),
    ("authentication.k8s.io", "SelfSubjectReview"),
    ("authorization.k8s.io", "LocalSubjectAccessReview"),
    ("authorization.k8s.io", "SelfSubjectAccessReview"),
    ("authorization.k8s.io", "SelfSubjectRulesReview"),
    ("authorization.k8s.io", "SubjectAccessReview"),
}  # fmt: skip


class Target(NamedTuple):
    """What a kind is to the API server: where its objects are sent."""

    group: str
    version: str
    kind: str
    plural: str
    subresource: str
    namespaced: bool
    exempt: bool

    @property
    def operation(self) -> str:
        """The only operation that this kind is for, "" for usual ones."""
        return "CONNECT" if self.subresource in _CONNECT else ""


def target_of(api_version: str, kind: str, kinds: Kinds) -> Target:
    """Return where objects of this kind are sent."""
    group, version = split_api_version(api_version)
    plural, subresource = _SUBRESOURCES.get((group, kind), ("", ""))
    return Target(
        group,
        version,
        kind,
        plural or kinds.plural(group, kind),
        subresource,
        kinds.namespaced(group, kind),
        (group, kind) in _EXEMPT,
    )


class Incoming(NamedTuple):
    """A request, as far as matching asks."""

    target: Target
    operation: str
    namespace: str
    """"" for what is cluster-scoped; a Namespace's own name for a Namespace."""
    name: str
    labels: Mapping[str, Any] | None
    """Those of the object; None where there is none."""
    old_labels: Mapping[str, Any] | None

    @property
    def is_namespace(self) -> bool:
        """Whether this is about a Namespace itself."""
        return _is_namespace(self.target)


#: Gives the labels of a namespace by its name.
NamespaceLabels = Callable[[str], Mapping[str, Any]]


class Matched(NamedTuple):
    """Whether a request is met. `kind` is what it is converted to; `reason` says why it is not."""

    met: bool
    group: str = ""
    version: str = ""
    reason: str = ""
    """"" = the kind, the operation or the scope is not the policy's at all."""


@dataclass(frozen=True, slots=True)
class Constraints:
    """MatchResources, its selectors parsed. Made by `constraints_of`."""

    rules: Sequence[Mapping[str, Any]]
    excluded: Sequence[Mapping[str, Any]]
    namespaces: Selector
    objects: Selector
    equivalent: bool
    _known: dict[tuple[Target, str, bool], tuple[str, str] | None] = field(default_factory=dict)
    """What the rules say, where no name decides."""

    def covers_kind(self, target: Target) -> bool:
        """Return whether some rule may cover this kind under some operation and name."""
        return not self.rules or any(
            _covers(rule, target, group, version, None, "", target.namespaced)
            for rule in self.rules
            for group, version in self._faces(target)
        )

    def _faces(self, target: Target) -> list[tuple[str, str]]:
        """Return (group, version) under which the request may be seen; "?" = any version."""
        faces = [(target.group, target.version)]
        if self.equivalent:
            faces.append((target.group, "?"))
            for shared in _SHARED:
                if (target.group, target.plural) in shared:
                    faces += [(g, "?") for g, _ in sorted(shared) if g != target.group]
        return faces

    def match(self, request: Incoming, namespace_labels: NamespaceLabels) -> Matched:
        """Return whether the request is met."""
        target = request.target
        key = (target, request.operation, bool(request.namespace))
        try:
            found = self._known[key]
        except KeyError:
            found = self._covered(request)
            if not any(rule["resourceNames"] for rule in self.rules):
                self._known[key] = found
        if found is None:
            named = [rule for rule in self.rules if rule["resourceNames"]]
            if named and self._rule([{**rule, "resourceNames": []} for rule in named], request):
                return Matched(False, reason="its name is not among resourceNames")
            return Matched(False)
        if self.excluded and self._rule(self.excluded, request) is not None:
            return Matched(False, reason="excludeResourceRules leave it out")
        if self.namespaces and (request.namespace or target.plural == "namespaces"):
            labels: Mapping[str, Any]
            if _is_namespace(target) and request.operation in ("CREATE", "UPDATE"):
                labels = {NAME_LABEL: request.name, **(request.labels or {})}
            else:
                labels = namespace_labels(request.namespace)
            if not selects(self.namespaces, labels):
                return Matched(
                    False,
                    reason=f"its namespace is not selected by {describe(self.namespaces)}",
                )
        if self.objects and not any(
            labels is not None and selects(self.objects, labels)
            for labels in (request.labels, request.old_labels)
        ):
            return Matched(False, reason=f"it is not selected by {describe(self.objects)}")
        return Matched(True, *found)

    def _covered(self, request: Incoming) -> tuple[str, str] | None:
        if not self.rules:
            return request.target.group, request.target.version
        return self._rule(self.rules, request)

    def _rule(
        self, rules: Sequence[Mapping[str, Any]], request: Incoming
    ) -> tuple[str, str] | None:
        """Return the group and version under which a rule covers the request."""
        target = request.target
        namespaced = bool(request.namespace) and not _is_namespace(target)
        for group, version in self._faces(target):
            for rule in rules:
                if not _covers(rule, target, group, version, request.operation, request.name,
                               namespaced):  # fmt: skip
                    continue
                if version != "?":
                    return group, version
                versions = rule["apiVersions"]
                return group, (target.version if "*" in versions else str(versions[0]))
        return None


def _is_namespace(target: Target) -> bool:
    return target.plural == "namespaces" and not target.group


def _covers(
    rule: Mapping[str, Any],
    target: Target,
    group: str,
    version: str,
    operation: str | None,
    name: str,
    namespaced: bool,
) -> bool:
    """Return whether one rule covers the request; without an operation, whether it might."""
    groups, versions = rule["apiGroups"], rule["apiVersions"]
    if "*" not in groups and group not in groups:
        return False
    if version != "?" and "*" not in versions and version not in versions:
        return False
    if rule["scope"] != "*" and (rule["scope"] == "Namespaced") != namespaced:
        return False
    if not any(_names(text, target) for text in rule["resources"]):
        return False
    if operation is None:
        return True
    operations = rule["operations"]
    if operation not in operations and "*" not in operations:
        return False
    return not rule["resourceNames"] or name in rule["resourceNames"]


def _names(text: str, target: Target) -> bool:
    resource, _, subresource = text.partition("/")
    return (resource in ("*", target.plural) or target.plural == "*") and subresource in (
        ("*", target.subresource)
    )


def constraints_of(data: Mapping[str, Any]) -> Constraints:
    """Return what `vap.match_resources` read, ready to decide."""
    return Constraints(
        data["resourceRules"],
        data["excludeResourceRules"],
        selector_of(data["namespaceSelector"]) or (),
        selector_of(data["objectSelector"]) or (),
        data["matchPolicy"] == "Equivalent",
    )


def labels_of(body: Any) -> Mapping[str, Any] | None:
    """Return an object's labels; {} where it has none, None where there is no object."""
    if not isinstance(body, dict):
        return None
    metadata = body.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return labels if isinstance(labels, dict) else {}


def incoming(resource: Resource, target: Target, new: Any, old: Any, operation: str) -> Incoming:
    """Return the request in which a resource comes, `new` and `old` as policies see them."""
    namespace = resource.key.namespace
    if _is_namespace(target):
        namespace = resource.name
    elif not target.namespaced:
        namespace = ""
    return Incoming(
        target, target.operation or operation, namespace, resource.name, labels_of(new),
        labels_of(old),
    )  # fmt: skip
