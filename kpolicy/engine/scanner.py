"""One scan, from a request to a report."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from kpolicy.config.model import Config
from kpolicy.engine.cores import jobs_for
from kpolicy.engine.findings import Anchor, finish
from kpolicy.engine.intake import arranged, intake, options_of, relative_to
from kpolicy.engine.join import join_rows, join_whole
from kpolicy.engine.local import Settings, Tally, local_phase, without_collector
from kpolicy.engine.overrides import as_suppressions, with_severities
from kpolicy.engine.plan import Plan, make_plan
from kpolicy.engine.request import ScanRequest, Toolbox
from kpolicy.engine.scopes import copies_note
from kpolicy.engine.settings import effective_config, world_of
from kpolicy.engine.supervision import is_supervised, supervised
from kpolicy.findings import Finding, Report, Summary
from kpolicy.manifests.model import Discovery, ManifestFile, Note
from kpolicy.suppress.apply import Rules, apply


def scan(request: ScanRequest, toolbox: Toolbox) -> Report:
    """Return the report of one scan.

    Raises `UsageError`, `ConfigError` or `PluginError` where it cannot begin; what is wrong with
    the input, or with a policy, stands in the report.
    """
    with without_collector():
        return _scan(request, toolbox)


def _scan(request: ScanRequest, toolbox: Toolbox) -> Report:
    clock = _Clock()
    config = effective_config(request)
    if config.plugins:
        from kpolicy.engine.requirements import check_plugins

        check_plugins(config)
    plan = make_plan(toolbox, request, config)
    clock.lap("policies")
    discovery = intake(request, toolbox, config)
    clock.lap("discover")
    settings = Settings(
        limits=request.limits,
        operation=request.operation,
        user=request.user,
        everything=request.results_all,
        unused=request.report_unused_suppressions,
    )
    files = {file.path: file for file in discovery.files}
    if is_supervised(toolbox.calls):
        # A bar that a child draws stays on the terminal when the child is killed.
        request = replace(request, progress=None)
    if request.base:
        from kpolicy.engine.base import compare, discover_base

        base = discover_base(request, toolbox, options_of(request, config))
        base = arranged(base, request, config)
        found = supervised(
            toolbox.calls,
            lambda: compare(request, toolbox, config, plan, settings, discovery, base).sparing(
                _is_needed(plan)
            ),
        )
        clock.lap("compare")
        return _report(request, toolbox, config, plan, found.tally, files, clock, found.findings)

    def phases() -> tuple[Tally, _Clock]:
        tally = _phases(request, toolbox, config, plan, settings, discovery, clock)
        return tally.sparing(_is_needed(plan)), clock

    tally, clock = supervised(toolbox.calls, phases)
    return _report(request, toolbox, config, plan, tally, files, clock)


def _is_needed(plan: Plan) -> bool:
    """Return whether the report asks which resources there were."""
    return any(unit.admission is not None for unit in plan.units)


def _phases(
    request: ScanRequest,
    toolbox: Toolbox,
    config: Config,
    plan: Plan,
    settings: Settings,
    discovery: Discovery,
    clock: _Clock,
) -> Tally:
    """Evaluate all policies on all files."""
    files = {file.path: file for file in discovery.files}
    plan.patience.expect(len(discovery.files))
    jobs = jobs_for(discovery.files, request.jobs)
    if jobs > 1:
        from kpolicy.engine.workers import parallel_phase

        tally = parallel_phase(plan, settings, discovery.files, jobs, toolbox, request, config)
    else:
        watched = watch(discovery.files, request.progress)
        tally = local_phase(plan, settings, watched, keep_bodies=plan.joins)
    clock.lap("local")
    tally.invalid[:0] = discovery.invalid
    tally.skipped[:0] = discovery.skipped
    tally.notes[:0] = discovery.notes
    if plan.joins:
        note = copies_note(_copies(tally))
        if note is not None:
            tally.notes.append(note)
        world = world_of(config, tally, plan.kinds, files)
        if request.progress is not None:
            request.progress("joining", 0, tally.resource_count)
        join = join_rows if jobs > 1 else join_whole
        join(plan, settings, tally, files, world)
    clock.lap("join")
    return tally


def watch(
    files: Sequence[ManifestFile], progress: Callable[[str, int, int], None] | None
) -> Iterable[ManifestFile]:
    """Return `files`, telling `progress` now and then how many were taken."""
    if progress is None:
        return files

    def taken() -> Iterator[ManifestFile]:
        for number, file in enumerate(files):
            if not number % 32:
                progress("scanning", number, len(files))
            yield file

    return taken()


def _report(
    request: ScanRequest,
    toolbox: Toolbox,
    config: Config,
    plan: Plan,
    tally: Tally,
    files: dict[str, ManifestFile],
    clock: _Clock,
    findings: Sequence[tuple[Finding, Anchor]] | None = None,
) -> Report:
    numbered = finish(tally.findings, plan.policies()) if findings is None else findings
    relative = relative_to(config.root)
    if config.overrides:
        config = replace(config, suppressions=as_suppressions(config))
    baseline: frozenset[str] = frozenset()
    if request.baseline:
        from kpolicy.suppress.baseline import read_baseline

        content, told = None, ""
        if request.base:
            from kpolicy.engine.base_config import baseline_of_base

            content, told = baseline_of_base(request)
        if told:
            tally.notes.append(Note(told))
        baseline = read_baseline(request.baseline, content)
    rules = Rules(
        config=config,
        baseline=baseline,
        enabled=request.suppressions,
        relative_path=relative,
    )
    outcome = apply(
        with_severities([finding for finding, _ in numbered], config, relative),
        tally.annotated,
        [anchor for _, anchor in numbered],
        rules,
        _line_reader(files),
    )
    reported: Sequence[Finding] = outcome.reported
    if toolbox.process_findings is not None:
        reported = toolbox.process_findings(reported)
    if request.write_baseline:
        from kpolicy.suppress.baseline import write_baseline

        known = [f for f in outcome.suppressed if _is_known(f)]
        write_baseline(request.write_baseline, [*reported, *known])
    notes = [*(Note(text) for text in config.notes), *tally.notes, *outcome.notes]
    notes += [Note(text) for text in plan.catalogue.notes]
    if any(unit.admission is not None for unit in plan.units):
        from kpolicy.engine.vap_inputs import admission_notes

        notes += admission_notes(plan, request, (*tally.resources, *tally.rows))
    if request.report_unused_suppressions:
        notes += outcome.unused
    clock.lap("suppress")
    return Report(
        findings=tuple(sorted(reported, key=lambda f: f.sort_key)),
        suppressed=outcome.suppressed,
        invalid=tuple(sorted(tally.invalid, key=lambda i: (i.location, i.message))),
        notes=tuple(dict.fromkeys(notes)),
        summary=Summary(
            documents=tally.documents,
            resources=tally.resource_count,
            policies=len(plan.units),
            evaluations=tally.evaluations,
            suppressed=len(outcome.suppressed),
            invalid=len(tally.invalid),
            skipped=MappingProxyType(
                dict(sorted(Counter(s.reason for s in tally.skipped).items()))
            ),
        ),
        policies=plan.infos(),
        problems=plan.problems,
        timings=MappingProxyType(clock.laps),
    )


def _is_known(finding: Finding) -> bool:
    """Return whether the old baseline silenced a finding; the new one has it too then."""
    return finding.suppression is not None and finding.suppression.kind == "baseline"


def _copies(tally: Tally) -> Iterator[tuple[object, str, str, str]]:
    """Yield (key, name for people, path, scope) of every named resource."""
    for r in tally.resources:
        if r.name:
            yield r.key, f"{r.kind} {r.name}", r.path, r.scope
    for row in tally.rows:
        if row.name:
            yield row.key, f"{row.kind} {row.name}", row.path, row.scope


def _line_reader(files: dict[str, ManifestFile]) -> Callable[[str], Sequence[str]]:
    def read(path: str) -> Sequence[str]:
        file = files.get(path)
        if file is None:
            return ()
        try:
            data = file.data if file.data is not None else Path(file.filename).read_bytes()
        except OSError:
            return ()
        return data.decode("utf-8", "replace").splitlines()

    return read


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Count the time since the last lap for `stage`."""
        now = time.perf_counter()
        self.laps[stage] = self.laps.get(stage, 0.0) + now - self._last
        self._last = now
