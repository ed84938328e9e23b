"""Rendering as a part of a scan: from a request to trees and settings, and back to places."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from kpolicy.config.model import Config
from kpolicy.engine.cores import cores_available
from kpolicy.engine.findings import Anchor
from kpolicy.engine.intake import relative_to
from kpolicy.engine.local import Tally
from kpolicy.engine.request import ScanRequest
from kpolicy.findings import RENDERED, Finding, Place, Related
from kpolicy.location import SourceLocation
from kpolicy.manifests.model import Discovery, ManifestFile, Rendered
from kpolicy.manifests.paths import tree_root
from kpolicy.rendering.settings import RenderSettings
from kpolicy.rendering.stage import Ground, render
from kpolicy.rendering.tracing import trace, trace_at
from kpolicy.rendering.tree import DiskTree


def render_on_disk(found: Discovery, request: ScanRequest, config: Config) -> Discovery:
    """Return what is found in the work tree with charts and overlays rendered."""
    roots = dict.fromkeys(_root_of(target) for target in request.targets if target != "-")
    edited = {
        os.path.realpath(f.filename): f.data
        for f in found.files
        if f.data is not None and f.filename
    }
    trees = [DiskTree(root, edited=edited) for root in sorted(roots, key=len, reverse=True)]
    grounds: list[tuple[DiskTree, dict[str, ManifestFile]]] = [(tree, {}) for tree in trees]
    for file in found.files:
        if not file.filename:
            continue
        for tree, files in grounds:
            name = tree.name_of(file.filename)
            if name is not None:
                files.setdefault(name, file)
                break
    relative = relative_to(config.root)
    return render(
        found,
        [Ground(tree, files, relative) for tree, files in grounds],
        render_settings(request, config),
        request.jobs or cores_available(),
        request.progress,
    )


def _root_of(target: str) -> str:
    directory = target if Path(target).is_dir() else os.path.dirname(target) or "."  # noqa: PTH120
    return tree_root(directory)


def render_settings(request: ScanRequest, config: Config) -> RenderSettings:
    """Return the settings of rendering: the request's mode wins over the configuration's."""
    settings = config.render
    return replace(settings, mode=request.render) if request.render else settings


def traced_findings(
    findings: Iterable[tuple[Finding, Anchor]], files: Mapping[str, ManifestFile]
) -> list[tuple[Finding, Anchor]]:
    """Return findings at the places that what they are about comes from."""
    return [(_traced(finding, anchor, files), anchor) for finding, anchor in findings]


def traced_tally(tally: Tally, files: Mapping[str, ManifestFile]) -> Tally:
    """Return a tally whose notes and errors name the files that rendered text comes from."""
    return replace(
        tally,
        invalid=[replace(i, location=_required(i.location, files)) for i in tally.invalid],
        notes=[replace(n, location=_traced_location(n.location, files)) for n in tally.notes],
        annotated={
            anchor: replace(a, location=_required(a.location, files))
            for anchor, a in tally.annotated.items()
        },
    )


def _required(location: SourceLocation, files: Mapping[str, ManifestFile]) -> SourceLocation:
    return _traced_location(location, files) or location


def _traced(finding: Finding, anchor: Anchor, files: Mapping[str, ManifestFile]) -> Finding:
    """Return a finding at the place that what it is about comes from.

    One in a file that was not rendered is the same. `anchor` is where its resource stands.
    """
    file = files.get(finding.place.location.path)
    related = tuple(_traced_related(one, files) for one in finding.related)
    if file is None or file.rendered is None:
        return finding if related == finding.related else replace(finding, related=related)
    place = finding.place
    found = trace(file, anchor[1], anchor[2] + place.pointer, place.location.line)
    location = SourceLocation(found.path, found.line, found.column)
    return replace(
        finding,
        place=Place(location, place.pointer),
        related=related,
        details=MappingProxyType({**finding.details, **_provenance(file.rendered)}),
        fix=None,
    )


def _provenance(rendered: Rendered) -> dict[str, str]:
    """Return what a report says of a rendered resource's making."""
    program = "helm template" if rendered.program == "helm" else "kustomize build"
    label = f", {rendered.label}" if rendered.label else ""
    return {RENDERED: f"{program} {rendered.subject}{label}"}


def _traced_related(related: Related, files: Mapping[str, ManifestFile]) -> Related:
    location = related.place.location
    file = files.get(location.path)
    if file is None or file.rendered is None:
        return related
    found = trace_at(file, location.line, related.place.pointer)
    place = Place(SourceLocation(found.path, found.line, found.column), related.place.pointer)
    return replace(related, place=place)


def _traced_location(
    location: SourceLocation | None, files: Mapping[str, ManifestFile]
) -> SourceLocation | None:
    """Return where rendered text that a note or an error is about comes from."""
    file = files.get(location.path) if location is not None else None
    if location is None or file is None or file.rendered is None:
        return location
    found = trace_at(file, location.line, "")
    return SourceLocation(found.path, found.line, found.column)
