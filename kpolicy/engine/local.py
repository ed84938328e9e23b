"""The local phase: files to findings of every policy that needs its own resource alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kpolicy.engine.evaluate import Unit, evaluate
from kpolicy.engine.findings import Anchor, Placer, anchor_of, finding_of, ref_of
from kpolicy.engine.plan import Plan
from kpolicy.engine.request_object import request_of
from kpolicy.findings import Finding
from kpolicy.manifests.model import Invalid, Limits, ManifestFile, Note, Skipped
from kpolicy.relations.context import JoinContext
from kpolicy.snapshot.resource import Resource, resource_from
from kpolicy.snapshot.snapshot import Snapshot
from kpolicy.suppress.annotations import ignores_of
from kpolicy.suppress.apply import Annotated


@dataclass(frozen=True, slots=True)
class Settings:
    """What every evaluation of a scan is told, besides the plan."""

    limits: Limits = field(default_factory=Limits)
    operation: str = "CREATE"
    user: Mapping[str, Any] = field(default_factory=dict)
    everything: bool = False
    """Whether passes and skips are wanted."""


@dataclass(slots=True)
class Tally:
    """What a phase yields. Merged in the order of files, whatever process it came from."""

    findings: list[tuple[Finding, Anchor]] = field(default_factory=list)
    annotated: dict[Anchor, Annotated] = field(default_factory=dict)
    resources: list[Resource] = field(default_factory=list)
    invalid: list[Invalid] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    documents: int = 0
    resource_count: int = 0
    evaluations: int = 0

    def add(self, other: Tally) -> None:
        """Take in what another part of the phase yielded."""
        self.findings += other.findings
        self.annotated.update(other.annotated)
        self.resources += other.resources
        self.invalid += other.invalid
        self.skipped += other.skipped
        self.notes += other.notes
        self.documents += other.documents
        self.resource_count += other.resource_count
        self.evaluations += other.evaluations


def local_phase(plan: Plan, settings: Settings, files: Iterable[ManifestFile]) -> Tally:
    """Load files, evaluate the local policies on every resource in them, and return all of it."""
    from kpolicy.manifests import load

    tally = Tally()
    evaluator = LocalEvaluator(plan, settings)
    for file in files:
        loaded = load(file, settings.limits)
        tally.invalid += loaded.invalid
        tally.skipped += loaded.skipped
        tally.notes += loaded.notes
        tally.documents += len({d.index for d in loaded.documents})
        placer = Placer({file.path: file})
        for document in loaded.documents:
            resource = resource_from(document, plan.kinds)
            evaluator.run(resource, placer, tally)
            tally.resources.append(resource)
            tally.resource_count += 1
    return tally


class LocalEvaluator:
    """Runs the local policies of a plan on one resource after another."""

    def __init__(self, plan: Plan, settings: Settings) -> None:
        self.plan = plan
        self.settings = settings
        self.context = JoinContext(Snapshot.of((), plan.kinds), relations=plan.relations)
        self.needs_request = any("request" in u.compiled.references for u in plan.units)

    def run(self, resource: Resource, placer: Placer, tally: Tally) -> None:
        """Evaluate one resource and add what was found to `tally`."""
        settings = self.settings
        self.context.resource = resource
        bindings: dict[str, Any] = {
            "object": resource.body,
            "oldObject": None,
            "namespaceObject": None,
        }
        if self.needs_request:
            bindings["request"] = request_of(
                resource, self.plan.kinds, settings.operation, settings.user
            )
        noted = False
        for unit in self.plan.meeting(resource.api_version, resource.kind, False):
            test = unit.matcher.test
            if test is not None and not test(resource):
                continue
            tally.evaluations += 1
            verdicts = evaluate(unit, resource, bindings, self.context, None, settings.everything)
            if verdicts:
                noted = True
                add_findings(unit, resource, verdicts, placer, tally, settings.everything)
        if noted or self.plan.joins or settings.everything:
            note_annotations(resource, tally)


def add_findings(
    unit: Unit,
    resource: Resource,
    verdicts: Any,
    placer: Placer,
    tally: Tally,
    everything: bool,
) -> None:
    """Add a policy's verdicts on a resource as findings; skips only where everything is wanted."""
    anchor = anchor_of(resource)
    for verdict in verdicts:
        if verdict.outcome == "skip" and not everything:
            continue
        tally.findings.append((finding_of(unit, resource, verdict, placer), anchor))


def note_annotations(resource: Resource, tally: Tally) -> None:
    """Keep the suppressing annotations of a resource."""
    ignores = ignores_of(resource.body)
    if ignores:
        tally.annotated[anchor_of(resource)] = Annotated(
            ref_of(resource), resource.location, ignores
        )
