"""What exists outside the scanned input, and what a reference that finds no resource means.

The input is a closed world: what is not in it is *absent*. Three things open it: configuration says
that something exists outside (this alone silences a finding), Kubernetes itself provides it, or a
document that might define it could not be read, so that its absence is *unknowable*.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from kpolicy.snapshot.kinds import WORKLOAD_KINDS, WORKLOADS, KindMatcher, Kinds, matcher

Certainty = Literal["", "absent", "unknowable"]
State = Literal["resolved", "outside", "absent", "unknowable"]


class Reference(NamedTuple):
    """What one resource says about another. `name` None = any that fits (a selector)."""

    group: str | None
    """None = of any group (the reference names only a kind)."""
    kind: str
    """`workloads` = some workload, for selectors."""
    namespace: str
    """Effective namespace; "" for a cluster-scoped kind."""
    name: str | None

    def __str__(self) -> str:
        name = "any" if self.name is None else self.name
        return f"{self.kind} {self.namespace}/{name}" if self.namespace else f"{self.kind} {name}"


class Outside(NamedTuple):
    """Configuration's word that something exists outside the input; each part a glob or kind
    text."""

    kind: str = "*"
    namespace: str = "*"
    name: str = "*"
    within: tuple[str, ...] = ()
    """Namespaces that were read, where others were not: what they, or no namespace, should hold is
    not outside."""


class Unread(NamedTuple):
    """A document that could not be read, or whose values a template fills in: what it might define.

    `kinds` and `names` are the words found in its text; () = any.
    """

    path: str
    line: int = 0
    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    scope: str = ""
    reason: str = "could not be parsed"


#: What every cluster has without a manifest: (group, kind, namespace glob, name glob).
PROVIDED: tuple[tuple[str, str, str, str], ...] = (
    ("", "Namespace", "", "default"),
    ("", "Namespace", "", "kube-*"),
    ("", "ServiceAccount", "*", "default"),
    ("", "ConfigMap", "*", "kube-root-ca.crt"),
    ("", "Service", "default", "kubernetes"),
    ("scheduling.k8s.io", "PriorityClass", "", "system-cluster-critical"),
    ("scheduling.k8s.io", "PriorityClass", "", "system-node-critical"),
    ("rbac.authorization.k8s.io", "ClusterRole", "", "cluster-admin"),
    ("rbac.authorization.k8s.io", "ClusterRole", "", "admin"),
    ("rbac.authorization.k8s.io", "ClusterRole", "", "edit"),
    ("rbac.authorization.k8s.io", "ClusterRole", "", "view"),
    ("rbac.authorization.k8s.io", "ClusterRole", "", "system:*"),
    ("rbac.authorization.k8s.io", "Role", "kube-system", "*system:*"),
    ("rbac.authorization.k8s.io", "Role", "kube-system", "extension-apiserver-*"),
    ("", "ConfigMap", "kube-system", "extension-apiserver-authentication"),
)  # fmt: skip

_WORKLOAD_NAMES = frozenset(w.kind for w in WORKLOAD_KINDS)
# Texts, not compiled: most scans need none of them.
_PLACEHOLDER = r"\{\{|\$\{|\$\(|<no value>|%\(|@@"
_KIND_LINE = r"""(?m)(?:^|[{,])[ \t-]*["']?kind["']?[ \t]*:[ \t]*["']?([A-Za-z][\w.]*)"""
_NAME_LINE = r"""(?m)(?:^|[{,])[ \t-]*["']?name["']?[ \t]*:[ \t]*["']?([^\s"'#,}]+)"""


def is_templated(text: str) -> bool:
    """Return whether a name still holds a placeholder that some tool fills in later."""
    return re.search(_PLACEHOLDER, text) is not None


def unread_from_text(
    path: str, text: str, line: int = 0, scope: str = "", reason: str = "could not be parsed"
) -> Unread:
    """Return what an unreadable document might define, judged by the words after `kind:` and
    `name:`."""
    kinds = tuple(sorted(set(re.findall(_KIND_LINE, text))))
    names = tuple(sorted(set(re.findall(_NAME_LINE, text))))
    if any(is_templated(n) for n in names):
        names = ()
    return Unread(path, line, kinds, names, scope, reason)


class Verdict(NamedTuple):
    """What a reference without a target means: a state, why, and the unread file that made it
    unknowable."""

    state: State
    reason: str = ""
    unread: Unread | None = None


class World:
    """All that is known about what the input does not hold. Immutable."""

    __slots__ = ("_by_kind", "_matchers", "outside", "unread")

    _by_kind: dict[tuple[str, str], list[tuple[int, Unread]]] | None

    def __init__(
        self,
        outside: Iterable[Outside] = (),
        unread: Iterable[Unread] = (),
        kinds: Kinds | None = None,
    ) -> None:
        self.outside = tuple(outside)
        self.unread = tuple(unread)
        self._by_kind = None
        self._matchers: tuple[KindMatcher, ...] = tuple(
            matcher([rule.kind], kinds) for rule in self.outside
        )

    def with_unread(self, unread: Iterable[Unread]) -> World:
        """Return the same world with these unreadable documents and no others."""
        other = World.__new__(World)
        other.outside, other._matchers = self.outside, self._matchers
        other.unread = tuple(unread)
        other._by_kind = None
        return other

    def judge(self, reference: Reference, scope: str = "") -> Verdict:
        """Return what it means that `reference` has no target in the input."""
        for rule, kinds in zip(self.outside, self._matchers, strict=True):
            if self._declared(rule, kinds, reference):
                return Verdict("outside", "configuration says that it exists outside the input")
        if reference.name is not None:
            for group, kind, namespace, name in PROVIDED:
                if (
                    kind == reference.kind
                    and reference.group in (group, None)
                    and fnmatchcase(reference.namespace, namespace)
                    and fnmatchcase(reference.name, name)
                ):
                    return Verdict("outside", "Kubernetes provides it in every cluster")
            if is_templated(reference.name):
                return Verdict("unknowable", "the name is filled in by a template")
        if is_templated(reference.namespace):
            return Verdict("unknowable", "the namespace is filled in by a template")
        for unread in self._candidates(reference, scope):
            if not unread.names or reference.name is None or reference.name in unread.names:
                where = f"{unread.path}:{unread.line}" if unread.line else unread.path
                return Verdict("unknowable", f"{where} {unread.reason} and may define it", unread)
        return Verdict("absent", "nothing in the input defines it")

    @staticmethod
    def _declared(rule: Outside, kinds: KindMatcher, reference: Reference) -> bool:
        if rule.within and (not reference.namespace or reference.namespace in rule.within):
            return False
        if reference.kind == WORKLOADS:
            named = any(kinds.matches(w.group, w.kind) for w in WORKLOAD_KINDS)
        elif reference.group is None:
            named = kinds.matches("", reference.kind) or fnmatchcase(
                reference.kind, rule.kind.rpartition("/")[2]
            )
        else:
            named = kinds.matches(reference.group, reference.kind)
        if not named:
            return False
        # A selector is answered only by a rule that opens the whole kind in that namespace.
        name_fits = (
            rule.name == "*" if reference.name is None else fnmatchcase(reference.name, rule.name)
        )
        # A cluster-scoped target has no namespace for the rule to name.
        place_fits = fnmatchcase(reference.namespace, rule.namespace) or (
            not reference.namespace and rule.namespace == "*"
        )
        return name_fits and place_fits

    def _candidates(self, reference: Reference, scope: str) -> list[Unread]:
        """Return the unreadable documents that might hold something of this kind, in order."""
        if not self.unread:
            return []
        if self._by_kind is None:
            self._by_kind = {}
            for number, unread in enumerate(self.unread):
                for kind in unread.kinds or ("",):
                    self._by_kind.setdefault((unread.scope, kind), []).append((number, unread))
        wanted = _WORKLOAD_NAMES if reference.kind == WORKLOADS else (reference.kind,)
        found = {
            number: unread
            for kind in ("", *wanted)
            for number, unread in self._by_kind.get((scope, kind), ())
        }
        return [found[number] for number in sorted(found)]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, World)
            and self.outside == other.outside
            and self.unread == other.unread
        )

    def __hash__(self) -> int:
        return hash((self.outside, self.unread))
