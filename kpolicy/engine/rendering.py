"""Rendering as a part of a scan: from a request to trees and settings, and back to places."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from kpolicy.config.model import Config
from kpolicy.engine.cores import cores_available
from kpolicy.engine.findings import Anchor
from kpolicy.engine.intake import relative_to
from kpolicy.engine.request import ScanRequest
from kpolicy.engine.tally import Tally
from kpolicy.findings import RENDERED, UNFIXED, Finding, Fix, Place, Related
from kpolicy.location import SourceLocation
from kpolicy.manifests.model import Discovery, ManifestFile, Rendered
from kpolicy.manifests.paths import tree_root, tree_root_of
from kpolicy.rendering.gitops.repository import Repository, remotes_of
from kpolicy.rendering.settings import RenderSettings
from kpolicy.rendering.stage import Ground, render
from kpolicy.rendering.tracing import literal_place, trace, trace_at
from kpolicy.rendering.tree import DiskTree, name_below


def render_head(found: Discovery, request: ScanRequest, config: Config) -> Discovery:
    """Return what is found in the work tree with charts and overlays rendered."""
    roots = {tree_root_of(target) for target in request.targets if target != "-"}
    return _rendered(found, _disk_grounds(found, roots, config), request, config)


def render_base(found: Discovery, request: ScanRequest, config: Config) -> Discovery:
    """Return what is found in the base, a directory or a git revision, with all rendered."""
    if Path(request.base).is_dir():
        grounds = _disk_grounds(found, {tree_root(request.base)}, config)
    else:
        from kpolicy.engine.base_config import starting_directory
        from kpolicy.manifests.git import files_of_revision
        from kpolicy.rendering.revision_tree import RevisionTree

        revision = files_of_revision(str(starting_directory(request)), request.base)
        files = {file.filename: file for file in found.files}
        known = {name: file.path for name, file in files.items()}
        for name, file in files.items():
            if name in revision.blobs:
                revision.contents[revision.blobs[name].sha] = file.data
        ground = Ground(
            RevisionTree(revision, known),
            files,
            relative_to(config.root),
            repository_at(revision.root, config),
        )
        grounds = [ground]
    return _rendered(found, grounds, request, config)


def _rendered(
    found: Discovery, grounds: Sequence[Ground], request: ScanRequest, config: Config
) -> Discovery:
    settings = render_settings(request, config)
    jobs = request.jobs or cores_available()
    return render(found, grounds, settings, jobs, request.progress, request.limits)


def repository_at(root: str, config: Config) -> Repository | None:
    """Return the repository at `root`, None where it has no URL that a controller could name."""
    urls = (*remotes_of(root), *config.render.repositories)
    return Repository.of(urls) if urls else None


def _disk_grounds(found: Discovery, roots: Iterable[str], config: Config) -> list[Ground]:
    """Return the trees on the disk with the files found in each; the innermost tree has a file."""
    edited = {}
    by_root: dict[str, dict[str, ManifestFile]] = {
        root: {} for root in sorted(roots, key=len, reverse=True)
    }
    for file in found.files:
        if not file.filename:
            continue
        if file.data is not None:
            edited[os.path.realpath(file.filename)] = file.data
        for root, files in by_root.items():
            name = name_below(root, file.filename)
            if name is not None:
                files.setdefault(name, file)
                break
    relative = relative_to(config.root)
    return [
        Ground(
            DiskTree(root, {n: f.path for n, f in files.items()}, edited),
            files,
            relative,
            repository_at(root, config),
        )
        for root, files in by_root.items()
    ]


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
    details = {**finding.details, **_provenance(file.rendered)}
    fix = _fix_of(finding, file, found.path)
    if finding.fix is not None and fix is None:
        details[UNFIXED] = "the rendered field is not written as it is in one file"
    return replace(
        finding,
        place=Place(location, place.pointer),
        related=related,
        details=MappingProxyType(details),
        fix=fix,
    )


def _fix_of(finding: Finding, file: ManifestFile, path: str) -> Fix | None:
    """Return the fix as one of the file at `path`, where that is right; else None."""
    fix = finding.fix
    if fix is None or any(edit.op in ("quote", "deduplicate") for edit in fix.edits):
        # Those are of the text, and the program has written it anew.
        return None
    touched = [p for edit in fix.edits for p in (edit.pointer, edit.source) if p]
    place = literal_place(file, fix.document, fix.within, touched)
    if place is None or place[0] != path:
        return None
    return Fix(place[1], place[2], fix.edits)


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
