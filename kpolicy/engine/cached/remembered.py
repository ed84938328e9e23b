"""The phases of a scan whose results are kept: a change worked in, or all of it, and then kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from kpolicy.engine.cached.build import Whole, had_by_file, joined_ids, state_of
from kpolicy.engine.cached.compare import Columns
from kpolicy.engine.cached.memory import Memory, Recalled, tally_of
from kpolicy.engine.cached.reads import Reads
from kpolicy.engine.cached.state import Had, State
from kpolicy.engine.findings import Raw
from kpolicy.engine.phases import Work, run_phases
from kpolicy.engine.tally import Tally
from kpolicy.manifests.model import Note


def remembered(work: Work, memory: Memory, known: Recalled | None) -> Tally:
    """Return what all files yield; what is known is not evaluated again, and all is kept."""
    if work.request.verify_cache:
        return _verified(work, memory, known)
    state = None if known is None else after_changes(work, known)
    work.clock.lap("changes")
    if known is None or state is None:
        return _whole(work, memory)
    if may_keep(work, state, memory.texts):
        memory.keep(state)
        work.clock.lap("keep")
    return tally_of(state, known.now)


def after_changes(work: Work, known: Recalled) -> State | None:
    """Return what is known, with the changes worked in; None where that is not worth while."""
    if known.is_current:
        return known.state
    from kpolicy.engine.cached.rescan import rescan

    return rescan(work.plan, work.settings, work.config, known)


def evaluated(work: Work, now: Columns) -> tuple[Tally, State | None]:
    """Return what all files yield, all of them evaluated, and the state to be kept of it."""
    reads = Reads() if work.plan.joins else None
    settings = replace(work.settings, remember=True)
    done = run_phases(replace(work, settings=settings), reads)
    tally = done.tally
    if reads is not None:
        reads.add(tally.reads)
    return tally, state_of(Whole(work.plan, done.world, done.copies), tally, reads, now)


def _whole(work: Work, memory: Memory) -> Tally:
    now = memory.columns(work.discovery)
    if now is None:
        return run_phases(work).tally
    tally, state = evaluated(work, now)
    if state is not None and may_keep(work, state, memory.texts):
        memory.keep(state)
    work.clock.lap("keep")
    return tally


def _verified(work: Work, memory: Memory, known: Recalled | None) -> Tally:
    """Return what all files yield, all of them evaluated, with a note on what was kept of them."""
    state = None if known is None else after_changes(work, known)
    tally = _whole(work, memory)
    if known is None or state is None:
        tally.notes.append(Note("cache: nothing was kept of this scan that could be verified"))
        return tally
    kept = tally_of(state, known.now)
    wrong = sorted(_differing(kept, tally, joined_ids(work.plan)))
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        tally.notes.append(Note(f"cache: wrong for {wrong[0]}{more}; it was made anew"))
    else:
        tally.notes.append(Note(f"cache: right for all {len(known.now.files)} files"))
    return tally


def _differing(kept: Tally, fresh: Tally, joined: Collection[str]) -> set[str]:
    """Return the paths of which two tallies do not tell the same."""
    one, other = had_by_file(kept, joined), had_by_file(fresh, joined)
    return {path for path in {**one, **other} if _told(one.get(path)) != _told(other.get(path))}


def _told(had: Had | None) -> tuple[Collection[object], ...]:
    """Return what a file yielded, whatever the order."""
    if had is None:
        return ((), (), (), (), (), ())
    return (
        sorted(had.local, key=_order), sorted(had.joined, key=_order), had.annotated,
        had.invalid, had.skipped, had.notes,
    )  # fmt: skip


def _order(raw: Raw) -> tuple[object, ...]:
    return raw[:8]


def may_keep(work: Work, state: State, texts: Mapping[str, str]) -> bool:
    """Return whether results are such that they will be the same when they are made again.

    They are not where a policy or a plugin did not run, or a policy's Python raised: that may be
    for a reason outside of everything that is compared. Nor where a policy file was saved after it
    was read for the key, as `texts`, and before it was read to be run.
    """
    if work.plan.catalogue.texts != texts:
        return False
    calls = work.toolbox.calls
    if work.plan.problems or (calls is not None and (calls.problems or calls.overdue())):
        return False
    python = {
        unit.compiled.id for unit in work.plan.units if unit.compiled.policy.check is not None
    }
    return not any(
        raw.outcome == "error" and raw.policy in python
        for had in state.had.values()
        for raw in (*had.local, *had.joined)
    )
