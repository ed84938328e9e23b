"""The step as a whole: what the sources found, with what is rendered in place of what it is of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace

from kpolicy.manifests.model import (
    Discovery,
    Invalid,
    Limits,
    ManifestFile,
    Note,
    Rendered,
    Skipped,
)
from kpolicy.records import dataclass
from kpolicy.rendering.charts import is_of_chart
from kpolicy.rendering.directories import manifests_of
from kpolicy.rendering.gitops.following import follow
from kpolicy.rendering.gitops.model import Followed
from kpolicy.rendering.gitops.repository import Repository
from kpolicy.rendering.jobs import DirectoryJob, Failure, HelmJob, Output, RenderJob
from kpolicy.rendering.marks import is_marked
from kpolicy.rendering.planning import Planned, directory_of, expected_to_take, plan_bare
from kpolicy.rendering.programs import Programs, find_programs
from kpolicy.rendering.running import Progress, Runner
from kpolicy.rendering.settings import RenderSettings
from kpolicy.rendering.tree import FileTree

__all__ = ["RENDERED", "Ground", "render"]

#: The reason why a file is skipped that went into something rendered.
RENDERED = "rendered"
#: How often what was rendered is looked through for more to render: applications of applications.
_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Ground:
    """A tree, and which of the found files are in it: by their names there."""

    tree: FileTree
    files: Mapping[str, ManifestFile]
    relative: Callable[[str], str] = str
    """From a shown path to the one that the configuration's globs are held against."""
    repository: Repository | None = None
    """The repository that the tree is of; None = no controller is followed."""


@dataclass(slots=True)
class _Arranged:
    """Files as they are scanned: the rendered ones, and the others."""

    made: list[ManifestFile] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    """Names of files that the rendered ones stand for."""
    invalid: list[Invalid] = field(default_factory=list)
    renamed: set[str] = field(default_factory=set)
    """Names of files that stand among `made` as they are."""


def render(
    found: Discovery,
    grounds: Sequence[Ground],
    settings: RenderSettings,
    jobs: int = 1,
    progress: Progress | None = None,
    limits: Limits | None = None,
) -> Discovery:
    """Return a discovery with the rendered in place of the files that went into it.

    `jobs` programs run at a time. What cannot be rendered is `invalid`, and its files stay; so they
    do where a program is missing, with a note.
    """
    programs = Programs(find_programs(settings), settings.seconds)
    for ground in grounds:
        runner = Runner(ground.tree, programs, jobs, settings.unrestricted, progress)
        found = _Step(ground, settings, runner, limits or Limits()).work(found)
    return found


