"""The stable machine-readable report; `report.schema.json` beside this file is its JSON Schema."""

from __future__ import annotations

import re
from typing import Any

from kpolicy.findings import SEVERITIES, Finding, Place, Related, Report, ResourceRef
from kpolicy.location import SourceLocation
from kpolicy.policy.model import Edit
from kpolicy.reporters.model import ReportContext

# Legal inside JSON strings, but a terminal or a JavaScript reader may act on them.
_UNSAFE = "[\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]"


def render(report: Report, context: ReportContext) -> str:
    """Return the report as JSON, two spaces of indent, keys in the documented order."""
    return encode(as_data(report, context.version))


def as_data(report: Report, version: str) -> dict[str, Any]:
    """Return the report as plain dicts and lists in the documented shape."""
    summary = report.summary
    data: dict[str, Any] = {
        "version": version,
        "summary": {
            "documents": summary.documents,
            "resources": summary.resources,
            "policies": summary.policies,
            "evaluations": summary.evaluations,
            "findings": {severity: report.count(severity) for severity in SEVERITIES},
            "suppressed": summary.suppressed,
            "invalid": summary.invalid,
            "skipped": dict(sorted(summary.skipped.items())),
        },
        "findings": [finding_data(finding) for finding in report.findings],
        "invalid": [
            {**_line(invalid.location), "message": invalid.message} for invalid in report.invalid
        ],
    }
    if summary.fixed:
        data["summary"]["fixed"] = summary.fixed
    if report.digest:
        data["summary"]["digest"] = report.digest
    if report.problems:
        data["problems"] = [
            {**_line(problem.location or SourceLocation("")), "message": problem.message}
            for problem in report.problems
        ]
    return data


def finding_data(finding: Finding) -> dict[str, Any]:
    """Return one finding in the documented shape; `certainty` and `labels` only where given."""
    data: dict[str, Any] = {
        "policy": finding.policy,
        "pack": finding.pack,
        "severity": finding.severity,
        "outcome": finding.outcome,
        "message": finding.message,
        "resource": _resource(finding.resource),
        "location": _place(finding.place),
        "related": [_related(related) for related in finding.related],
        "scope": finding.scope,
        "fingerprint": finding.fingerprint,
    }
    if finding.certainty:
        data["certainty"] = finding.certainty
    if finding.labels:
        data["labels"] = dict(finding.labels)
    if finding.details:
        data["details"] = dict(finding.details)
    if finding.fix is not None:
        data["fix"] = [_edit(edit) for edit in finding.fix.edits]
    return data


def _edit(edit: Edit) -> dict[str, Any]:
    data: dict[str, Any] = {"op": edit.op, "path": edit.pointer}
    if edit.op in ("add", "replace"):
        data["value"] = edit.value
    if edit.op == "move":
        data["from"] = edit.source
    return data


def encode(data: Any) -> str:
    """Return `data` as JSON text that is safe to print, newline at the end."""
    import msgspec

    try:
        compact = msgspec.json.encode(data)
    except UnicodeEncodeError:
        # A lone surrogate: a file name that is not UTF-8, or "\ud800" in a manifest.
        compact = msgspec.json.encode(_without_surrogates(data))
    text = msgspec.json.format(compact, indent=2).decode()
    if text.isascii() and "\x7f" not in text:
        return text + "\n"
    return re.sub(_UNSAFE, lambda m: f"\\u{ord(m[0]):04x}", text) + "\n"


def _resource(resource: ResourceRef) -> dict[str, str]:
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "namespace": resource.namespace,
        "name": resource.name,
    }


def _line(location: SourceLocation) -> dict[str, Any]:
    return {"path": location.path, "line": location.line, "column": location.column}


def _place(place: Place) -> dict[str, Any]:
    return {**_line(place.location), "pointer": place.pointer}


def _related(related: Related) -> dict[str, Any]:
    return {
        "resource": _resource(related.resource),
        "location": _place(related.place),
        "relation": related.relation,
    }


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(v) for v in value]
    return value
