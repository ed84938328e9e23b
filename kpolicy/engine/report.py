"""From what the phases yielded to the report: numbered, suppressed, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from kpolicy.config.model import Config
from kpolicy.engine.clock import Clock
from kpolicy.engine.findings import Anchor, finish
from kpolicy.engine.intake import excludes, relative_to
from kpolicy.engine.overrides import as_suppressions, with_severities
from kpolicy.engine.request import ScanRequest, Toolbox
from kpolicy.engine.tally import Tally
from kpolicy.errors import Problem
from kpolicy.findings import Finding, PolicyInfo, Report, Summary
from kpolicy.manifests.model import Discovery, ManifestFile, Note
from kpolicy.records import dataclass
from kpolicy.suppress.apply import Rules, apply

if TYPE_CHECKING:
    from kpolicy.engine.plan import Plan


@dataclass(frozen=True, slots=True)
class Ran:
    """What a report needs to know of the policies that ran, and of the files they ran on."""

    files: Mapping[str, ManifestFile]
    policies: tuple[PolicyInfo, ...]
    notes: tuple[Note, ...] = ()
    problems: tuple[Problem, ...] = ()
    plan: Plan | None = None
    """None where the results are kept ones and nothing had to be evaluated."""

    @classmethod
    def of(cls, plan: Plan, found: Discovery) -> Ran:
        """Return what a report needs to know of a plan and of the files found."""
        notes = tuple(Note(text) for text in plan.catalogue.notes)
        files = {file.path: file for file in found.files}
        return cls(files, plan.infos(), notes, plan.problems, plan)

    @property
    def admission(self) -> bool:
        """Whether the report asks which resources there were."""
        plan = self.plan
        return plan is not None and any(unit.admission is not None for unit in plan.units)


def make_report(
    request: ScanRequest,
    toolbox: Toolbox,
    config: Config,
    ran: Ran,
    tally: Tally,
    clock: Clock,
    findings: Sequence[tuple[Finding, Anchor]] | None = None,
) -> Report:
    """Return the report on what the phases yielded: numbered, suppressed, sorted.

    `findings` = those that are numbered already.
    """
    if findings is None:
        findings = finish(tally.findings, {policy.id: policy for policy in ran.policies})
    numbered = findings
    if not config.trusted and config.paths_exclude:
        numbered, tally = _without_excluded(numbered, tally, config, ran.files)
    if any(file.rendered is not None for file in ran.files.values()):
        from kpolicy.engine.rendering import traced_findings, traced_tally

        numbered = traced_findings(numbered, ran.files)
        tally = traced_tally(tally, ran.files)
    relative = relative_to(config.root)
    if config.overrides:
        config = replace(config, suppressions=as_suppressions(config))
    baseline, theirs = frozenset[str](), False
    if request.baseline:
        from kpolicy.suppress.baseline import read_baseline

        content, told = None, ""
        if request.base:
            from kpolicy.engine.base_config import baseline_of_base

            content, told = baseline_of_base(request)
        if told:
            tally.notes.append(Note(told))
        theirs = content is None and _is_in_tree(request.baseline, request.targets)
        baseline = read_baseline(request.baseline, content)
    rules = Rules(
        config=config,
        baseline=baseline,
        baseline_is_the_trees=theirs,
        enabled=request.suppressions,
        relative_path=relative,
    )
    outcome = apply(
        with_severities([finding for finding, _ in numbered], config, relative),
        tally.annotated,
        [anchor for _, anchor in numbered],
        rules,
        _line_reader(ran, tally.uncommented),
    )
    reported: Sequence[Finding] = outcome.reported
    if toolbox.process_findings is not None:
        reported = toolbox.process_findings(reported)
    if request.write_baseline:
        from kpolicy.suppress.baseline import write_baseline

        known = [f for f in outcome.suppressed if _is_known(f)]
        write_baseline(request.write_baseline, [*reported, *known])
    notes = [*(Note(text) for text in config.notes), *tally.notes, *outcome.notes]
    notes += ran.notes
    if ran.plan is not None and ran.admission:
        from kpolicy.engine.admission.inputs import admission_notes

        notes += admission_notes(ran.plan, request, (*tally.resources, *tally.rows))
    if request.report_unused_suppressions:
        notes += outcome.unused
    digest = tally.digested()
    problems = ran.problems
    if request.expect_digest not in ("", digest):
        problems = (*problems, _another(digest, request.expect_digest))
    clock.lap("suppress")
    return Report(
        findings=tuple(sorted(reported, key=lambda f: f.sort_key)),
        suppressed=outcome.suppressed,
        invalid=tuple(sorted(tally.invalid, key=lambda i: (i.location, i.message))),
        notes=tuple(dict.fromkeys(notes)),
        summary=Summary(
            documents=tally.documents,
            resources=tally.resource_count,
            policies=len(ran.policies),
            evaluations=tally.evaluations,
            suppressed=len(outcome.suppressed),
            invalid=len(tally.invalid),
            skipped=MappingProxyType(
                dict(sorted(Counter(s.reason for s in tally.skipped).items()))
            ),
        ),
        policies=ran.policies,
        problems=problems,
        digest=digest,
        timings=MappingProxyType(clock.laps),
    )


def _another(digest: str, expected: str) -> Problem:
    """Return that the input is not the expected one."""
    message = f"the input's digest is {digest}, but {expected} was expected"
    hint = "these are not the resources that passed the gate; scan them there"
    return Problem(message, None, hint)


def _without_excluded(
    numbered: Sequence[tuple[Finding, Anchor]],
    tally: Tally,
    config: Config,
    files: Mapping[str, ManifestFile],
) -> tuple[Sequence[tuple[Finding, Anchor]], Tally]:
    """Return what counts where a tree excludes paths that only enforced policies look at."""
    hit = excludes(config.paths_exclude)
    assert hit is not None
    relative = relative_to(config.root)

    def counts(path: str) -> bool:
        file = files.get(path)
        return not hit(relative(path), "" if file is None else file.filename)

    kept = [
        (finding, anchor)
        for finding, anchor in numbered
        if config.guards(finding.policy) or counts(anchor[0])
    ]
    return kept, replace(
        tally,
        invalid=[each for each in tally.invalid if counts(each.location.path)],
        skipped=[each for each in tally.skipped if counts(each.path)],
        notes=[each for each in tally.notes if not each.location or counts(each.location.path)],
    )


def _is_in_tree(path: str, targets: Sequence[str]) -> bool:
    """Return whether a file belongs to the tree of one of the targets."""
    from kpolicy.manifests.paths import tree_root_of

    at = Path(path).resolve()
    return any(Path(tree_root_of(target)) in at.parents for target in targets)


def _is_known(finding: Finding) -> bool:
    """Return whether the old baseline silenced a finding; the new one has it too then."""
    return finding.suppression is not None and finding.suppression.kind == "baseline"


def _line_reader(ran: Ran, uncommented: Collection[str]) -> Callable[[str], Sequence[str]]:
    """Return what gives the lines of a scanned file, or of one that something was rendered from."""
    made = [file.rendered for file in ran.files.values() if file.rendered is not None]
    origins = {path: text for rendered in made for path, text in rendered.texts.items()}

    def read(path: str) -> Sequence[str]:
        if path in origins:
            return origins[path].decode("utf-8", "replace").splitlines()
        file = ran.files.get(path)
        if file is None or path in uncommented:
            return ()
        try:
            data = file.data if file.data is not None else Path(file.filename).read_bytes()
        except OSError:
            return ()
        return data.decode("utf-8", "replace").splitlines()

    return read
