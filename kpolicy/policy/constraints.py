"""`matchConstraints` of a ValidatingAdmissionPolicy: which resources a policy meets.

Source: the MatchResources type of admissionregistration.k8s.io/v1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kpolicy.policy.source import Reader, SourceNode

_FIELDS = (
    "resourceRules", "excludeResourceRules", "namespaceSelector", "objectSelector", "matchPolicy",
)  # fmt: skip
_RULE = ("apiGroups", "apiVersions", "resources", "operations", "resourceNames", "scope")
_OPERATIONS = ("CREATE", "UPDATE", "DELETE", "CONNECT", "*")


def read_constraints(reader: Reader, node: SourceNode, what: str) -> dict[str, Any]:
    """Return checked `matchConstraints` as plain data with every list present."""
    from kpolicy.policy.native import read_selector

    fields = reader.fields(node, what, _FIELDS)
    return {
        "resourceRules": _rules(reader, fields.get("resourceRules"), f"{what}.resourceRules"),
        "excludeResourceRules": _rules(
            reader, fields.get("excludeResourceRules"), f"{what}.excludeResourceRules"
        ),
        "namespaceSelector": read_selector(
            reader, fields.get("namespaceSelector"), f"{what}.namespaceSelector"
        ),
        "objectSelector": read_selector(
            reader, fields.get("objectSelector"), f"{what}.objectSelector"
        ),
        "matchPolicy": reader.choice(
            fields.get("matchPolicy"), f"{what}.matchPolicy", ("Exact", "Equivalent"), "Equivalent"
        ),
    }


def _rules(reader: Reader, node: SourceNode | None, what: str) -> list[dict[str, Any]]:
    found = []
    for number, entry in enumerate(reader.sequence(node, what)):
        here = f"{what}[{number}]"
        fields = reader.fields(entry, here, _RULE, ("apiGroups", "apiVersions", "resources"))
        operations = reader.located_strings(fields.get("operations"), f"{here}.operations")
        for operation, at in operations:
            if operation not in _OPERATIONS:
                reader.problem(
                    f'"{operation}" is no operation', at, f"one of {', '.join(_OPERATIONS)}"
                )
        found.append(
            {
                "apiGroups": list(reader.strings(fields.get("apiGroups"), f"{here}.apiGroups")),
                "apiVersions": list(
                    reader.strings(fields.get("apiVersions"), f"{here}.apiVersions")
                ),
                "resources": list(reader.strings(fields.get("resources"), f"{here}.resources")),
                "operations": [operation for operation, _ in operations],
                "resourceNames": list(
                    reader.strings(fields.get("resourceNames"), f"{here}.resourceNames")
                ),
                "scope": reader.choice(
                    fields.get("scope"), f"{here}.scope", ("Cluster", "Namespaced", "*"), "*"
                ),
            }
        )
    return found


def rule_meets(
    rule: dict[str, Any], group: str, version: str, plural: str, *, namespaced: bool, exact: bool
) -> bool:
    """Return whether a resource rule covers a kind.

    `exact` stands for `matchPolicy: Exact`, under which the version counts too.
    """
    groups, versions, resources = rule["apiGroups"], rule["apiVersions"], rule["resources"]
    if "*" not in groups and group not in groups:
        return False
    if exact and "*" not in versions and version not in versions:
        return False
    if not {"*", "*/*", plural}.intersection(resources):
        return False
    scope = rule["scope"]
    return bool(scope == "*" or (scope == "Namespaced") == namespaced)
