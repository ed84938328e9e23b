"""Many repositories, named in a list: each is scanned as by itself, and one report is made of all.

A repository has its own configuration, its own snapshot and its own joins; nothing is joined across
two of them. On a Dask cluster each is a task.
"""

from __future__ import annotations

import gc
import os
import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from kpolicy.engine.workers import plain
from kpolicy.errors import KpolicyError, Problem, UsageError
from kpolicy.findings import PolicyInfo, Report, Summary
from kpolicy.location import SourceLocation
from kpolicy.manifests.model import Invalid
from kpolicy.records import dataclass

if TYPE_CHECKING:
    from kpolicy.engine.request import ScanRequest, Toolbox


@dataclass(frozen=True, slots=True)
class Repository:
    """A line of the list."""

    path: str
    location: SourceLocation


@dataclass(frozen=True, slots=True)
class Scanned:
    """What one repository came to. It can be pickled."""

    report: Report
    status: int
    """The exit status of a scan of it alone, by its own `failOn`."""


def read_list(path: str, text: str) -> tuple[Repository, ...]:
    """Return the repositories of a list: a directory a line, blank lines and `#` comments apart.

    Raises `UsageError` for a directory that stands twice, and for a list without any.
    """
    found: dict[str, Repository] = {}
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        at = SourceLocation(path, number, line.index(name) + 1)
        known = found.setdefault(os.path.realpath(name), Repository(name, at))
        if known.location != at:
            first = f"it stands in line {known.location.line} already"
            problems.append(Problem(f'the repository "{name}" is named twice', at, first))
    if problems:
        raise UsageError(*problems)
    if not found:
        hint = "write a directory a line, relative to the working directory"
        raise UsageError(Problem("no repository is named", SourceLocation(path), hint))
    return tuple(found.values())


def scan_repository(request: ScanRequest, toolbox: Toolbox, path: str) -> Scanned:
    """Scan one repository as `kpolicy scan PATH` does; its mistakes are problems of its report."""
    from kpolicy.compat import configured
    from kpolicy.engine import scan
    from kpolicy.engine.outcome import FAILED, status_of

    own = replace(request, targets=(path,))
    try:
        toolbox, config = configured(own, toolbox)
        report = scan(replace(own, config=config), toolbox)
    except KpolicyError as error:
        return Scanned(Report(problems=error.problems), FAILED)
    return Scanned(report, status_of(report, request, config))


#: Scans repositories and yields (repository, what it came to), in any order.
Scanner = Callable[[Sequence[Repository]], Iterable[tuple[Repository, Scanned]]]


def scan_repositories(
    repositories: Sequence[Repository], scanner: Scanner, progress: Callable[..., None] | None
) -> Scanned:
    """Return one report on all repositories, and the gravest of their statuses.

    A directory that is not there is an invalid input, at its line in the list.
    """
    done: dict[str, Scanned] = {}
    there = []
    for repository in repositories:
        if Path(repository.path).is_dir():
            there.append(repository)
            continue
        message = f'the repository "{repository.path}" is no directory'
        missing = Report(
            invalid=(Invalid(repository.location, message),), summary=Summary(invalid=1)
        )
        done[repository.path] = Scanned(missing, 2)
    for number, (repository, scanned) in enumerate(scanner(there), 1):
        done[repository.path] = scanned
        if progress is not None:
            progress("repositories", number, len(there))
    ordered = [done[repository.path] for repository in repositories]
    return Scanned(merged([each.report for each in ordered]), max(each.status for each in ordered))


def merged(reports: Sequence[Report]) -> Report:
    """Return one report of several: findings in the order of all, counts added up."""
    from kpolicy.engine.digest import digest_of_digests

    policies: dict[str, PolicyInfo] = {}
    timings: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for report in reports:
        timings.update(report.timings)
        skipped.update(report.summary.skipped)
        for policy in report.policies:
            policies.setdefault(policy.id, policy)
    summaries = [report.summary for report in reports]
    return Report(
        findings=tuple(sorted((f for r in reports for f in r.findings), key=lambda f: f.sort_key)),
        suppressed=tuple(f for r in reports for f in r.suppressed),
        invalid=tuple(i for r in reports for i in r.invalid),
        notes=tuple(dict.fromkeys(n for r in reports for n in r.notes)),
        problems=tuple(dict.fromkeys(p for r in reports for p in r.problems)),
        policies=tuple(sorted(policies.values(), key=lambda policy: policy.id)),
        summary=Summary(
            documents=sum(s.documents for s in summaries),
            resources=sum(s.resources for s in summaries),
            policies=len(policies),
            evaluations=sum(s.evaluations for s in summaries),
            suppressed=sum(s.suppressed for s in summaries),
            invalid=sum(s.invalid for s in summaries),
            skipped=MappingProxyType(dict(sorted(skipped.items()))),
        ),
        digest=digest_of_digests(report.digest for report in reports if report.digest),
        timings=MappingProxyType(dict(timings)),
    )


