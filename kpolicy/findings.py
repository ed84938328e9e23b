"""What a scan yields: findings, what could not be read, counts. Frozen, free of rendering."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Literal

from kpolicy.errors import Problem
from kpolicy.location import SourceLocation
from kpolicy.manifests.model import Invalid, Note
from kpolicy.policy.model import Edit
from kpolicy.records import dataclass

Severity = Literal["error", "warning", "info"]
Outcome = Literal["pass", "fail", "error", "skip"]
Certainty = Literal["", "absent", "unknowable"]

#: The key of `Finding.details` that says which program made the resource, and from what.
RENDERED = "rendered"
#: The key that says why a fix is not offered that the policy knows.
UNFIXED = "unfixed"

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True, slots=True, order=True)
class ResourceRef:
    """A resource as named in reports; `namespace` as written, "" when absent."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind}/{where}"


@dataclass(frozen=True, slots=True)
class Place:
    """A source location with the JSON pointer of what stands there, relative to the resource."""

    location: SourceLocation
    pointer: str = ""


@dataclass(frozen=True, slots=True)
class Related:
    """Another resource that a finding is about, and how it was reached."""

    resource: ResourceRef
    place: Place
    relation: str = ""


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why a finding is not reported."""

    kind: Literal["annotation", "comment", "config", "baseline"]
    reason: str = ""
    location: SourceLocation | None = None


@dataclass(frozen=True, slots=True)
class Fix:
    """What would mend a finding: edits of the resource at `within` of a file's YAML document."""

    document: int
    within: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A policy and a resource, with what was decided."""

    policy: str
    pack: str
    severity: Severity
    outcome: Outcome
    message: str
    resource: ResourceRef
    place: Place
    fingerprint: str
    related: tuple[Related, ...] = ()
    scope: str = ""
    remediation: str = ""
    validation: int = 0
    """Index of the validation in its policy."""
    item: str = ""
    """Identity of the forEach item (container, port, volume ... by name), "" without one."""
    certainty: Certainty = ""
    """For a missing target: absent (the snapshot is closed for it) or unknowable."""
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Added by plugins' post-processing (team, ticket ...)."""
    resource_labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """`metadata.labels` of the resource, for post-processing; no report prints them."""
    suppression: Suppression | None = None
    details: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """What the policy's format adds: for a ValidatingAdmissionPolicy `binding`, `reason` ...; and
    what a rendered resource was made by."""
    fix: Fix | None = None
    """What `--fix` would do; None where the policy knows no safe fix."""

    @property
    def sort_key(self) -> tuple[object, ...]:
        """Path, line, policy, then what makes the order total."""
        at = self.place.location
        rest = (at.column, self.validation, self.message, self.fingerprint)
        return (at.path, at.line, self.policy, *rest)


@dataclass(frozen=True, slots=True)
class PolicyInfo:
    """What a reporter needs to know of a policy that was run."""

    id: str
    pack: str
    severity: Severity
    title: str
    description: str
    remediation: str
    references: tuple[str, ...] = ()
    category: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of a scan."""

    documents: int = 0
    resources: int = 0
    policies: int = 0
    evaluations: int = 0
    suppressed: int = 0
    invalid: int = 0
    skipped: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    fixed: int = 0
    """Findings that `--fix` mended."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a scan; `findings` holds what is reported (by default fails and errors)."""

    findings: tuple[Finding, ...] = ()
    suppressed: tuple[Finding, ...] = ()
    invalid: tuple[Invalid, ...] = ()
    notes: tuple[Note, ...] = ()
    summary: Summary = field(default_factory=Summary)
    policies: tuple[PolicyInfo, ...] = ()
    problems: tuple[Problem, ...] = ()
    """What is wrong with policies that could not run; the others did."""
    digest: str = ""
    """`sha256:...` over the scanned resources, in whatever files (`kpolicy.engine.digest`)."""
    timings: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Seconds by stage, for --stats; never part of machine output."""

    def count(self, severity: Severity) -> int:
        """Return how many findings that fail or err have this severity."""
        return sum(
            1 for f in self.findings if f.severity == severity and f.outcome in ("fail", "error")
        )
