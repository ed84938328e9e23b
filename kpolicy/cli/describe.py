"""A policy in words: as text for a terminal, as Markdown for a page, as data."""

from __future__ import annotations

import json
from typing import Any

from kpolicy.policy.model import Match, Policy
from kpolicy.reporters.rendering import clean


def as_text(policy: Policy) -> str:
    """Return what a policy is for: what it finds, why, what to do, and what can be set."""
    out = [f"{policy.id}: {policy.title}" if policy.title else policy.id]
    out += [f"  severity {policy.severity}, pack {policy.pack or 'none'}, {_default(policy)}"]
    for text in (policy.description, policy.remediation and f"What to do: {policy.remediation}"):
        if text and text.strip():
            out += ["", *clean(text).strip().splitlines()]
    if policy.params:
        out += ["", "Parameters:"]
        for param in policy.params:
            out.append(f"  {param.name} ({_type(param)}) = {_value(param.default)}")
            if param.description:
                out.append(f"      {' '.join(param.description.split())}")
    out += ["", f"Looks at: {looked_at(policy)}"]
    if policy.references:
        out += ["", "Read more:", *(f"  {reference}" for reference in policy.references)]
    out += ["", f"Silence it on a resource: annotation {suppression(policy)}"]
    return "\n".join(clean(line) for line in out) + "\n"


def looked_at(policy: Policy) -> str:
    """Return which resources a policy meets, of whatever format it is."""
    vap = policy.metadata.get("vap")
    if vap is None:
        return matched(policy.match)
    found = []
    for rule in vap["constraints"]["resourceRules"]:
        groups = [group or "core" for group in rule["apiGroups"]]
        found.append(
            f"{', '.join(rule['resources'])} of {', '.join(groups)}"
            f" ({', '.join(rule['operations'])})"
        )
    return "; ".join(found)


def as_markdown(policy: Policy, level: int = 1) -> str:
    """Return a policy's page."""
    head = "#" * level
    out = [f"{head} {policy.id}", ""]
    if policy.title:
        out += [f"**{policy.title}**", ""]
    out += [
        f"Severity: {policy.severity}. Pack: {policy.pack or 'none'}."
        f" {_default(policy).capitalize()}.",
        "",
    ]
    if policy.description.strip():
        out += [policy.description.strip(), ""]
    if policy.remediation.strip():
        out += [f"{head}# What to do", "", policy.remediation.strip(), ""]
    if policy.params:
        out += [
            f"{head}# Parameters",
            "",
            "| Name | Type | Default | Meaning |",
            "|---|---|---|---|",
        ]
        for param in policy.params:
            cells = (
                f"`{param.name}`", _type(param), f"`{_value(param.default)}`",
                " ".join(param.description.split()),
            )  # fmt: skip
            out.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        out.append("")
    out += [f"{head}# Looks at", "", looked_at(policy), ""]
    out += [
        f"{head}# Silencing it", "",
        "On a resource, with an annotation:", "",
        "```yaml", "metadata:", "  annotations:", f"    {suppression(policy)}", "```", "",
    ]  # fmt: skip
    if policy.references:
        out += [f"{head}# References", "", *(f"- <{r}>" for r in policy.references), ""]
    return "\n".join(out)


def as_data(policy: Policy) -> dict[str, Any]:
    """Return what a machine may want to know of a policy."""
    return {
        "id": policy.id,
        "title": policy.title,
        "severity": policy.severity,
        "pack": policy.pack,
        "category": policy.category,
        "default": policy.default,
        "description": policy.description,
        "remediation": policy.remediation,
        "references": list(policy.references),
        "params": [
            {
                "name": param.name,
                "type": param.type,
                "default": _plain(param.default),
                "description": param.description,
            }
            for param in policy.params
        ],
        "kinds": list(policy.match.kinds),
        "plugin": policy.plugin,
        "location": str(policy.location) if policy.location else "",
    }


def suppression(policy: Policy) -> str:
    """Return the annotation that silences a policy on one resource."""
    return f'ignore.kpolicy.dev/{policy.id}: "why"'


def matched(match: Match) -> str:
    """Return which resources a match meets, in words."""
    words = "every resource" if match.kinds == ("*",) else ", ".join(match.kinds)
    for text, values in (
        ("except", match.exclude_kinds),
        ("in namespaces", match.namespaces),
        ("not in namespaces", match.exclude_namespaces),
        ("named", match.names),
        ("not named", match.exclude_names),
    ):
        if values:
            words += f"; {text} {', '.join(values)}"
    if match.labels is not None:
        words += f"; with labels {_value(match.labels)}"
    return words


def _default(policy: Policy) -> str:
    return "in the default set" if policy.default else "not in the default set"


def _type(param: Any) -> str:
    kind = f"{param.type} of {param.items}" if param.items else str(param.type)
    return f"{kind}: {', '.join(map(str, param.enum))}" if param.enum else kind


def _value(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    from kpolicy.frozen import thaw

    return thaw(value)
