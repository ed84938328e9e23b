"""Scans with ValidatingAdmissionPolicies, written as short as tests read best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from kpolicy.engine import ScanRequest, scan
from kpolicy.findings import Report
from kpolicy.plugins.manager import make_toolbox

GROUP = "admissionregistration.k8s.io"

DEPLOYMENTS = {
    "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
    "resources": ["deployments"],
}  # fmt: skip


def rule(resources: str, group: str = "", **more: Any) -> dict[str, Any]:
    """Return a resource rule for CREATE and UPDATE of v1."""
    return {
        "apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
        "resources": [resources], **more,
    }  # fmt: skip


def vap(*expressions: Any, name: str = "p", version: str = "v1", **spec: Any) -> dict[str, Any]:
    """Return a policy on Deployments; `constraints` goes into its matchConstraints."""
    validations = [{"expression": e} if isinstance(e, str) else e for e in expressions]
    constraints = {"resourceRules": [dict(DEPLOYMENTS)], **spec.pop("constraints", {})}
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {"matchConstraints": constraints, "validations": validations, **spec},
    }


def binding(
    *actions: str, name: str = "b", policy: str = "p", version: str = "v1", **spec: Any
) -> dict[str, Any]:
    """Return a Binding; without actions it denies."""
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": policy, "validationActions": list(actions or ("Deny",)), **spec},
    }


def deployment(name: str = "web", namespace: str = "", **spec: Any) -> dict[str, Any]:
    """Return a Deployment with 5 replicas."""
    return resource("apps/v1", "Deployment", name, namespace, spec={"replicas": 5, **spec})


def resource(
    api_version: str, kind: str, name: str = "a", namespace: str = "", **body: Any
) -> dict[str, Any]:
    """Return an object; `labels` goes into its metadata."""
    metadata: dict[str, Any] = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if "labels" in body:
        metadata["labels"] = body.pop("labels")
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def run(
    root: Path,
    policies: list[dict[str, Any]],
    resources: list[dict[str, Any]],
    *,
    params: list[dict[str, Any]] | None = None,
    everything: bool = True,
    **request: Any,
) -> Report:
    """Return the report of a scan of `resources` by `policies`."""
    for name, documents in (("policies", policies), ("in", resources), ("params", params or [])):
        (root / name).mkdir(exist_ok=True)
        (root / name / "all.yaml").write_text(yaml.safe_dump_all(documents, sort_keys=False))
    asked = ScanRequest(
        targets=(str(root / "in"),),
        policy_paths=(str(root / "policies"),),
        param_paths=request.pop("param_paths", (str(root / "params"),) if params else ()),
        builtin=False,
        isolated=True,
        jobs=request.pop("jobs", 1),
        results_all=everything,
        **request,
    )
    return scan(asked, make_toolbox())


def decisions(report: Report) -> dict[str, str]:
    """Return what was decided of each resource: {"web": "fail"}; several are joined by +."""
    found: dict[str, list[str]] = {}
    for finding in report.findings:
        found.setdefault(finding.resource.name, []).append(finding.outcome)
    return {name: "+".join(outcomes) for name, outcomes in found.items()}


def messages(report: Report) -> list[str]:
    """Return the messages of all findings, in order."""
    return [finding.message for finding in report.findings]


#: A definition of example.com/v1 Widget, whose spec has the integer `size`.
CUSTOM_KIND: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {"size": {"type": "integer"}},
                            }
                        },
                    }
                },
            }
        ],
    },
}
