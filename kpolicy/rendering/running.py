"""Jobs run side by side, each once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from kpolicy.rendering.helm import render_chart
from kpolicy.rendering.jobs import DirectoryJob, Failure, HelmJob, KustomizeJob, Output, RenderJob
from kpolicy.rendering.kustomize import build_overlay
from kpolicy.rendering.programs import Programs
from kpolicy.rendering.reading import mappings
from kpolicy.rendering.tree import FileTree

__all__ = ["Runner"]

Progress = Callable[[str, int, int], None]


class Runner:
    """Runs jobs on a tree and keeps what came of them."""

    def __init__(
        self,
        tree: FileTree,
        programs: Programs,
        at_a_time: int,
        unrestricted: bool,
        progress: Progress | None,
    ) -> None:
        self._tree = tree
        self._programs = programs
        self._at_a_time = at_a_time
        self._unrestricted = unrestricted
        self._progress = progress
        self._done: dict[str, Output | Failure] = {}

    def can_run(self, job: RenderJob) -> bool:
        """Return whether the program for a job is there; a plain directory needs none."""
        return isinstance(job, DirectoryJob) or bool(self._program_of(job))

    def _program_of(self, job: HelmJob | KustomizeJob) -> str:
        found = self._programs.found
        return found.helm if isinstance(job, HelmJob) else found.kustomize

    def result(self, job: RenderJob) -> Output | Failure | None:
        """Return what came of a job; None for one that was not run."""
        return self._done.get(repr(job))

    def run(self, jobs: Sequence[RenderJob]) -> None:
        """Run those of `jobs` that need a program and were not run before.

        All threads have ended on return: who forks afterwards must be alone.
        """
        wanted = {repr(j): j for j in jobs if not isinstance(j, DirectoryJob) and self.can_run(j)}
        ahead = [(key, job) for key, job in wanted.items() if key not in self._done]
        if not ahead:
            return
        import tempfile
        from concurrent.futures import ThreadPoolExecutor

        # libyaml's bindings import each other in a circle: two threads must not be the first.
        mappings(b"{a: &a 1, b: *a}")
        with tempfile.TemporaryDirectory(prefix="kpolicy-render-") as directory:

            def run(number: int) -> Output | Failure:
                root = Path(directory) / str(number)
                root.mkdir()
                return self._one(ahead[number][1], root)

            with ThreadPoolExecutor(max(1, min(self._at_a_time, len(ahead)))) as pool:
                try:
                    for number, result in enumerate(pool.map(run, range(len(ahead)))):
                        self._done[ahead[number][0]] = result
                        if self._progress is not None:
                            self._progress("rendering", number + 1, len(ahead))
                except BaseException:
                    # Ctrl-C: the programs are in groups of their own and do not get it.
                    pool.shutdown(wait=False, cancel_futures=True)
                    self._programs.stop()
                    raise

    def _one(self, job: HelmJob | KustomizeJob, root: Path) -> Output | Failure:
        if isinstance(job, HelmJob):
            return render_chart(job, self._tree, root, self._programs)
        return build_overlay(job, self._tree, root, self._programs, self._unrestricted)
