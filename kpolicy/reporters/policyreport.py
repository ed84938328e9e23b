"""PolicyReport resources of the Kubernetes policy working group (wgpolicyk8s.io/v1alpha2), as YAML.

A PolicyReport for each namespace and a ClusterPolicyReport for what names none. Applied to a
cluster, tools such as Policy Reporter show them.
"""

from __future__ import annotations

import json
from typing import Any

from kpolicy.findings import Finding, Report, Severity
from kpolicy.reporters.model import ReportContext
from kpolicy.reporters.rendering import message_with_places, one_line

API_VERSION = "wgpolicyk8s.io/v1alpha2"
_SEVERITIES: dict[Severity, str] = {"error": "high", "warning": "medium", "info": "low"}
_RESULTS = ("pass", "fail", "warn", "error", "skip")


def render(report: Report, context: ReportContext) -> str:
    """Return one YAML document for each namespace that has findings."""
    categories = {policy.id: policy.category for policy in report.policies}
    groups: dict[str, list[Finding]] = {}
    for finding in report.findings:
        groups.setdefault(finding.resource.namespace, []).append(finding)
    about = {"kpolicy.dev/version": context.version}
    if report.digest:
        about["kpolicy.dev/digest"] = report.digest
    documents = [
        _document(namespace, findings, categories, about)
        for namespace, findings in sorted(groups.items())
    ] or [_document("", [], categories, about)]
    # JSON is YAML: no string of a manifest can be read as anything but a string.
    return "---\n".join(
        json.dumps(document, indent=2, ensure_ascii=True) + "\n" for document in documents
    )


def _document(
    namespace: str, findings: list[Finding], categories: dict[str, str], about: dict[str, str]
) -> dict[str, Any]:
    results = [_result(finding, categories.get(finding.policy, "")) for finding in findings]
    metadata: dict[str, Any] = {
        "name": "kpolicy",
        "labels": {"app.kubernetes.io/managed-by": "kpolicy"},
        "annotations": about,
    }
    if namespace:
        metadata["namespace"] = one_line(namespace)
    return {
        "apiVersion": API_VERSION,
        "kind": "PolicyReport" if namespace else "ClusterPolicyReport",
        "metadata": metadata,
        "summary": {kind: sum(r["result"] == kind for r in results) for kind in _RESULTS},
        "results": results,
    }


def _result(finding: Finding, category: str) -> dict[str, Any]:
    at = finding.place.location
    resource = finding.resource
    reference = {"apiVersion": resource.api_version, "kind": resource.kind, "name": resource.name}
    if resource.namespace:
        reference["namespace"] = resource.namespace
    result: dict[str, Any] = {
        "source": "kpolicy",
        "policy": finding.policy,
        "result": _outcome(finding),
        "severity": _SEVERITIES[finding.severity],
        "message": message_with_places(finding),
        "resources": [{name: one_line(value) for name, value in reference.items()}],
        "properties": {
            "file": one_line(at.path),
            "line": str(at.line),
            "fingerprint": finding.fingerprint,
        },
    }
    if category:
        result["category"] = category
    return result


def _outcome(finding: Finding) -> str:
    """Return the working group's word: `warn` is a failure that need not stop anything."""
    if finding.outcome == "fail" and finding.severity == "info":
        return "warn"
    return finding.outcome
