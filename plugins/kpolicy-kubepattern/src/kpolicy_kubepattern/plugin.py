"""The hooks of the plugin: two forms of one policy format."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kpolicy import hookimpl

if TYPE_CHECKING:
    from kpolicy.policy.formats import Loaded, PolicyFormat
    from kpolicy.policy.source import SourceNode

#: The version of kpolicy's plugin API that this was written for.
kpolicy_api = 1


def _load_registry(document: SourceNode) -> Loaded:
    from kpolicy_kubepattern.registry import load_registry

    return load_registry(document)


def _load_custom_resource(document: SourceNode) -> Loaded:
    from kpolicy_kubepattern.custom_resource import load_custom_resource

    return load_custom_resource(document)


@hookimpl
def kpolicy_policy_formats() -> Iterable[PolicyFormat]:
    """Read KubePattern's registry definitions and its custom resource."""
    from kpolicy.policy.formats import PolicyFormat

    return [
        PolicyFormat(
            "kubepattern-registry",
            "kubepattern.it/v1",
            ("Pattern",),
            _load_registry,
            doc="KubePattern's registry definitions (`version: kubepattern.it/v1`)",
            version_field="version",
        ),
        PolicyFormat(
            "kubepattern",
            "kubepattern.dev/v1",
            ("Pattern", "PatternAsCode"),
            _load_custom_resource,
            doc="KubePattern's custom resource (`apiVersion: kubepattern.dev/v1`)",
        ),
    ]
