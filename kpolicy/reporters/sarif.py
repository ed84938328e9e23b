"""SARIF 2.1.0, for GitHub code scanning and every viewer that reads the standard.

Section numbers in comments are those of the OASIS standard (SARIF 2.1.0, errata 01).
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from kpolicy.findings import Finding, Place, PolicyInfo, Related, Report, Severity
from kpolicy.location import SourceLocation
from kpolicy.reporters.json import encode
from kpolicy.reporters.model import ReportContext
from kpolicy.reporters.rendering import clean, repository_path

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_ROOT = "%SRCROOT%"
_LEVELS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "note"}
_KINDS = {"pass": "pass", "skip": "notApplicable"}
# 3.11.6: "[text](2)" in a message is a link to a related location.
_LINK = re.compile(r"[\\\[\]](?=[^\[\]]*\]\()|\](?=\()")


def render(report: Report, context: ReportContext) -> str:
    """Return the report as one SARIF log with one run."""
    return encode(as_log(report, context))


def as_log(report: Report, context: ReportContext) -> dict[str, Any]:
    """Return the SARIF log as plain dicts and lists."""
    policies = _policies(report)
    index = {policy.id: number for number, policy in enumerate(policies)}
    texts: dict[str, str] = {}
    results = [_result(f, index, context, texts) for f in (*report.findings, *report.suppressed)]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "kpolicy",
                        "version": context.version,
                        "semanticVersion": context.version,
                        "rules": [_rule(policy) for policy in policies],
                    }
                },
                "invocations": [_invocation(report, context)],
                "originalUriBaseIds": {
                    _ROOT: {"description": {"text": "The root of the scanned repository."}}
                },
                "columnKind": "unicodeCodePoints",
                "results": results,
                **({"properties": {"digest": report.digest}} if report.digest else {}),
            }
        ],
    }


def _policies(report: Report) -> list[PolicyInfo]:
    """Return every policy that was run or that a finding names, in order of id."""
    known = {policy.id: policy for policy in report.policies}
    for finding in (*report.findings, *report.suppressed):
        if finding.policy not in known:
            known[finding.policy] = PolicyInfo(
                finding.policy, finding.pack, finding.severity, "", "", finding.remediation
            )
    return [known[id_] for id_ in sorted(known)]


def _rule(policy: PolicyInfo) -> dict[str, Any]:
    title = clean(policy.title) or policy.id
    description = clean(policy.description).strip() or title
    remediation = clean(policy.remediation).strip()
    references = [clean(r) for r in policy.references]
    text = "\n\n".join(part for part in (description, remediation) if part)
    markdown = f"**{title}**\n\n{description}"
    if remediation:
        markdown += f"\n\n**How to mend it:** {remediation}"
    if references:
        markdown += "\n\n" + "\n".join(f"- <{reference}>" for reference in references)
    rule: dict[str, Any] = {
        "id": policy.id,
        "name": "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", policy.id)),
        "shortDescription": {"text": title},
        "fullDescription": {"text": description},
        "help": {"text": text, "markdown": markdown},
        "defaultConfiguration": {"level": _LEVELS[policy.severity]},
        "properties": {
            # 3.49.15, 3.8.2: tags are unique; a pack may have its category's name.
            "tags": list(
                dict.fromkeys(t for t in ("kubernetes", policy.category, policy.pack) if t)
            ),
            "problem.severity": {"info": "recommendation"}.get(policy.severity, policy.severity),
        },
    }
    if references and references[0].startswith(("https://", "http://")):
        rule["helpUri"] = quote(references[0], safe=":/?#[]@!$&'()*+,;=%~")
    return rule


def _result(
    finding: Finding, index: dict[str, int], context: ReportContext, texts: dict[str, str]
) -> dict[str, Any]:
    kind = _KINDS.get(finding.outcome, "fail")
    message = clean(finding.message).strip() or finding.policy
    if finding.outcome == "error" and not message.startswith("could not be evaluated"):
        message = f"The policy could not be evaluated: {message}"
    result: dict[str, Any] = {
        "ruleId": finding.policy,
        "ruleIndex": index[finding.policy],
        "kind": kind,
        # 3.27.10: a result of any other kind than "fail" has the level "none".
        "level": _LEVELS[finding.severity] if kind == "fail" else "none",
        "message": {"text": _message(message)},
        "locations": [_location(finding.place, context, str(finding.resource))],
        "partialFingerprints": {"kpolicy/v1": finding.fingerprint},
    }
    if finding.related:
        result["relatedLocations"] = [
            _related(number, related, context) for number, related in enumerate(finding.related, 1)
        ]
    if finding.suppression is not None:
        result["suppressions"] = [_suppression(finding, context)]
    if finding.fix is not None and (fix := _fix(finding, context, texts)) is not None:
        result["fixes"] = [fix]
    properties: dict[str, Any] = {"outcome": finding.outcome}
    if finding.scope:
        properties["scope"] = finding.scope
    if finding.certainty:
        properties["certainty"] = finding.certainty
    if finding.labels:
        properties["labels"] = dict(finding.labels)
    result["properties"] = properties
    return result


def _fix(finding: Finding, context: ReportContext, texts: dict[str, str]) -> dict[str, Any] | None:
    """Return the fix as text to replace (3.55 to 3.57); None where it cannot be made in the file.

    `texts` keeps the files that were read.
    """
    path = finding.place.location.path
    if finding.fix is None or context.read_lines is None:
        return None
    if path not in texts:
        texts[path] = "\n".join(context.read_lines(path))
    from kpolicy.fixes.edit import text_edit

    edit = text_edit(texts[path], finding.fix)
    if edit is None:
        return None
    region = {
        "startLine": edit.start[0], "startColumn": edit.start[1],
        "endLine": edit.end[0], "endColumn": edit.end[1],
    }  # fmt: skip
    replacement: dict[str, Any] = {"deletedRegion": region}
    if edit.text:
        replacement["insertedContent"] = {"text": edit.text}
    change = {"artifactLocation": _artifact(path, context), "replacements": [replacement]}
    return {
        "description": {"text": _message(f"Apply the fix of {finding.policy}")},
        "artifactChanges": [change],
    }


def _suppression(finding: Finding, context: ReportContext) -> dict[str, Any]:
    given = finding.suppression
    assert given is not None
    suppression: dict[str, Any] = {
        "kind": "inSource" if given.kind in ("annotation", "comment") else "external"
    }
    if given.reason:
        suppression["justification"] = clean(given.reason)
    if given.location is not None:
        suppression["location"] = _physical(given.location, context)
    return suppression


def _related(number: int, related: Related, context: ReportContext) -> dict[str, Any]:
    how = f" ({related.relation})" if related.relation else ""
    return {
        "id": number,
        **_location(related.place, context, str(related.resource)),
        "message": {"text": _message(clean(f"{related.resource}{how}"))},
    }


def _location(place: Place, context: ReportContext, resource: str) -> dict[str, Any]:
    name = clean(resource)
    return {
        **_physical(place.location, context),
        "logicalLocations": [
            {"name": name, "fullyQualifiedName": name + clean(place.pointer), "kind": "resource"}
        ],
    }


def _physical(location: SourceLocation, context: ReportContext) -> dict[str, Any]:
    region = {"startLine": max(location.line, 1)}
    if location.column:
        region["startColumn"] = location.column
    return {
        "physicalLocation": {
            "artifactLocation": _artifact(location.path, context),
            "region": region,
        }
    }


def _artifact(path: str, context: ReportContext) -> dict[str, Any]:
    shown = repository_path(path, context).replace("\\", "/")
    encoded = quote(shown.encode("utf-8", "surrogateescape"), safe="/~")
    if shown.startswith("/"):
        return {"uri": f"file://{encoded}"}
    if shown.startswith(("<", "../")):
        return {"uri": encoded}
    return {"uri": encoded, "uriBaseId": _ROOT}


def _invocation(report: Report, context: ReportContext) -> dict[str, Any]:
    notifications: list[dict[str, Any]] = [
        _notification("error", invalid.message, invalid.location, context)
        for invalid in report.invalid
    ]
    notifications += [
        _notification("note", note.message, note.location, context) for note in report.notes
    ]
    invocation: dict[str, Any] = {"executionSuccessful": not (report.invalid or report.problems)}
    if notifications:
        invocation["toolExecutionNotifications"] = notifications
    if report.problems:
        invocation["toolConfigurationNotifications"] = [
            _notification("error", problem.message, problem.location, context)
            for problem in report.problems
        ]
    return invocation


def _notification(
    level: str, message: str, location: SourceLocation | None, context: ReportContext
) -> dict[str, Any]:
    notification: dict[str, Any] = {
        "level": level,
        "message": {"text": _message(clean(message)) or "(no message)"},
    }
    if location is not None:
        notification["locations"] = [_physical(location, context)]
    return notification


def _message(text: str) -> str:
    """Escape what a viewer would take for a link."""
    return _LINK.sub(lambda match: "\\" + match[0], text)
