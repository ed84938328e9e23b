"""The hooks of the plugin: ConstraintTemplates and Constraints are one format in two documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from kpolicy import hookimpl

if TYPE_CHECKING:
    from kpolicy.policy.formats import Loaded, Part, PolicyFormat
    from kpolicy.policy.source import SourceNode

#: The version of kpolicy's plugin API that this was written for.
kpolicy_api = 1


def _load_template(document: SourceNode) -> Loaded:
    from kpolicy_gatekeeper.template import load_template

    return load_template(document)


def _load_constraint(document: SourceNode) -> Loaded:
    from kpolicy_gatekeeper.constraint import load_constraint

    return load_constraint(document)


def _assemble(parts: Sequence[Part]) -> Loaded:
    from kpolicy_gatekeeper.assembling import assemble

    return assemble(parts)


@hookimpl
def kpolicy_policy_formats() -> Iterable[PolicyFormat]:
    """Read templates and constraints; each constraint with its template is a policy."""
    from kpolicy.policy.formats import PolicyFormat

    return [
        PolicyFormat(
            "gatekeeper",
            "templates.gatekeeper.sh/",
            ("ConstraintTemplate",),
            _load_template,
            doc="Gatekeeper's ConstraintTemplates with the engine K8sNativeValidation",
            assemble=_assemble,
        ),
        PolicyFormat(
            "gatekeeper-constraint",
            "constraints.gatekeeper.sh/",
            ("*",),
            _load_constraint,
            doc="Gatekeeper's Constraints",
        ),
    ]
