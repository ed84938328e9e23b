"""A scan that is done again and again in one process: each time what has changed.

What is kept between scans on disk is kept here in memory, with the policies as they were compiled.
A change that names files spares looking for all the others.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from kpolicy.config.model import Config
from kpolicy.engine.cached.compare import Columns, columns_of, compare, compare_named
from kpolicy.engine.cached.keys import results_key
from kpolicy.engine.cached.memory import Recalled, is_kept, memory_of, tally_of
from kpolicy.engine.cached.remembered import after_changes, evaluated, may_keep
from kpolicy.engine.cached.state import State
from kpolicy.engine.cached.stats import WIDTH, Stats, stats_of
from kpolicy.engine.clock import Clock
from kpolicy.engine.collector import without_collector
from kpolicy.engine.findings import Finished, finish
from kpolicy.engine.intake import intake
from kpolicy.engine.local import Settings, settings_of
from kpolicy.engine.phases import Work
from kpolicy.engine.plan import Plan, make_plan
from kpolicy.engine.policy_files import policy_sources
from kpolicy.engine.report import Ran, make_report
from kpolicy.engine.request import ScanRequest, Toolbox
from kpolicy.engine.scanner import scan
from kpolicy.engine.settings import effective_config
from kpolicy.engine.supervision import supervised
from kpolicy.engine.tally import Tally
from kpolicy.findings import Report
from kpolicy.manifests.files import is_manifest_name
from kpolicy.manifests.paths import KUSTOMIZATIONS
from kpolicy.records import dataclass

#: Makes the request and the toolbox anew: the configuration is read each time.
Prepare = Callable[[], tuple[ScanRequest, Toolbox]]


@dataclass(frozen=True, slots=True)
class _Setup:
    """What a scan goes by; stays the same while no policy and no setting changes."""

    request: ScanRequest
    toolbox: Toolbox
    config: Config
    key: str
    texts: Mapping[str, str]
    """The policy files that the key stands for."""
    plan: Plan
    settings: Settings


@dataclass(frozen=True, slots=True)
class _Held:
    """What one scan leaves for the next."""

    setup: _Setup
    now: Columns
    state: State
    positions: Mapping[str, int]
    """Of the files that are read from the disk, by absolute name."""
    finished: Finished


class Session:
    """Reports on the same targets, again and again."""

    def __init__(self, prepare: Prepare) -> None:
        self._prepare = prepare
        self._held: _Held | None = None
        self._unwritten = False

    def report(self, changed: Collection[str] | None = None) -> Report:
        """Return the report as of now.

        `changed` names the files that have changed since the last report, absolute; None = find
        out. Raises what `scan` raises; the next report is made from scratch then.
        """
        with without_collector():
            return self._report(changed)

    def keep(self) -> None:
        """Write what is known to the cache, for other scans, unless they are not to have it."""
        held = self._held
        if held is None or not self._unwritten:
            return
        self._unwritten = False
        setup = held.setup
        memory = memory_of(setup.request, setup.toolbox, setup.config)
        if memory is not None and memory.is_worth_it(held.now.found):
            memory.keep(held.state)

    def _report(self, changed: Collection[str] | None) -> Report:
        held, self._held = self._held, None
        clock = Clock()
        places = None if held is None or changed is None else _named(held, changed)
        if held is not None and places is not None:
            again = _restated(held, places)
            changes = compare_named(held.state, again, held.setup.request.limits, places)
            clock.lap("discover")
            return self._worked_in(
                held.setup, Recalled(held.state, again, changes), again, clock, held
            )
        request, toolbox = self._prepare()
        config = effective_config(request, toolbox)
        if not is_kept(replace(request, cache=True), toolbox):
            return scan(request, toolbox)
        files, python, problems = policy_sources(toolbox, request, config)
        key = results_key(request, toolbox, config, files, python)
        found = intake(request, toolbox, config)
        now = columns_of(found, request.limits)
        if problems or now is None or not now.files:
            return scan(request, toolbox)
        clock.lap("discover")
        if held is not None and held.setup.key == key:
            setup = replace(held.setup, request=request, config=config)
            state: State | None = held.state
        else:
            plan = make_plan(toolbox, request, config)
            texts = {file.path: file.text for file in files}
            setup = _Setup(request, toolbox, config, key, texts, plan, settings_of(request))
            clock.lap("policies")
            if plan.problems or Ran.of(plan, found).admission:
                return scan(request, toolbox)
            state = None
            memory = memory_of(request, toolbox, config)
            recalled = None if memory is None else memory.recall(found)
            if recalled is not None and recalled.whole():
                state = recalled.state
        known = None if state is None else Recalled(state, now, compare(state, now, request.limits))
        return self._worked_in(setup, known, now, clock, held)

    def _worked_in(
        self,
        setup: _Setup,
        known: Recalled | None,
        now: Columns,
        clock: Clock,
        before: _Held | None,
    ) -> Report:
        """Return the report on `now`, and hold what is known of it."""
        request, config = setup.request, setup.config
        work = Work(request, setup.toolbox, config, setup.plan, setup.settings, now.found, clock)

        def evaluate() -> tuple[Tally | None, State | None, bool]:
            following = None
            if known is not None:
                following = known.redated() if known.is_current else after_changes(work, known)
            tally = None
            if following is None:
                tally, following = evaluated(work, now)
            return (
                tally,
                following,
                following is not None and may_keep(work, following, setup.texts),
            )

        tally, following, lasting = supervised(setup.toolbox.calls, evaluate)
        clock.lap("evaluate")
        same = before is not None and before.setup.key == setup.key
        finished: Finished = before.finished if before is not None and same else {}
        if lasting and following is not None:
            kept = before is not None and before.now.found is now.found
            positions = before.positions if before is not None and kept else _positions(now)
            self._held = _Held(setup, now, following, positions, finished)
            self._unwritten = True
        ran = Ran.of(setup.plan, now.found)
        if tally is None:
            assert following is not None
            tally = tally_of(following, now)
        findings = finish(tally.findings, {p.id: p for p in ran.policies}, finished)
        return make_report(request, setup.toolbox, config, ran, tally, clock, findings)


def _positions(now: Columns) -> Mapping[str, int]:
    """Return the positions of all files by absolute name; {} where some are not on the disk."""
    if any(file.data is not None for file in now.files):
        return {}
    here = os.getcwd()  # noqa: PTH109
    return {
        os.path.normpath(os.path.join(here, file.filename)): n  # noqa: PTH118
        for n, file in enumerate(now.files)
    }


def _named(held: _Held, changed: Collection[str]) -> list[int] | None:
    """Return the positions of the files that have changed, None where others may have come or gone,
    or become something else."""
    if not held.positions:
        return None
    places = set()
    for name in changed:
        place = held.positions.get(name)
        if place is not None:
            if not _is_plain(name) or _steers(name, held.positions):
                return None
            places.add(place)
        elif is_manifest_name(name) or os.path.isdir(name):  # noqa: PTH112
            return None
        elif any(known.startswith(name + os.sep) for known in held.positions):
            return None  # a directory that has gone
    return sorted(places)


def _steers(name: str, positions: Mapping[str, int]) -> bool:
    """Return whether a file may decide what is rendered: it is a chart's, or there is an overlay.

    Charts and overlays that were rendered have no files on the disk; these are the others, which
    could not be.
    """
    # The files of an overlay may be anywhere.
    if any(known.endswith(KUSTOMIZATIONS) for known in positions):
        return True
    at = os.path.dirname(name)  # noqa: PTH120
    while at != os.path.dirname(at):  # noqa: PTH120
        if os.path.join(at, "Chart.yaml") in positions:  # noqa: PTH118
            return True
        at = os.path.dirname(at)  # noqa: PTH120
    return f"{os.sep}templates{os.sep}" in name


def _is_plain(name: str) -> bool:
    """Return whether a file is there, and no link."""
    return os.path.isfile(name) and not os.path.islink(name)  # noqa: PTH113, PTH114


def _restated(held: _Held, places: Sequence[int]) -> Columns:
    """Return the files with new numbers for those at `places`.

    The moment is still that of the others: the index takes these for young.
    """
    now = held.now
    numbers = array("Q", now.stats.numbers)
    fresh = stats_of(now.files[place].filename for place in places).numbers
    for each, place in enumerate(places):
        at, of = place * WIDTH, each * WIDTH
        numbers[at : at + WIDTH] = fresh[of : of + WIDTH]
    return replace(now, stats=Stats(numbers, now.stats.taken))