class _Step:
    """The step on one tree."""

    def __init__(
        self, ground: Ground, settings: RenderSettings, runner: Runner, limits: Limits
    ) -> None:
        self.ground = ground
        self.tree = ground.tree
        self.settings = settings
        self.runner = runner
        self.limits = limits
        self.marks: dict[str, bool] = {}

    def work(self, found: Discovery) -> Discovery:
        planned, followed, arranged = self.settled()
        invalid = [*planned.invalid, *followed.problems, *arranged.invalid]
        notes = [*followed.notes, *(replace(note, detail=True) for note in followed.left)]
        left = [j for j in (*planned.jobs, *followed.jobs) if not self.runner.can_run(j)]
        self.tell_of_missing(left, invalid, notes)
        files = self.ground.files
        gone = {id(files[name]) for name in arranged.taken | arranged.renamed if name in files}
        skipped = [
            Skipped(files[name].path, RENDERED)
            for name in sorted(arranged.taken - arranged.renamed)
            if name in files
        ]
        return replace(
            found,
            files=(*(file for file in found.files if id(file) not in gone), *arranged.made),
            invalid=(*found.invalid, *dict.fromkeys(invalid)),
            skipped=(*found.skipped, *skipped),
            notes=(*found.notes, *dict.fromkeys(notes)),
        )

    def settled(self) -> tuple[Planned, Followed, _Arranged]:
        """Plan, run and look for controllers in what came of it, until that changes no plan."""
        names = self.ground.files
        planned = plan_bare(self.tree, names, self.settings, self.ground.relative)
        followed = self.first_followed(planned)
        arranged = _Arranged()
        for _ in range(_ROUNDS):
            directories = [directory_of(job) for job in followed.jobs]
            planned = plan_bare(self.tree, names, self.settings, self.ground.relative, directories)
            jobs = (*planned.jobs, *followed.jobs)
            self.runner.run(jobs)
            arranged = self.arranged(jobs)
            before = list(map(repr, followed.jobs))
            followed = self.followed(self.scanned(arranged.taken, arranged.made))
            if before == list(map(repr, followed.jobs)):
                break
        return planned, followed, arranged

    def first_followed(self, planned: Planned) -> Followed:
        """Return what is followed from files that nothing is expected to render."""
        names = self.ground.files
        expected: set[str] = set()
        for job in planned.jobs:
            if self.runner.can_run(job):
                expected |= expected_to_take(job, self.tree, names)
        return self.followed(self.scanned(expected, ()))

    def followed(self, files: Sequence[ManifestFile]) -> Followed:
        repository = self.ground.repository
        if repository is None or self.settings.alone:
            return Followed()
        marked = [file for file in files if self.is_marked(file)]
        return follow(marked, files, self.tree, repository, self.settings, self.limits)

    def is_marked(self, file: ManifestFile) -> bool:
        """Return whether a file may hold a controller's resource; those found are read once."""
        if file.rendered is not None:
            return is_marked(file, self.limits)
        if file.path not in self.marks:
            self.marks[file.path] = is_marked(file, self.limits)
        return self.marks[file.path]

    def scanned(self, taken: set[str], made: Iterable[ManifestFile]) -> list[ManifestFile]:
        kept = [file for name, file in self.ground.files.items() if name not in taken]
        return [*kept, *(file for file in made if file.rendered is not None)]

    def arranged(self, jobs: Sequence[RenderJob]) -> _Arranged:
        """Return the files that come of jobs, and those that they stand for."""
        arranged = _Arranged()
        titles: dict[str, int] = {}
        paths: dict[str, int] = {}
        for job in jobs:
            if isinstance(job, DirectoryJob):
                scope = _once(f"{job.directory or '.'} ({job.label})", titles)
                for name, file in manifests_of(job, self.tree, self.ground.files, scope):
                    arranged.made.append(file)
                    arranged.renamed.add(name)
                continue
            result = self.runner.result(job)
            if result is not None and self.settings.alone:
                arranged.taken |= self.below(directory_of(job))
            if isinstance(result, Failure):
                arranged.invalid += result.problems
            elif result is not None:
                arranged.made.append(_file_of(job, result, titles, paths))
                arranged.taken |= result.taken
                if isinstance(job, HelmJob):
                    chart = job.chart
                    arranged.taken |= {n for n in self.ground.files if is_of_chart(chart, n)}
        return arranged

    def below(self, directory: str) -> set[str]:
        """Return the names of the files in a directory."""
        prefix = f"{directory}/" if directory else ""
        return {name for name in self.ground.files if name.startswith(prefix)}

    def tell_of_missing(
        self, left: Sequence[RenderJob], invalid: list[Invalid], notes: list[Note]
    ) -> None:
        """Say once for each program what is not rendered without it; in mode `always` it is bad."""
        for program, word in (("helm", "chart"), ("kustomize", "overlay")):
            jobs = [job for job in left if isinstance(job, HelmJob) == (program == "helm")]
            if not jobs:
                continue
            if self.settings.mode == "always":
                why = f"not rendered: {program} was not found"
                invalid += [Invalid(job.at, why) for job in jobs]
                continue
            subjects = list(dict.fromkeys(self.tree.shown(directory_of(job)) for job in jobs))
            what = f"{len(subjects)} {word}s" if len(subjects) > 1 else f"1 {word}"
            shown = ", ".join(subjects[:3]) + (", ..." if len(subjects) > 3 else "")
            notes.append(
                Note(
                    f"{what} not rendered ({shown}): {program} was not found; install it, "
                    "or say --render never"
                )
            )


def _file_of(
    job: RenderJob, output: Output, titles: dict[str, int], paths: dict[str, int]
) -> ManifestFile:
    """Return the rendered text as a file, in a scope of its own."""
    rendered = output.rendered
    # Fingerprints hold the scope: it must be the same from whatever directory one scans.
    scope = _once(title(rendered, directory_of(job) or "."), titles)
    return ManifestFile(
        path=_once(title(rendered, rendered.subject), paths),
        size=len(output.data),
        data=output.data,
        scope=scope,
        namespace=job.namespace,
        rendered=output.rendered,
    )


def _once(name: str, titles: dict[str, int]) -> str:
    """Return a title that no other rendering has."""
    titles[name] = number = titles.get(name, 0) + 1
    return name if number == 1 else f"{name} #{number}"


def title(rendered: Rendered, directory: str) -> str:
    """Return what a rendering is called: `charts/web (helm template, prod)`."""
    program = "helm template" if rendered.program == "helm" else "kustomize build"
    label = f", {rendered.label}" if rendered.label else ""
    return f"{directory} ({program}{label})"
