"""The local phase: files to findings of every policy that needs its own resource alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from kpolicy.engine.digest import prints_of
from kpolicy.engine.evaluate import Unit, Verdict, evaluate, skipped
from kpolicy.engine.findings import Placer, anchor_of, raw_of, ref_of
from kpolicy.engine.plan import Plan
from kpolicy.engine.request import ScanRequest
from kpolicy.engine.request_object import request_of
from kpolicy.engine.rows import Pending, RowMaker
from kpolicy.engine.tally import Seen, Tally, content_of
from kpolicy.manifests.model import Invalid, Limits, ManifestFile
from kpolicy.records import dataclass
from kpolicy.relations.context import JoinContext
from kpolicy.snapshot.resource import Resource, resource_from
from kpolicy.snapshot.snapshot import Snapshot
from kpolicy.suppress.annotations import ignores_of
from kpolicy.suppress.apply import Annotated


@dataclass(frozen=True, slots=True)
class Settings:
    """What every evaluation of a scan is told, besides the plan."""

    limits: Limits = field(default_factory=Limits)
    operation: str = ""
    """What `request.operation` is; "" = UPDATE where the base has the resource, else CREATE."""
    before: Mapping[Resource, Resource] = field(default_factory=dict)
    """The base's resource for each resource of the head that the base has too."""
    user: Mapping[str, Any] = field(default_factory=dict)
    everything: bool = False
    """Whether passes and skips are wanted."""
    unused: bool = False
    """Whether suppressions that suppress nothing are wanted: those of every resource count then."""
    remember: bool = False
    """Whether the results are kept: then the tally says what each file had."""


def admission(resource: Resource, settings: Settings) -> tuple[Any, Any, str]:
    """Return `object`, `oldObject` and the operation, as the API server would have them.

    The object of a deletion is null, and what is deleted is `oldObject`.
    """
    old = settings.before.get(resource) if settings.before else None
    operation = settings.operation or ("CREATE" if old is None else "UPDATE")
    if operation == "DELETE":
        return None, resource.body, operation
    if operation == "UPDATE" and old is None:
        # Nobody says what was there before: as if nothing had changed.
        return resource.body, resource.body, operation
    return resource.body, None if old is None else old.body, operation


def settings_of(request: ScanRequest) -> Settings:
    """Return what the evaluations of a scan are told."""
    return Settings(
        limits=request.limits,
        operation=request.operation,
        user=request.user,
        everything=request.results_all,
        unused=request.report_unused_suppressions,
    )


def local_phase(
    plan: Plan,
    settings: Settings,
    files: Iterable[ManifestFile],
    keep_bodies: bool = True,
    at_hand: bool = False,
) -> Tally:
    """Evaluate files as `LocalEvaluator.over` does, with bodies kept or guesses made instead."""
    return LocalEvaluator(plan, settings, guess=not keep_bodies, at_hand=at_hand).over(files)


