"""`kustomize build` on the copy of an overlay, with a note on each resource of where it is from."""

from __future__ import annotations

import json
from pathlib import Path

from kpolicy.frozen import FrozenDict, freeze, thaw
from kpolicy.location import SourceLocation
from kpolicy.manifests.model import Rendered
from kpolicy.rendering.gitops.substitution import substituted
from kpolicy.rendering.jobs import Failure, KustomizeJob, Output
from kpolicy.rendering.kustomizations import Closure, closure_of, kustomization_in
from kpolicy.rendering.origins import Origin, take_origins
from kpolicy.rendering.programs import Failed, Programs
from kpolicy.rendering.reading import mapping_in, strings
from kpolicy.rendering.scratch import Scratch
from kpolicy.rendering.tree import FileTree, Unreadable, join

__all__ = ["build_overlay"]

_ORIGINS = "originAnnotations"


def build_overlay(
    job: KustomizeJob, tree: FileTree, root: Path, programs: Programs, unrestricted: bool
) -> Output | Failure:
    """Build an overlay in the empty directory `root`."""
    body = _body_of(job, tree)
    closure = closure_of(tree, job.directory, body)
    if closure.problems:
        return Failure(tuple(closure.problems))
    scratch = Scratch(root, tree)
    try:
        scratch.copy(closure.read)
    except Unreadable as error:
        return Failure.at(SourceLocation(tree.shown(error.name)), str(error))
    outermost = closure.kustomizations[0]
    own = _ORIGINS in strings(outermost.body.get("buildMetadata"))
    data = scratch.read(outermost.file) if body is None else None
    scratch.write(outermost.file, with_origins(outermost.body, data))
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
    if job.substitutes:
        text = written.decode("utf-8", "surrogateescape")
        text = substituted(text, job.substitute, job.substitutes_all)
        written = text.encode("utf-8", "surrogateescape")
    return Output(
        written, _rendered(job, tree, scratch, closure, origins), frozenset(closure.taken)
    )


def _body_of(job: KustomizeJob, tree: FileTree) -> FrozenDict | None:
    """Return what the kustomization is to be; None where it is what stands there."""
    if not job.changes and not job.generated:
        return None
    found = kustomization_in(tree, job.directory)
    body = found.body if found is not None else generated_body(tree, job.directory)
    changed: FrozenDict = freeze({**body, **job.changes})
    return changed


def generated_body(tree: FileTree, directory: str) -> FrozenDict:
    """Return the kustomization that Flux makes for a directory without one.

    It takes in every manifest below; a directory with a kustomization of its own as a whole.
    """
    resources = []
    ahead = [directory]
    while ahead:
        here = ahead.pop()
        for entry in tree.names_in(here):
            name = f"{here}/{entry}" if here else entry
            if entry.startswith("."):
                continue
            reference = name[len(directory) :].lstrip("/")
            if tree.kind(name) == "directory":
                if kustomization_in(tree, name) is not None:
                    resources.append(reference)
                else:
                    ahead.append(name)
            elif entry.endswith((".yaml", ".yml")) and _is_manifest(tree, name):
                resources.append(reference)
    made: FrozenDict = freeze({"resources": sorted(resources)})
    return made


def _is_manifest(tree: FileTree, name: str) -> bool:
    body = mapping_in(tree, name)
    return body is not None and bool(body.get("apiVersion")) and bool(body.get("kind"))


def with_origins(body: FrozenDict, data: bytes | None) -> bytes:
    """Return a kustomization that asks for origins; `data` is its text, None where it has none.

    The text stays as it is where that is possible, so that Kustomize's own words fit it.
    """
    metadata = list(strings(body.get("buildMetadata")))
    if data is not None and not body:
        # It cannot be read, or holds nothing: Kustomize says so better than anyone.
        return data
    if _ORIGINS not in metadata:
        metadata.append(_ORIGINS)
    if data is not None and "buildMetadata" not in body and _can_be_added_to(body, data):
        return data.rstrip() + f"\nbuildMetadata: [{_ORIGINS}]\n".encode()
    return json.dumps({**thaw(body), "buildMetadata": metadata}).encode()


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