def one_by_one(request: ScanRequest, toolbox: Toolbox) -> Scanner:
    """Return the scanner of this process; a large repository has workers of its own."""

    def scanner(repositories: Sequence[Repository]) -> Iterator[tuple[Repository, Scanned]]:
        for repository in repositories:
            yield repository, scan_repository(request, toolbox, repository.path)
            # The command line collects no garbage, since it ends after one scan.
            gc.collect()

    return scanner


def side_by_side(request: ScanRequest, toolbox: Toolbox, jobs: int) -> Scanner:
    """Return a scanner of several forked processes, each with a repository at a time.

    Of a repository whose process dies it is a problem of the report.
    """

    def scanner(repositories: Sequence[Repository]) -> Iterator[tuple[Repository, Scanned]]:
        from concurrent.futures import ProcessPoolExecutor, as_completed
        from multiprocessing import get_context

        # What the initializer is given is not sent to a forked process: it has it.
        given = (replace(request, jobs=1, progress=None), toolbox)
        with ProcessPoolExecutor(jobs, get_context("fork"), _begin, given) as pool:
            tasks = {pool.submit(_scan_in_pool, each.path): each for each in repositories}
            for task in as_completed(tasks):
                yield tasks[task], _result_of(task.result, tasks[task])

    return scanner


def on_a_cluster(request: ScanRequest, toolbox: Toolbox) -> Scanner:
    """Return the scanner of the Dask cluster that the request names: a repository is a task.

    Workers read the directories themselves, by the paths in the list, from this process's working
    directory. Raises `UsageError` as `engine.cluster.cluster_phase` does.
    """

    def scanner(repositories: Sequence[Repository]) -> Iterator[tuple[Repository, Scanned]]:
        from distributed import as_completed

        from kpolicy.engine.cluster import connected, shared_among

        if toolbox.factory is None:
            raise UsageError(Problem("--cluster: plugins that live in this process cannot travel"))
        bare = replace(request, jobs=1, progress=None, config=None, cluster="")
        parcel = pickle.dumps((plain(bare), toolbox.factory, os.getcwd()), -1)  # noqa: PTH109
        with connected(request.cluster) as client:
            shared = shared_among(client, parcel)
            tasks = {
                client.submit(_scan_on_worker, shared, each.path, pure=False): each
                for each in repositories
            }
            for task in as_completed(tasks, loop=client.loop):
                yield tasks[task], _result_of(task.result, tasks[task])

    return scanner


def _result_of(result: Callable[[], bytes], repository: Repository) -> Scanned:
    """Return what a task came to; where it came to nothing, that."""
    try:
        scanned: Scanned = pickle.loads(result())
    except Exception as error:
        reason = str(error) or type(error).__name__
        problem = Problem(
            f'the repository "{repository.path}" was not scanned: {reason}', repository.location
        )
        return Scanned(Report(problems=(problem,)), 2)
    return scanned


#: What a process of the pool was begun with.
_POOL: list[tuple[ScanRequest, Toolbox]] = []


def _begin(request: ScanRequest, toolbox: Toolbox) -> None:
    """Begin a process of the pool."""
    gc.disable()
    _POOL[:] = [(request, toolbox)]


def _scan_in_pool(path: str) -> bytes:
    ((request, toolbox),) = _POOL
    sent = pickle.dumps(plain(scan_repository(request, toolbox, path)), -1)
    gc.collect()
    return sent


def _scan_on_worker(parcel: bytes, path: str) -> bytes:
    request, factory, here = pickle.loads(parcel)
    with chdir(here):
        return pickle.dumps(plain(scan_repository(request, factory.make(), path)), -1)
