"""Where controllers' resources are among manifests: those that say what is rendered, and how."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kpolicy.manifests.loader import load, read_bytes
from kpolicy.manifests.model import Limits, ManifestFile
from kpolicy.rendering.gitops.model import Sighting
from kpolicy.rendering.reading import fields, maps, text

__all__ = ["config_maps", "sightings"]

_KINDS = {
    "argoproj.io": ("Application", "ApplicationSet"),
    "kustomize.toolkit.fluxcd.io": ("Kustomization",),
    "helm.toolkit.fluxcd.io": ("HelmRelease",),
    "source.toolkit.fluxcd.io": ("GitRepository",),
}


def sightings(files: Iterable[ManifestFile], limits: Limits) -> Iterator[Sighting]:
    """Yield the controllers' resources in files, in order; only marked ones hold any."""
    for file in files:
        data = read_bytes(file, limits)
        if not isinstance(data, bytes):
            continue
        for seen in _resources(file, data, limits):
            group = text(seen.body.get("apiVersion")).partition("/")[0]
            if seen.body.get("kind") in _KINDS.get(group, ()):
                yield seen


def _resources(file: ManifestFile, data: bytes, limits: Limits) -> Iterator[Sighting]:
    rendered = file.rendered is not None
    for document in load(file, limits).documents:
        path = file.path
        if file.rendered is not None and document.index < len(file.rendered.origins):
            path = file.rendered.origins[document.index][0]
        yield Sighting(
            document.body, path, document.index, document.pointer, data, rendered, file.namespace
        )


def config_maps(
    wanted: Iterable[Sighting], files: Iterable[ManifestFile], limits: Limits
) -> Iterator[Sighting]:
    """Yield the ConfigMaps in files that Flux resources take values or variables from."""
    names = {
        text(reference.get("name")).encode()
        for seen in wanted
        for reference in (
            *maps(fields(seen.body.get("spec")).get("valuesFrom")),
            *maps(fields(fields(seen.body.get("spec")).get("postBuild")).get("substituteFrom")),
        )
        if reference.get("kind") == "ConfigMap"
    }
    if not names:
        return
    for file in files:
        data = read_bytes(file, limits)
        if not isinstance(data, bytes) or b"ConfigMap" not in data:
            continue
        if any(name in data for name in names):
            for seen in _resources(file, data, limits):
                if seen.body.get("kind") == "ConfigMap":
                    yield seen
