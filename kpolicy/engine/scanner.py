"""One scan, from a request to a report.

What evaluates is imported when something has to be evaluated: results that are kept, and current,
need none of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kpolicy.engine.clock import Clock
from kpolicy.engine.collector import without_collector
from kpolicy.engine.intake import intake, intake_of_base
from kpolicy.engine.report import Ran, make_report
from kpolicy.engine.settings import effective_config
from kpolicy.engine.tally import Tally
from kpolicy.findings import Report

if TYPE_CHECKING:
    from kpolicy.config.model import Config
    from kpolicy.engine.cached.memory import Memory, Recalled
    from kpolicy.engine.request import ScanRequest, Toolbox
    from kpolicy.manifests.model import Discovery


def scan(request: ScanRequest, toolbox: Toolbox) -> Report:
    """Return the report of one scan.

    Raises `UsageError`, `ConfigError` or `PluginError` where it cannot begin; what is wrong with
    the input, or with a policy, stands in the report.
    """
    with without_collector():
        return _scan(request, toolbox)


def _scan(request: ScanRequest, toolbox: Toolbox) -> Report:
    clock = Clock()
    config = effective_config(request, toolbox)
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
    return _evaluated(request, toolbox, config, clock, memory, discovery, known)


def _evaluated(
    request: ScanRequest,
    toolbox: Toolbox,
    config: Config,
    clock: Clock,
    memory: Memory | None,
    discovery: Discovery | None,
    known: Recalled | None,
) -> Report:
    """Return the report of a scan in which something has to be evaluated."""
    from kpolicy.engine.local import settings_of
    from kpolicy.engine.phases import Work, run_phases
    from kpolicy.engine.plan import make_plan
    from kpolicy.engine.supervision import is_supervised, supervised

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
