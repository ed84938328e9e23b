"""Rules for pods, made rules for the controllers of pods: as Kyverno generates them.

Kyverno rewrites texts: `object.spec` becomes `object.spec.template.spec`, also where it is part of
`request.object.spec`. Source: pkg/cel/autogen and pkg/autogen/v1 of kyverno/kyverno.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from kpolicy.policy.model import Expression, NamedExpression, Validation

#: Where the controllers of a group keep the pod template, by the name that Kyverno gives the group.
TEMPLATES: Mapping[str, str] = {
    "defaults": "spec.template",
    "cronjobs": "spec.jobTemplate.spec.template",
}


class Controller(NamedTuple):
    """A kind that makes pods."""

    group: str
    version: str
    resource: str
    kind: str
    config: str


#: Those that a ValidatingPolicy is generated for, by their resource.
CONTROLLERS: Mapping[str, Controller] = {
    found.resource: found
    for found in (
        Controller("apps", "v1", "daemonsets", "DaemonSet", "defaults"),
        Controller("apps", "v1", "deployments", "Deployment", "defaults"),
        Controller("apps", "v1", "replicasets", "ReplicaSet", "defaults"),
        Controller("apps", "v1", "statefulsets", "StatefulSet", "defaults"),
        Controller("batch", "v1", "jobs", "Job", "defaults"),
        Controller("batch", "v1", "cronjobs", "CronJob", "cronjobs"),
    )
}
_METADATA = re.compile(r"(object|oldObject)\.metadata(?!\.namespace(?![A-Za-z0-9_]))")
_ALL_METADATA = re.compile(r"(object|oldObject)\.metadata")
_SPEC = re.compile(r"(object|oldObject)\.spec")


def can_generate(match: Mapping[str, Any]) -> bool:
    """Return whether a ValidatingPolicy's match is about pods and nothing more special."""
    rules = match["resourceRules"]
    if match["objectSelector"] or match["excludeResourceRules"] or len(rules) != 1:
        return False
    rule = rules[0]
    return (
        not rule["resourceNames"]
        and rule["apiGroups"] == [""]
        and rule["apiVersions"] == ["v1"]
        and rule["resources"] == ["pods"]
    )


def constraints_for(match: Mapping[str, Any], controllers: Sequence[Controller]) -> dict[str, Any]:
    """Return the match of the generated policy: the controllers instead of pods."""
    by_version: dict[tuple[str, str], list[str]] = {}
    for found in controllers:
        by_version.setdefault((found.group, found.version), []).append(found.resource)
    rules = [
        {
            "apiGroups": [group],
            "apiVersions": [version],
            "resources": resources,
            "operations": match["resourceRules"][0]["operations"],
            "resourceNames": [],
            "scope": "*",
        }
        for (group, version), resources in by_version.items()
    ]
    return {
        "resourceRules": rules,
        "excludeResourceRules": [],
        "namespaceSelector": match["namespaceSelector"],
        "objectSelector": None,
        "matchPolicy": "Equivalent",
    }


class Rewriter:
    """Rewrites expressions about pods into expressions about the controllers of a group.

    `keeps_namespace`: `object.metadata.namespace` stays that of the controller, as the newer kinds
    of policies have it.
    """

    def __init__(self, config: str, *, keeps_namespace: bool) -> None:
        template = TEMPLATES[config]
        metadata = _METADATA if keeps_namespace else _ALL_METADATA
        self._steps: tuple[Callable[[str], str], ...] = (
            lambda text: _SPEC.sub(rf"\1.{template}.spec", text),
            lambda text: metadata.sub(rf"\1.{template}.metadata", text),
        )

    def expression(self, expression: Expression) -> Expression:
        """Return an expression, rewritten."""
        source = expression.source
        for step in self._steps:
            source = step(source)
        return replace(expression, source=source)

    def named(self, found: Iterable[NamedExpression]) -> tuple[NamedExpression, ...]:
        """Return match conditions or variables, rewritten."""
        return tuple(NamedExpression(n.name, self.expression(n.expression)) for n in found)

    def validations(self, found: Iterable[Validation]) -> tuple[Validation, ...]:
        """Return validations, rewritten."""
        return tuple(
            replace(
                validation,
                expression=self.expression(validation.expression),
                message_expression=None
                if validation.message_expression is None
                else self.expression(validation.message_expression),
            )
            for validation in found
        )
