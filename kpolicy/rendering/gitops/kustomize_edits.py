"""What controllers change in a kustomization before they build it: whole fields, as new values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kpolicy.frozen import FrozenDict, thaw
from kpolicy.rendering.reading import strings, text

__all__ = ["argocd_edits", "flux_edits"]


def argocd_edits(
    body: FrozenDict, options: Mapping[str, Any], substituted: Callable[[str], str]
) -> dict[str, Any]:
    """Return what `kustomize edit set ...` makes of an Application's `kustomize` options.

    Source: docs/user-guide/kustomize.md of Argo CD.
    """
    edits: dict[str, Any] = {}
    for key in ("namePrefix", "nameSuffix", "namespace"):
        if text(options.get(key)):
            edits[key] = substituted(text(options.get(key)))
    images = [_image(i) for i in strings(options.get("images"))]
    if images:
        edits["images"] = merged_by_name(body.get("images"), images)
    replicas = [
        {"name": r.get("name"), "count": int(str(r.get("count")))}
        for r in options.get("replicas") or ()
        if isinstance(r, dict) and str(r.get("count")).isdecimal()
    ]
    if replicas:
        edits["replicas"] = merged_by_name(body.get("replicas"), replicas)
    labels = _texts(options.get("commonLabels"), substituted)
    if labels:
        edits |= _labels(body, labels, options)
    annotations = options.get("commonAnnotations")
    if isinstance(annotations, dict):
        keep = (lambda v: v) if not options.get("commonAnnotationsEnvsubst") else substituted
        own = thaw(body.get("commonAnnotations")) or {}
        edits["commonAnnotations"] = {**own, **_texts(annotations, keep)}
    for key in ("patches", "components"):
        if options.get(key):
            edits[key] = [*(thaw(body.get(key)) or ()), *thaw(options[key])]
    return edits


def flux_edits(body: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Flux sets in a kustomization for a Kustomization of its own.

    Source: the reference of kustomize.toolkit.fluxcd.io (patches, images, components, names).
    """
    edits: dict[str, Any] = {}
    if text(spec.get("targetNamespace")):
        edits["namespace"] = spec["targetNamespace"]
    for key in ("namePrefix", "nameSuffix"):
        if text(spec.get(key)):
            edits[key] = spec[key]
    for key in ("patches", "components", "patchesStrategicMerge"):
        if spec.get(key):
            edits[key] = [*(thaw(body.get(key)) or ()), *thaw(spec[key])]
    images = [thaw(i) for i in spec.get("images") or () if isinstance(i, dict)]
    if images:
        edits["images"] = merged_by_name(body.get("images"), images)
    metadata = spec.get("commonMetadata")
    if isinstance(metadata, dict):
        if isinstance(metadata.get("labels"), dict):
            more = {"pairs": thaw(metadata["labels"]), "includeSelectors": False}
            edits["labels"] = [*(thaw(body.get("labels")) or ()), more]
        if isinstance(metadata.get("annotations"), dict):
            own = thaw(body.get("commonAnnotations")) or {}
            edits["commonAnnotations"] = {**own, **thaw(metadata["annotations"])}
    return edits


def merged_by_name(own: Any, changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a list of mappings in which a change takes the place of the one with its name."""
    names = {change.get("name") for change in changes}
    kept = [i for i in thaw(own) or () if isinstance(i, dict) and i.get("name") not in names]
    return [*kept, *changes]


def _image(written: str) -> dict[str, Any]:
    """Return an image override: `name=new:tag`, `name:tag`, `name@digest`, `name=new@digest`."""
    name, equals, new = written.partition("=")
    target = new if equals else written
    at = target.partition("@")
    digest = at[2]
    rest = at[0]
    head, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        head, tag = rest, ""
    made: dict[str, Any] = {"name": name if equals else head}
    if equals and head != name:
        made["newName"] = head
    if tag:
        made["newTag"] = tag
    if digest:
        made["digest"] = digest
    return made


def _texts(value: Any, substituted: Callable[[str], str]) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {str(k): substituted(str(v)) for k, v in value.items()}


def _labels(body: FrozenDict, labels: dict[str, str], options: Mapping[str, Any]) -> dict[str, Any]:
    if options.get("labelWithoutSelector") is not True:
        return {"commonLabels": {**(thaw(body.get("commonLabels")) or {}), **labels}}
    templates = options.get("labelIncludeTemplates") is True
    more = {"pairs": labels, "includeSelectors": False, "includeTemplates": templates}
    return {"labels": [*(thaw(body.get("labels")) or ()), more]}
