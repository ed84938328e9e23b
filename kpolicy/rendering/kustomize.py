"""`kustomize build` on the copy of an overlay, with a note on each resource of where it is from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kpolicy.frozen import FrozenDict, thaw
from kpolicy.location import SourceLocation
from kpolicy.manifests.model import Rendered
from kpolicy.rendering.jobs import Failure, KustomizeJob, Output
from kpolicy.rendering.kustomizations import Closure, closure_of
from kpolicy.rendering.origins import Origin, take_origins
from kpolicy.rendering.programs import Failed, Programs
from kpolicy.rendering.reading import strings
from kpolicy.rendering.scratch import Scratch
from kpolicy.rendering.tree import FileTree, Unreadable, join

__all__ = ["build_overlay"]

_ORIGINS = "originAnnotations"


def build_overlay(
    job: KustomizeJob, tree: FileTree, root: Path, programs: Programs, unrestricted: bool
) -> Output | Failure:
    """Build an overlay in the empty directory `root`."""
    closure = closure_of(tree, job.directory)
    if closure.problems:
        return Failure(tuple(closure.problems))
    scratch = Scratch(root, tree)
    try:
        scratch.copy(closure.read)
    except Unreadable as error:
        return Failure.at(SourceLocation(tree.shown(error.name)), str(error))
    outermost = closure.kustomizations[0]
    own = _ORIGINS in strings(outermost.body.get("buildMetadata"))
    data = scratch.read(outermost.file) or b""
    scratch.write(outermost.file, with_fields(outermost.body, data, job.changes))
    program = programs.found.kustomize
    command = [program, "kustomize" if Path(program).stem == "kubectl" else "build"]
    if unrestricted:
        command += ["--load-restrictor", "LoadRestrictionsNone"]
    directory = str(scratch.files / job.directory)
    try:
        output = programs.run([*command, directory], scratch.files, scratch.home)
    except Failed as error:
        words = scratch.own_words(str(error)).removeprefix("Error: ").strip()
        label = f" ({job.label})" if job.label else ""
        return Failure.at(job.at, f"kustomize build: {words}{label}")
    written, origins = take_origins(output, keep=own)
    return Output(
        written, _rendered(job, tree, scratch, closure, origins), frozenset(closure.taken)
    )


def with_fields(body: FrozenDict, data: bytes, changes: Mapping[str, Any]) -> bytes:
    """Return a kustomization that asks for origins, with `changes` of its fields.

    The text stays as it is where that is possible, so that Kustomize's own words fit it.
    """
    metadata = list(strings(body.get("buildMetadata")))
    if not body and not changes:
        # It cannot be read, or holds nothing: Kustomize says so better than anyone.
        return data
    if _ORIGINS not in metadata:
        metadata.append(_ORIGINS)
    if not changes and "buildMetadata" not in body and _can_be_added_to(body, data):
        return data.rstrip() + f"\nbuildMetadata: [{_ORIGINS}]\n".encode()
    whole = {**thaw(body), **{k: v for k, v in changes.items() if v is not None}}
    return json.dumps({**whole, "buildMetadata": metadata}).encode()


def _can_be_added_to(body: FrozenDict, data: bytes) -> bool:
    """Return whether a line at the end of the text is one more key."""
    lines = data.rstrip().split(b"\n")
    first = lines[body.line - 1 :][:1]
    plain = body.column == 1 and first != [] and not first[0].lstrip().startswith(b"{")
    return plain and not any(line.startswith((b"...", b"---")) for line in lines[body.line :])


def _rendered(
    job: KustomizeJob,
    tree: FileTree,
    scratch: Scratch,
    closure: Closure,
    origins: list[Origin],
) -> Rendered:
    texts: dict[str, bytes] = {}
    shown: list[tuple[str, str]] = []
    entry = closure.kustomizations[0].file
    for origin in origins:
        name = join(job.directory, origin.path) if origin.path else None
        if name is None or not name or tree.kind(name) != "file":
            name = entry
        path = tree.shown(name)
        if path not in texts:
            texts[path] = _original(name, tree, scratch)
        shown.append((path, origin.generator))
    for name in closure.patches:
        texts.setdefault(tree.shown(name), _original(name, tree, scratch))
    return Rendered(
        program="kustomize",
        subject=tree.shown(job.directory),
        label=job.label,
        entry=tree.shown(entry),
        origins=tuple(shown),
        texts=texts,
        patches=tuple(dict.fromkeys(tree.shown(name) for name in closure.patches)),
    )


def _original(name: str, tree: FileTree, scratch: Scratch) -> bytes:
    """Return a file as it is in the tree: the copy of a kustomization has been added to."""
    try:
        return tree.read(name)
    except Unreadable:
        return scratch.read(name) or b""
