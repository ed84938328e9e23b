"""All that controllers' resources in a set of files come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kpolicy.frozen import FrozenDict
from kpolicy.manifests.model import Limits, ManifestFile, Note
from kpolicy.rendering.gitops.application_sets import NotKnown, applications_of
from kpolicy.rendering.gitops.argocd import follow_application
from kpolicy.rendering.gitops.flux import Cluster, follow_helm_release, follow_kustomization
from kpolicy.rendering.gitops.model import Followed, Sighting
from kpolicy.rendering.gitops.repository import Repository
from kpolicy.rendering.gitops.sightings import config_maps, sightings
from kpolicy.rendering.reading import fields, text
from kpolicy.rendering.settings import RenderSettings
from kpolicy.rendering.tree import FileTree

__all__ = ["follow"]


def follow(
    marked: Sequence[ManifestFile],
    files: Sequence[ManifestFile],
    tree: FileTree,
    repository: Repository,
    settings: RenderSettings,
    limits: Limits,
) -> Followed:
    """Return what the controllers' resources in files would render from this repository.

    They are in those of `files` that are `marked`.
    """
    followed = Followed()
    seen = list(sightings(marked, limits))
    if not seen:
        return followed
    cluster = Cluster.of([*seen, *config_maps(seen, files, limits)])
    for one in seen:
        kind = one.body.get("kind")
        if kind == "Application":
            follow_application(one.body, one, tree, repository, settings, followed)
        elif kind == "ApplicationSet":
            template = replace(one, pointer=f"{one.pointer}/spec/template")
            for application in _members(one, tree, repository, followed):
                follow_application(application, template, tree, repository, settings, followed)
        elif kind == "Kustomization":
            follow_kustomization(one, tree, repository, cluster, followed)
        elif kind == "HelmRelease":
            follow_helm_release(one, tree, repository, cluster, settings, followed)
    return followed


def _members(
    seen: Sighting, tree: FileTree, repository: Repository, followed: Followed
) -> list[FrozenDict]:
    try:
        return applications_of(seen.body, tree, repository)
    except NotKnown as error:
        name = text(fields(seen.body.get("metadata")).get("name"))
        note = Note(f"ApplicationSet {name} is not followed: {error}", seen.at("/spec"))
        followed.notes.append(note)
        return []
