"""The two phases of a scan over all its files: each file alone, then what looks beyond one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from kpolicy.config.model import Config
from kpolicy.engine.clock import Clock
from kpolicy.engine.cores import jobs_for
from kpolicy.engine.join import join_rows, join_whole
from kpolicy.engine.local import Settings, local_phase
from kpolicy.engine.outside import world_of
from kpolicy.engine.plan import Plan
from kpolicy.engine.request import ScanRequest, Toolbox
from kpolicy.engine.scopes import copies_note
from kpolicy.engine.tally import Tally
from kpolicy.manifests.model import Discovery, ManifestFile, Note
from kpolicy.records import dataclass
from kpolicy.snapshot.world import World

if TYPE_CHECKING:
    from kpolicy.engine.cached.reads import Reads
    from kpolicy.snapshot.resource import ResourceKey


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be evaluated on what."""

    request: ScanRequest
    toolbox: Toolbox
    config: Config
    plan: Plan
    settings: Settings
    discovery: Discovery
    clock: Clock


@dataclass(frozen=True, slots=True)
class Phased:
    """What the phases yielded, and what they took to lie outside the input."""

    tally: Tally
    world: World | None = None
    copies: Note | None = None
    """The note about resources that several directories define; it is in the tally too."""


def run_phases(work: Work, reads: Reads | None = None) -> Phased:
    """Evaluate all policies on all files; `reads` notes what the joins look at."""
    plan, settings, request, discovery = work.plan, work.settings, work.request, work.discovery
    files = {file.path: file for file in discovery.files}
    plan.patience.expect(len(discovery.files))
    jobs = jobs_for(discovery.files, request.jobs)
    if request.cluster:
        from kpolicy.engine.cluster import cluster_phase

        tally = cluster_phase(work)
    elif jobs > 1:
        from kpolicy.engine.workers import parallel_phase

        tally = parallel_phase(
            plan, settings, discovery.files, jobs, work.toolbox, request, work.config
        )
    else:
        watched = watch(discovery.files, request.progress)
        tally = local_phase(plan, settings, watched, keep_bodies=plan.joins)
    work.clock.lap("local")
    tally.invalid[:0] = discovery.invalid
    tally.skipped[:0] = discovery.skipped
    tally.notes[:0] = discovery.notes
    if not plan.joins:
        work.clock.lap("join")
        return Phased(tally)
    note = copies_note(_named(tally))
    if note is not None:
        tally.notes.append(note)
    world = world_of(work.config, tally, plan.kinds, files)
    if request.progress is not None:
        request.progress("joining", 0, tally.resource_count)
    join = join_rows if jobs > 1 or request.cluster else join_whole
    join(plan, settings, tally, files, world, reads)
    work.clock.lap("join")
    return Phased(tally, world, note)


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


def _named(tally: Tally) -> Iterator[tuple[ResourceKey, str, str]]:
    """Yield (key, path, scope) of every named resource."""
    for r in tally.resources:
        if r.name:
            yield r.key, r.path, r.scope
    for row in tally.rows:
        if row.name:
            yield row.key, row.path, row.scope
