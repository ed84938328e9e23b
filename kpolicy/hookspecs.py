"""The hooks of kpolicy: all that a plugin can add. Built-ins come in through the same hooks.

A hook implementation is a function of the same name marked with `kpolicy.hookimpl`, in a module or
object named by an entry point of the group `kpolicy`. It may take a subset of the arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kpolicy.cel.declarations import Library
    from kpolicy.findings import Finding
    from kpolicy.manifests.model import Source
    from kpolicy.policy.formats import PolicyFormat
    from kpolicy.policy.model import Policy
    from kpolicy.policy.packs import PolicyPack
    from kpolicy.relations.model import Relation
    from kpolicy.reporters.model import Reporter
    from kpolicy.snapshot.kinds import WorkloadKind

#: The version of this contract. A plugin may state `kpolicy_api = 1` at module level.
API_VERSION = 1

hookspec = pluggy.HookspecMarker("kpolicy")
hookimpl = pluggy.HookimplMarker("kpolicy")


class Hooks:
    """The hook specifications, in the order in which a scan calls them."""

    @hookspec
    def kpolicy_workload_kinds(self) -> Iterable[WorkloadKind]:  # type: ignore[empty-body]
        """Return kinds that carry a pod spec, with its path. Called first, once for each run."""

    @hookspec
    def kpolicy_cel_libraries(self) -> Iterable[Library]:  # type: ignore[empty-body]
        """Return CEL libraries that policies may use. Called once, before policies are loaded."""

    @hookspec
    def kpolicy_relations(self) -> Iterable[Relation]:  # type: ignore[empty-body]
        """Return relations for `object.related(...)`. Called once, before policies are loaded."""

    @hookspec
    def kpolicy_policy_formats(self) -> Iterable[PolicyFormat]:  # type: ignore[empty-body]
        """Return readers of policy documents, by apiVersion and kind.

        Called once, before policies are loaded.
        """

    @hookspec
    def kpolicy_policy_packs(self) -> Iterable[PolicyPack]:  # type: ignore[empty-body]
        """Return packs: named directories of policy files. Called once."""

    @hookspec
    def kpolicy_policies(self) -> Iterable[Policy]:  # type: ignore[empty-body]
        """Return policies made in Python (with `check`), for what CEL cannot say. Called once."""

    @hookspec
    def kpolicy_enforced_policies(self) -> Iterable[str]:  # type: ignore[empty-body]
        """Return ids or globs of policies that nothing in the scanned tree weakens. Called once."""

    @hookspec
    def kpolicy_sources(self) -> Iterable[Source]:  # type: ignore[empty-body]
        """Return sources of manifests. Called once; the first that accepts a target reads it."""

    @hookspec
    def kpolicy_process_findings(self, findings: Sequence[Finding]) -> Sequence[Finding] | None:
        """Return changed findings (labels added, some dropped), or None to leave them.

        Called once, after suppression.
        """

    @hookspec
    def kpolicy_reporters(self) -> Iterable[Reporter]:  # type: ignore[empty-body]
        """Return output formats. Called once, when a format is chosen."""


__all__ = ["API_VERSION", "Hooks", "hookimpl", "hookspec"]
