"""Which kinds a ValidatingAdmissionPolicy may meet, asked before any resource is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kpolicy.policy.vap_matching import Constraints, target_of
from kpolicy.snapshot.kinds import Kinds

if TYPE_CHECKING:
    from kpolicy.snapshot.resource import Resource


class AdmissionMatcher:
    """Stands where a `Matcher` does; all but the kind is decided when the policy is evaluated."""

    __slots__ = ("_certain", "_constraints", "_kinds", "_known", "operation", "test")

    def __init__(self, constraints: Constraints, kinds: Kinds, certain: bool) -> None:
        self._constraints = constraints
        self._kinds = kinds
        self._certain = certain
        self._known: dict[tuple[str, str], bool] = {}
        self.operation = "CREATE"
        self.test = None

    def test_for(self, operation: str) -> None:
        """Return that the kind decides alone, so that `evaluate` can say why not."""
        return

    def may_meet(self, resource: Resource) -> bool:
        """Return whether the policy may meet this resource."""
        return self.meets_kind(resource.api_version, resource.kind)

    def takes(self, decoding: str) -> bool:
        """Return whether resources of which typed decoding made this are met: all are."""
        return True

    def meets_kind(self, api_version: str, kind: str) -> bool:
        """Return whether the policy may meet resources of this kind.

        A kind that is not built in may be defined in the input, under any plural and scope.
        """
        key = (api_version, kind)
        found = self._known.get(key)
        if found is None:
            target = target_of(api_version, kind, self._kinds)
            if target.exempt:
                found = False
            elif self._certain or self._kinds.built_in(target.group, kind):
                found = self._constraints.covers_kind(target)
            else:
                found = any(
                    "*" in rule["apiGroups"] or target.group in rule["apiGroups"]
                    for rule in self._constraints.rules
                )
            self._known[key] = found
        return found
