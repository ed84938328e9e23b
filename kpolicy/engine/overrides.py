"""What the configuration changes for some paths: severities, and policies left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from kpolicy.config.model import Config, ConfigSuppression, Override, Severity
from kpolicy.findings import Finding
from kpolicy.suppress.apply import path_glob


def with_severities(
    findings: Sequence[Finding], config: Config, relative: Callable[[str], str]
) -> list[Finding]:
    """Return the findings with the severities that their paths give them; the last override wins.

    An enforced policy keeps its severity: the tree's author writes the overrides too.
    """
    rules = [
        (re.compile("|".join(path_glob(g) for g in override.paths)), override)
        for override in config.overrides
        if override.severity and override.paths
    ]
    if not rules:
        return list(findings)
    changed = []
    for finding in findings:
        path = relative(finding.place.location.path)
        for pattern, override in rules:
            severity = _severity(finding.policy, override)
            if severity and pattern.match(path) and not config.enforces(finding.policy):
                finding = replace(finding, severity=severity)
        changed.append(finding)
    return changed


def _severity(policy: str, override: Override) -> Severity | None:
    if policy in override.severity:
        return override.severity[policy]
    found: Severity | None = None
    for pattern, severity in override.severity.items():
        if fnmatchcase(policy, pattern):
            found = severity
    return found


def as_suppressions(config: Config) -> tuple[ConfigSuppression, ...]:
    """Return the configuration's suppressions with the `exclude` of overrides among them."""
    return config.suppressions + tuple(
        ConfigSuppression(
            policies=override.exclude,
            paths=override.paths,
            reason="excluded for this path",
            location=override.location,
        )
        for override in config.overrides
        if override.exclude
    )
