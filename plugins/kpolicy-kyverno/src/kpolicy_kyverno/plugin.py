"""The hooks of the plugin: Kyverno's policy kinds, and the CEL functions that they may call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from kpolicy import hookimpl

if TYPE_CHECKING:
    from kpolicy.cel.declarations import Library
    from kpolicy.policy.formats import Loaded, Part, PolicyFormat
    from kpolicy.policy.source import SourceNode

#: The version of kpolicy's plugin API that this was written for.
kpolicy_api = 1


def _load_validating(document: SourceNode) -> Loaded:
    from kpolicy_kyverno.validating import load_validating

    return load_validating(document)


def _assemble_validating(parts: Sequence[Part]) -> Loaded:
    from kpolicy_kyverno.validating import assemble_validating

    return assemble_validating(parts)


def _load_command_line(document: SourceNode) -> Loaded:
    from kpolicy_kyverno.command_line import load_command_line

    return load_command_line(document)


def _load_cluster_policy(document: SourceNode) -> Loaded:
    from kpolicy_kyverno.cluster_policy import load_cluster_policy

    return load_cluster_policy(document)


@hookimpl
def kpolicy_policy_formats() -> Iterable[PolicyFormat]:
    """Read `policies.kyverno.io` and `kyverno.io` documents."""
    from kpolicy.policy.formats import PolicyFormat

    return [
        PolicyFormat(
            "kyverno-validating-policy",
            "policies.kyverno.io/",
            (
                "ValidatingPolicy", "NamespacedValidatingPolicy", "PolicyException",
                "ImageValidatingPolicy", "NamespacedImageValidatingPolicy", "MutatingPolicy",
                "NamespacedMutatingPolicy", "GeneratingPolicy", "NamespacedGeneratingPolicy",
                "DeletingPolicy", "NamespacedDeletingPolicy",
            ),
            _load_validating,
            doc="Kyverno's ValidatingPolicy, namespaced too, with its PolicyExceptions",
            assemble=_assemble_validating,
        ),
        PolicyFormat(
            "kyverno-context",
            "cli.kyverno.io/",
            ("Context", "ClusterResource", "Values", "Value", "Test"),
            _load_command_line,
            doc="what a gate cannot ask, given as data: images, resources, answers of services",
        ),
        PolicyFormat(
            "kyverno",
            "kyverno.io/",
            ("ClusterPolicy", "Policy", "PolicyException", "CleanupPolicy", "ClusterCleanupPolicy"),
            _load_cluster_policy,
            doc="Kyverno's ClusterPolicy and Policy, their rules with validate.cel",
        ),
    ]  # fmt: skip


@hookimpl
def kpolicy_cel_libraries() -> Iterable[Library]:
    """Add Kyverno's CEL functions that need no network and no registry."""
    from kpolicy_kyverno.library import library

    return [library()]