class LocalEvaluator:
    """Runs the local policies of a plan on one resource after another.

    With `guess` it guesses at the join policies too, and learns which guesses are worth it;
    `at_hand` = what comes of it stays in this process, with the bodies that may be needed.
    """

    def __init__(
        self, plan: Plan, settings: Settings, guess: bool = False, at_hand: bool = False
    ) -> None:
        self.plan = plan
        self.settings = settings
        self.keeps_bodies = not guess
        self.context = JoinContext(Snapshot.of((), plan.kinds), relations=plan.relations)
        self.needs_request = any("request" in u.compiled.references for u in plan.units)
        joins = plan.joins
        self.maker = RowMaker(plan, settings.everything, at_hand) if guess and joins else None
        self.annotated = joins or settings.everything or settings.unused
        """Whether annotations count where nothing was found, too."""

    def over(self, files: Iterable[ManifestFile]) -> Tally:
        """Load files, evaluate every resource in them, and return all of it.

        Where nothing is guessed, the resources are returned whole; else as rows.
        """
        from kpolicy.manifests.loader import load, read_bytes

        settings = self.settings
        tally = Tally()
        placer = Placer({}, tally.plain)
        for file in files:
            data = read_bytes(file, settings.limits)
            if settings.remember:
                digest = b"" if isinstance(data, Invalid) else content_of(data)
                before = tally.documents, tally.resource_count, tally.evaluations
            loaded = load(file, settings.limits, data)
            tally.invalid += loaded.invalid
            tally.skipped += loaded.skipped
            tally.notes += loaded.notes
            tally.documents += len({d.index for d in loaded.documents})
            tally.plain[file.path] = loaded.plain
            placer.turn_to(file, data)
            prints = prints_of(document.body for document in loaded.documents)
            tally.prints += prints
            for document in loaded.documents:
                resource = resource_from(document, self.plan.kinds)
                self.run(resource, placer, tally)
                tally.resource_count += 1
                if self.keeps_bodies:
                    tally.resources.append(resource)
            if not loaded.commented:
                tally.uncommented.add(file.path)
            if settings.remember:
                after = tally.documents, tally.resource_count, tally.evaluations
                counts = (now - then for now, then in zip(after, before, strict=True))
                tally.seen.append(Seen(file.path, digest, loaded.commented, prints, *counts))
        return tally

    def run(self, resource: Resource, placer: Placer, tally: Tally) -> None:
        """Evaluate one resource and add what was found to `tally`."""
        plan, settings, context = self.plan, self.settings, self.context
        everything = settings.everything
        context.resource = resource
        new, old, operation = admission(resource, settings)
        bindings: dict[str, Any] = {"object": new, "oldObject": old, "namespaceObject": None}
        if self.needs_request:
            bindings["request"] = request_of(resource, plan.kinds, operation, settings.user)
        noted = False
        met = plan.meeting(resource, False, operation)
        tally.evaluations += len(met)
        for unit, test in met:
            if test is not None and not test(resource):
                tally.evaluations -= 1
                pass_over(unit, resource, placer, tally, everything)
                continue
            verdicts = evaluate(unit, resource, bindings, context, None, everything)
            if verdicts:
                noted = True
                add_findings(unit, resource, verdicts, placer, tally, everything)
        if self.maker is not None:
            self._guess(self.maker, resource, bindings, operation, placer, tally)
        if noted or self.annotated:
            note_annotations(resource, tally)

    def _guess(
        self,
        maker: RowMaker,
        resource: Resource,
        bindings: dict[str, Any],
        operation: str,
        placer: Placer,
        tally: Tally,
    ) -> None:
        pending: list[Pending] = []
        for unit, test in self.plan.meeting(resource, True, operation):
            if test is not None and not test(resource):
                pass_over(unit, resource, placer, tally, self.settings.everything)
                continue
            tally.evaluations += 1
            verdicts, open_ = maker.guess(unit, resource, bindings)
            if open_ is not None:
                pending.append(open_)
            elif verdicts:
                add_findings(unit, resource, verdicts, placer, tally, self.settings.everything)
        tally.rows.append(maker.row(resource, pending))


def add_findings(
    unit: Unit,
    resource: Resource,
    verdicts: Sequence[Verdict],
    placer: Placer,
    tally: Tally,
    everything: bool,
) -> None:
    """Add a policy's verdicts on a resource as findings; skips only where everything is wanted."""
    for verdict in verdicts:
        if verdict.outcome == "skip" and not everything:
            continue
        tally.findings.append(raw_of(unit, resource, verdict, placer))


def pass_over(
    unit: Unit, resource: Resource, placer: Placer, tally: Tally, everything: bool
) -> None:
    """Add why a policy leaves out a resource of a kind that it meets, where that is wanted."""
    if everything:
        verdict = skipped("namespace, name, labels or operation do not match")
        tally.findings.append(raw_of(unit, resource, verdict, placer))


def note_annotations(resource: Resource, tally: Tally) -> None:
    """Keep the suppressing annotations of a resource."""
    ignores = ignores_of(resource.body)
    if ignores:
        tally.annotated[anchor_of(resource)] = Annotated(
            ref_of(resource), resource.location, ignores
        )
