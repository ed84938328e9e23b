"""The step as a whole: what the sources found, with what is rendered in place of what it is of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kpolicy.manifests.model import (
    Discovery,
    Invalid,
    ManifestFile,
    Note,
    Rendered,
    Skipped,
)
from kpolicy.records import dataclass
from kpolicy.rendering.helm import render_chart
from kpolicy.rendering.jobs import Failure, HelmJob, Output, RenderJob
from kpolicy.rendering.kustomize import build_overlay
from kpolicy.rendering.planning import Planned, plan_bare
from kpolicy.rendering.programs import Programs, find_programs
from kpolicy.rendering.settings import RenderSettings
from kpolicy.rendering.tree import FileTree

__all__ = ["RENDERED", "Ground", "render"]

#: The reason why a file is skipped that went into something rendered.
RENDERED = "rendered"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Ground:
    """A tree, and which of the found files are in it: by their names there."""

    tree: FileTree
    files: Mapping[str, ManifestFile]
    relative: Callable[[str], str] = str
    """From a shown path to the one that the configuration's globs are held against."""


def render(
    found: Discovery,
    grounds: Sequence[Ground],
    settings: RenderSettings,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Discovery:
    """Return a discovery with the rendered in place of the files that went into it.

    `jobs` programs run at a time. What cannot be rendered is `invalid`, and its files stay; so they
    do where a program is missing, with a note.
    """
    programs = Programs(find_programs(settings), settings.seconds)
    files: list[ManifestFile] = []
    invalid: list[Invalid] = []
    skipped: list[Skipped] = []
    notes: list[Note] = []
    taken: set[str] = set()
    for ground in grounds:
        planned = plan_bare(ground.tree, ground.files, settings, ground.relative)
        invalid += planned.invalid
        runnable = [job for job in planned.jobs if _program_of(job, programs)]
        left = [job for job in planned.jobs if not _program_of(job, programs)]
        _tell_of_missing(left, ground.tree, settings, invalid, notes)
        results = _run_all(runnable, ground.tree, programs, jobs, settings.unrestricted, progress)
        for job, result in zip(runnable, results, strict=True):
            if isinstance(result, Failure):
                invalid += result.problems
                continue
            files.append(_file_of(job, result))
            shown = {f.path for n, f in ground.files.items() if _is_taken(planned, job, result, n)}
            skipped += [Skipped(path, RENDERED) for path in sorted(shown - taken)]
            taken |= shown
    kept = [file for file in found.files if file.path not in taken]
    return replace(
        found,
        files=(*kept, *files),
        invalid=(*found.invalid, *dict.fromkeys(invalid)),
        skipped=(*found.skipped, *skipped),
        notes=(*found.notes, *notes),
    )


def _program_of(job: RenderJob, programs: Programs) -> str:
    return programs.found.helm if isinstance(job, HelmJob) else programs.found.kustomize


def _is_taken(planned: Planned, job: RenderJob, output: Output, name: str) -> bool:
    return name in output.taken or planned.takes(job, name)


def _file_of(job: RenderJob, output: Output) -> ManifestFile:
    """Return the rendered text as a file, in a scope of its own."""
    rendered = output.rendered
    path = title(rendered)
    return ManifestFile(path, "", len(output.data), output.data, path, job.namespace, rendered)


def title(rendered: Rendered) -> str:
    """Return what a rendering is called: `charts/web (helm template, prod)`."""
    program = "helm template" if rendered.program == "helm" else "kustomize build"
    label = f", {rendered.label}" if rendered.label else ""
    return f"{rendered.subject} ({program}{label})"


def _tell_of_missing(
    left: Sequence[RenderJob],
    tree: FileTree,
    settings: RenderSettings,
    invalid: list[Invalid],
    notes: list[Note],
) -> None:
    """Say once for each program what is not rendered without it; in mode `always` it is invalid."""
    for program, word in (("helm", "chart"), ("kustomize", "overlay")):
        jobs = [job for job in left if isinstance(job, HelmJob) == (program == "helm")]
        if not jobs:
            continue
        if settings.mode == "always":
            invalid += [Invalid(job.at, f"not rendered: {program} was not found") for job in jobs]
            continue
        subjects = dict.fromkeys(
            tree.shown(job.chart if isinstance(job, HelmJob) else job.directory) for job in jobs
        )
        what = f"{len(subjects)} {word}s" if len(subjects) > 1 else f"1 {word}"
        shown = ", ".join(list(subjects)[:3]) + (", ..." if len(subjects) > 3 else "")
        notes.append(
            Note(
                f"{what} not rendered ({shown}): {program} was not found; install it, "
                "or say --render never"
            )
        )


def _run_all(
    jobs: Sequence[RenderJob],
    tree: FileTree,
    programs: Programs,
    at_a_time: int,
    unrestricted: bool,
    progress: Progress | None,
) -> list[Output | Failure]:
    """Run programs side by side, and return what came of each in the order of `jobs`.

    All threads have ended on return: who forks afterwards must be alone.
    """
    if not jobs:
        return []
    import tempfile
    from concurrent.futures import ThreadPoolExecutor

    results: list[Output | Failure] = []
    with tempfile.TemporaryDirectory(prefix="kpolicy-render-") as directory:

        def run(number: int) -> Output | Failure:
            root = Path(directory) / str(number)
            root.mkdir()
            return _run(jobs[number], tree, root, programs, unrestricted)

        with ThreadPoolExecutor(max(1, min(at_a_time, len(jobs)))) as pool:
            try:
                for number, result in enumerate(pool.map(run, range(len(jobs)))):
                    results.append(result)
                    if progress is not None:
                        progress("rendering", number + 1, len(jobs))
            except BaseException:
                # Ctrl-C: the programs are in groups of their own and do not get it.
                pool.shutdown(wait=False, cancel_futures=True)
                programs.stop()
                raise
    return results


def _run(
    job: RenderJob, tree: FileTree, root: Path, programs: Programs, unrestricted: bool
) -> Output | Failure:
    if isinstance(job, HelmJob):
        return render_chart(job, tree, root, programs)
    return build_overlay(job, tree, root, programs, unrestricted)
