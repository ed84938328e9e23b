"""Which charts and overlays of a tree are rendered for themselves, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from posixpath import normpath

from kpolicy.location import SourceLocation
from kpolicy.manifests.model import Invalid
from kpolicy.manifests.paths import excludes
from kpolicy.records import dataclass
from kpolicy.rendering.charts import Chart, charts_among, is_of_chart
from kpolicy.rendering.jobs import DirectoryJob, HelmJob, KustomizeJob, RenderJob
from kpolicy.rendering.kustomizations import (
    closure_of,
    kustomization_in,
    kustomized,
    overlays_among,
)
from kpolicy.rendering.settings import ChartSettings, RenderSettings
from kpolicy.rendering.tree import FileTree, join

__all__ = ["Planned", "directory_of", "expected_to_take", "plan_bare"]


@dataclass(frozen=True, slots=True)
class Planned:
    """What is to be rendered, and what is wrong with the wish."""

    jobs: tuple[RenderJob, ...]
    invalid: tuple[Invalid, ...] = ()


def directory_of(job: RenderJob) -> str:
    """Return the directory that a job renders."""
    return job.chart if isinstance(job, HelmJob) else job.directory


def expected_to_take(job: RenderJob, tree: FileTree, names: Iterable[str]) -> set[str]:
    """Return which of these files go into a rendering, as far as it is known before."""
    if isinstance(job, HelmJob):
        return {name for name in names if is_of_chart(job.chart, name)}
    if isinstance(job, DirectoryJob):
        return set()
    return closure_of(tree, job.directory).taken


def plan_bare(
    tree: FileTree,
    names: Iterable[str],
    settings: RenderSettings,
    relative: Callable[[str], str],
    followed: Sequence[str] = (),
) -> Planned:
    """Return what to render among files besides `followed` directories, which are rendered anyway.

    A base that a followed overlay takes in is not rendered for itself either.
    """
    jobs: list[RenderJob] = []
    invalid: list[Invalid] = []
    charts = charts_among(tree, names)
    if settings.alone:
        roots = _outermost((*(chart.directory for chart in charts), *kustomized(names)))
        charts = tuple(chart for chart in charts if chart.directory in roots)
        overlays = sorted(roots - {chart.directory for chart in charts})
    else:
        overlays = overlays_among(tree, names, followed)
    for chart in charts:
        if chart.directory in followed:
            continue
        chosen = _settings_of(relative(tree.shown(chart.directory)), settings.charts)
        made, problems = chart_jobs(tree, chart, chosen, settings)
        jobs += made
        invalid += problems
    for directory in overlays:
        found = kustomization_in(tree, directory)
        if found is None:
            continue
        jobs.append(KustomizeJob(directory, "", SourceLocation(tree.shown(found.file))))
    return Planned(tuple(jobs), tuple(invalid))


def _outermost(directories: Iterable[str]) -> set[str]:
    """Return the directories that lie in none of the others."""
    found: set[str] = set()
    for directory in sorted(set(directories), key=len):
        parts = directory.split("/")
        above = {"/".join(parts[:end]) for end in range(len(parts))}
        if not found & above:
            found.add(directory)
    return found


def _settings_of(directory: str, charts: Sequence[ChartSettings]) -> ChartSettings:
    """Return the settings of the first glob that a chart's directory matches."""
    path = normpath(directory)
    for chart in charts:
        if path == normpath(chart.path) or excludes((chart.path,))(path, True):
            return chart
    return ChartSettings("")


def chart_jobs(
    tree: FileTree, chart: Chart, chosen: ChartSettings, settings: RenderSettings
) -> tuple[list[HelmJob], list[Invalid]]:
    """Return one rendering for each set of values; a values file that is missing is invalid."""
    jobs: list[HelmJob] = []
    invalid: list[Invalid] = []
    at = SourceLocation(tree.shown(chart.file))
    for label, files in (chosen.sets or {"": ()}).items():
        names: list[str] = []
        missing: list[Invalid] = []
        for reference in (*chosen.values, *files):
            name = join(chart.directory, reference)
            if name is None or tree.kind(name) != "file":
                why = f'the values file "{reference}" of the configuration is not there'
                missing.append(Invalid(at, why))
            else:
                names.append(name)
        invalid += missing
        if missing:
            continue
        jobs.append(
            HelmJob(
                chart=chart.directory,
                label=label,
                at=at,
                release=chosen.release or chart.name,
                namespace=chosen.namespace,
                values=tuple(names),
                kube_version=settings.kube_version,
                api_versions=settings.api_versions,
            )
        )
    return jobs, invalid
