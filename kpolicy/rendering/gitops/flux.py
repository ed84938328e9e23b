"""Flux Kustomizations and HelmReleases to what its controllers would run.

Source: the references of kustomize.toolkit.fluxcd.io/v1 and helm.toolkit.fluxcd.io/v2.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from kpolicy.frozen import FrozenDict, thaw
from kpolicy.manifests.model import Invalid, Note
from kpolicy.records import dataclass
from kpolicy.rendering.charts import chart_in
from kpolicy.rendering.gitops.kustomize_edits import flux_edits
from kpolicy.rendering.gitops.model import Followed, Sighting
from kpolicy.rendering.gitops.repository import Repository
from kpolicy.rendering.jobs import HelmJob, KustomizeJob
from kpolicy.rendering.kustomizations import kustomization_in
from kpolicy.rendering.reading import fields, maps, strings, text
from kpolicy.rendering.settings import RenderSettings
from kpolicy.rendering.tree import FileTree, join

__all__ = ["Cluster", "follow_helm_release", "follow_kustomization"]

_BOOTSTRAP = "flux-system"


@dataclass(frozen=True, slots=True)
class Cluster:
    """What Flux resources refer to by name, as far as the repository holds it."""

    sources: Mapping[tuple[str, str], str]
    """The URL of each GitRepository, by (namespace, name)."""
    maps: Mapping[tuple[str, str], FrozenDict]
    """Each ConfigMap, by (namespace, name)."""

    @classmethod
    def of(cls, sightings: Iterable[Sighting]) -> Cluster:
        """Return what is among resources seen; one without a namespace is in any."""
        sources: dict[tuple[str, str], str] = {}
        maps: dict[tuple[str, str], FrozenDict] = {}
        for seen in sightings:
            key = (_namespace(seen), _name(seen.body))
            if seen.body.get("kind") == "GitRepository":
                sources[key] = text(fields(seen.body.get("spec")).get("url"))
            elif seen.body.get("kind") == "ConfigMap":
                maps[key] = seen.body
        return cls(sources, maps)

    def is_here(self, reference: Mapping[str, Any], namespace: str, repository: Repository) -> bool:
        """Return whether a `sourceRef` means this repository.

        Flux names the source it was bootstrapped from `flux-system`; where the repository does not
        hold that source, it is the repository itself.
        """
        if reference.get("kind", "GitRepository") != "GitRepository":
            return False
        name = text(reference.get("name"))
        url = _found(self.sources, text(reference.get("namespace")) or namespace, name)
        if url is not None:
            return repository.is_at(url)
        return name == _BOOTSTRAP

    def config_map(self, namespace: str, name: str) -> FrozenDict | None:
        """Return a ConfigMap of the repository."""
        found: FrozenDict | None = _found(self.maps, namespace, name)
        return found


def _found(among: Mapping[tuple[str, str], Any], namespace: str, name: str) -> Any:
    exact = among.get((namespace, name)) or among.get(("", name))
    if exact is not None or namespace:
        return exact
    return next((value for (_, other), value in among.items() if other == name), None)


def follow_kustomization(
    seen: Sighting,
    tree: FileTree,
    repository: Repository,
    cluster: Cluster,
    followed: Followed,
) -> None:
    """Add the build of a Flux Kustomization whose source is this repository."""
    spec, namespace = fields(seen.body.get("spec")), _namespace(seen)
    label = f"Kustomization {_name(seen.body)}"
    if not cluster.is_here(fields(spec.get("sourceRef")), namespace, repository):
        _leave(label, seen, "/spec/sourceRef", followed)
        return
    path = text(spec.get("path")) or "./"
    directory = join("", path.lstrip("/") or ".")
    at = seen.at("/spec/path")
    if directory is None or tree.kind(directory) != "directory":
        followed.problems.append(Invalid(at, f'the path "{path}" of {label} is not there'))
        return
    if "kubeConfig" not in spec and spec.get("decryption"):
        followed.left.append(Note(f"{label} is built without decrypting its secrets", at))
    found = kustomization_in(tree, directory)
    variables, unknown = _variables(fields(spec.get("postBuild")), namespace, cluster)
    followed.jobs.append(
        KustomizeJob(
            directory=directory,
            label=label,
            at=at,
            namespace=text(spec.get("targetNamespace")),
            changes=flux_edits(found.body if found is not None else {}, spec),
            generated=found is None,
            substitutes=bool(spec.get("postBuild")),
            substitute=variables,
            substitutes_all=not unknown,
        )
    )


def _variables(
    post_build: Mapping[str, Any], namespace: str, cluster: Cluster
) -> tuple[dict[str, str], bool]:
    """Return the variables of a build, and whether there are others that are not known here."""
    found: dict[str, str] = {}
    unknown = False
    for reference in maps(post_build.get("substituteFrom")):
        body = None
        if reference.get("kind") == "ConfigMap":
            body = cluster.config_map(namespace, text(reference.get("name")))
        if body is None:
            unknown = True
            continue
        found.update({str(k): str(v) for k, v in fields(body.get("data")).items()})
    found.update({str(k): str(v) for k, v in fields(post_build.get("substitute")).items()})
    return found, unknown


def follow_helm_release(
    seen: Sighting,
    tree: FileTree,
    repository: Repository,
    cluster: Cluster,
    settings: RenderSettings,
    followed: Followed,
) -> None:
    """Add the chart of a HelmRelease whose source is this repository."""
    spec, namespace = fields(seen.body.get("spec")), _namespace(seen)
    label = f"HelmRelease {_name(seen.body)}"
    chart_spec = fields(fields(spec.get("chart")).get("spec"))
    if not cluster.is_here(
        fields(chart_spec.get("sourceRef") or {"kind": ""}), namespace, repository
    ):
        _leave(label, seen, "/spec/chart", followed)
        return
    path = text(chart_spec.get("chart"))
    at = seen.at("/spec/chart/spec/chart")
    directory = join("", path.lstrip("/") or ".")
    chart = chart_in(tree, directory) if directory is not None else None
    if directory is None or chart is None:
        followed.problems.append(Invalid(at, f'the chart "{path}" of {label} is not there'))
        return
    files = []
    for number, reference in enumerate(strings(chart_spec.get("valuesFiles"))):
        name = join("", reference)
        if name is not None and tree.kind(name) == "file":
            files.append(name)
        elif chart_spec.get("ignoreMissingValuesFiles") is not True:
            where = seen.at(f"/spec/chart/spec/valuesFiles/{number}")
            why = f'the values file "{reference}" of {label} is not there'
            followed.problems.append(Invalid(where, why))
            return
    inline, parameters = _values(spec, seen, namespace, cluster, label, followed)
    if spec.get("postRenderers"):
        note = f"{label} is rendered without its postRenderers"
        followed.notes.append(Note(note, seen.at("/spec/postRenderers")))
    target = text(spec.get("targetNamespace"))
    name = _name(seen.body)
    crds = text(fields(spec.get("install")).get("crds"))
    followed.jobs.append(
        HelmJob(
            chart=directory,
            label=label,
            at=at,
            release=text(spec.get("releaseName")) or (f"{target}-{name}" if target else name),
            namespace=target or namespace,
            values=tuple(files),
            inline=tuple(inline),
            parameters=tuple(parameters),
            kube_version=settings.kube_version,
            api_versions=settings.api_versions,
            skip_crds=crds == "Skip",
        )
    )


def _values(
    spec: Mapping[str, Any],
    seen: Sighting,
    namespace: str,
    cluster: Cluster,
    label: str,
    followed: Followed,
) -> tuple[list[str], list[tuple[str, str]]]:
    """Return a release's values as texts, and its parameters, in the order in which they win."""
    inline: list[str] = []
    parameters: list[tuple[str, str]] = []
    for number, reference in enumerate(maps(spec.get("valuesFrom"))):
        key = text(reference.get("valuesKey")) or "values.yaml"
        body = None
        if reference.get("kind") == "ConfigMap":
            body = cluster.config_map(namespace, text(reference.get("name")))
        value = fields(body.get("data")).get(key) if body is not None else None
        if not isinstance(value, str):
            if reference.get("optional") is not True:
                what = f"{reference.get('kind')} {reference.get('name')}"
                note = f"{label} is rendered without values that are not here ({what}, {key})"
                followed.notes.append(Note(note, seen.at(f"/spec/valuesFrom/{number}")))
        elif reference.get("targetPath"):
            parameters.append(("--set", f"{reference['targetPath']}={value}"))
        else:
            inline.append(value)
    if isinstance(spec.get("values"), dict):
        inline.append(json.dumps(thaw(spec["values"])))
    return inline, parameters


def _leave(label: str, seen: Sighting, pointer: str, followed: Followed) -> None:
    note = f"{label} is not followed: its source is elsewhere"
    followed.left.append(Note(note, seen.at(pointer)))


def _namespace(seen: Sighting) -> str:
    return text(fields(seen.body.get("metadata")).get("namespace")) or seen.namespace


def _name(body: Mapping[str, Any]) -> str:
    return text(fields(body.get("metadata")).get("name"))
