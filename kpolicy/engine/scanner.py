"""One scan, from a request to a report."""

from __future__ import annotations

from dataclasses import replace

from kpolicy.engine.intake import intake, intake_of_base
from kpolicy.engine.local import Tally, settings_of, without_collector
from kpolicy.engine.phases import Clock, Work, run_phases
from kpolicy.engine.plan import make_plan
from kpolicy.engine.report import Ran, make_report
from kpolicy.engine.request import ScanRequest, Toolbox
from kpolicy.engine.settings import effective_config
from kpolicy.engine.supervision import is_supervised, supervised
from kpolicy.findings import Report


def scan(request: ScanRequest, toolbox: Toolbox) -> Report:
    """Return the report of one scan.

    Raises `UsageError`, `ConfigError` or `PluginError` where it cannot begin; what is wrong with
    the input, or with a policy, stands in the report.
    """
    with without_collector():
        report = _scan(request, toolbox)
        if request.digest or request.expect_digest:
            from kpolicy.engine.digest import with_digest

            report = with_digest(report, request, toolbox)
        return report


def _scan(request: ScanRequest, toolbox: Toolbox) -> Report:
    clock = Clock()
    config = effective_config(request)
    if config.plugins:
        from kpolicy.engine.requirements import check_plugins

        check_plugins(config)
    memory, discovery, known = None, None, None
    if request.cache:
        from kpolicy.engine.cached.memory import memory_of

        memory = memory_of(request, toolbox, config)
        clock.lap("policies")
    if memory is not None:
        discovery = intake(request, toolbox, config)
        clock.lap("discover")
        known = memory.recall(discovery)
        clock.lap("recall")
        if known is not None and known.is_current and not request.verify_cache:
            if known.is_dated:
                memory.keep(known.redated())
            return make_report(request, toolbox, config, known.ran(), known.tally(), clock)
    plan = make_plan(toolbox, request, config)
    clock.lap("policies")
    if discovery is None:
        discovery = intake(request, toolbox, config)
        clock.lap("discover")
    settings = settings_of(request)
    if is_supervised(toolbox.calls):
        # A bar that a child draws stays on the terminal when the child is killed.
        request = replace(request, progress=None)
    ran = Ran.of(plan, discovery)
    if request.base:
        from kpolicy.engine.base import compare

        base = intake_of_base(request, toolbox, config)
        found = supervised(
            toolbox.calls,
            lambda: compare(request, toolbox, config, plan, settings, discovery, base).sparing(
                ran.admission
            ),
        )
        clock.lap("compare")
        return make_report(request, toolbox, config, ran, found.tally, clock, found.findings)
    work = Work(request, toolbox, config, plan, settings, discovery, clock)

    def phases() -> tuple[Tally, Clock]:
        if memory is None or ran.admission:
            tally = run_phases(work).tally
        else:
            from kpolicy.engine.cached.remembered import remembered

            tally = remembered(work, memory, known)
        return tally.sparing(ran.admission), clock

    tally, clock = supervised(toolbox.calls, phases)
    return make_report(request, toolbox, config, ran, tally, clock)
