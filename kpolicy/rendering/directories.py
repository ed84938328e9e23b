"""Plain manifests that an Argo CD Application applies as they stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from posixpath import dirname

from kpolicy.manifests.model import ManifestFile
from kpolicy.rendering.gitops.globs import matches
from kpolicy.rendering.jobs import DirectoryJob
from kpolicy.rendering.tree import FileTree, Unreadable, below

__all__ = ["manifests_of"]

_EXTENSIONS = (".yaml", ".yml", ".json")


def manifests_of(
    job: DirectoryJob, tree: FileTree, known: Mapping[str, ManifestFile], scope: str
) -> Iterator[tuple[str, ManifestFile]]:
    """Yield (name, file) of what a directory application applies, in a scope and a namespace.

    `known` are the files found by the sources, by name; others are read from the tree.
    """
    for name in below(tree, job.directory):
        if not name.endswith(_EXTENSIONS) or not _is_wanted(job, name):
            continue
        file = known.get(name)
        if file is None:
            try:
                data = tree.read(name)
            except Unreadable:
                continue
            file = ManifestFile(tree.shown(name), "", len(data), data)
        yield name, replace(file, scope=scope, namespace=job.namespace)


def _is_wanted(job: DirectoryJob, name: str) -> bool:
    if not job.recurse and dirname(name) != job.directory:
        return False
    inner = name[len(job.directory) :].lstrip("/")
    if any(part.startswith(".") for part in inner.split("/")):
        return False
    if job.exclude and matches(job.exclude, inner, crossing=True):
        return False
    return not job.include or matches(job.include, inner, crossing=True)
