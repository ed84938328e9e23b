"""Kustomizations among the files of a tree, and all that building one reads.

Fields as in kustomize's reference of the kustomization file (v1beta1, with its older names).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from posixpath import dirname
from typing import Any

from kpolicy.frozen import FrozenDict
from kpolicy.location import SourceLocation
from kpolicy.manifests.model import Invalid
from kpolicy.manifests.paths import KUSTOMIZATIONS, is_kustomization
from kpolicy.records import dataclass
from kpolicy.rendering.reading import mapping_in, mappings, maps, strings, text
from kpolicy.rendering.tree import FileTree, Unreadable, join

__all__ = ["Closure", "Kustomization", "closure_of", "kustomization_in", "overlays_among"]

_GROUP = "kustomize.config.k8s.io/"

#: Lists of files, directories or (where a line break is in them) inline YAML.
_TAKEN = ("resources", "bases", "components", "patchesStrategicMerge")
_PLUGINS = ("generators", "transformers", "validators")
_READ = ("crds", "configurations")
#: Lists of mappings with a `path`.
_WITH_PATH = ("patches", "patchesJson6902", "replacements")
_GENERATORS = ("configMapGenerator", "secretGenerator")
_CHARTS = ("helmCharts", "helmChartInflationGenerator")

_REMOTE = re.compile(
    r"\w+://|git@|git::|gh:|github\.com[/:]|.*[?&](?:ref|version)=|[\w-]+(?:\.[\w-]+)+(?::\d+)?[/:]"
)


@dataclass(frozen=True, slots=True)
class Kustomization:
    """A directory that Kustomize can build."""

    directory: str
    file: str
    body: FrozenDict

    @property
    def is_component(self) -> bool:
        """Whether it only changes what others take in (`kind: Component`)."""
        return self.body.get("kind") == "Component"


@dataclass(slots=True)
class Closure:
    """All that building a directory reads."""

    kustomizations: list[Kustomization] = field(default_factory=list)
    """The outermost first."""
    read: dict[str, None] = field(default_factory=dict)
    """Every file."""
    taken: set[str] = field(default_factory=set)
    """Those that stand in the output, or are no manifests for themselves (patches)."""
    patches: list[str] = field(default_factory=list)
    """Patch files, and the kustomizations they stand in, the outermost first."""
    problems: list[Invalid] = field(default_factory=list)
    """Why it cannot be built here."""


def kustomization_in(tree: FileTree, directory: str) -> Kustomization | None:
    """Return the kustomization in a directory; None where there is none.

    One that cannot be read has an empty body: Kustomize will say what is wrong.
    """
    for base in KUSTOMIZATIONS:
        name = f"{directory}/{base}" if directory else base
        if tree.kind(name) == "file":
            body = mapping_in(tree, name)
            if body is None:
                return Kustomization(directory, name, FrozenDict())
            version = text(body.get("apiVersion"))
            if version and not version.startswith(_GROUP):
                return None  # Flux calls a resource of its own so, too
            return Kustomization(directory, name, body)
    return None


def kustomized(names: Iterable[str]) -> dict[str, None]:
    """Return the directories of the kustomizations among files, in their order."""
    return dict.fromkeys(dirname(n) for n in names if is_kustomization(n))


def overlays_among(tree: FileTree, names: Iterable[str], followed: Iterable[str] = ()) -> list[str]:
    """Return the directories among files that are built for themselves.

    A base or component that another one takes in is none of them; nor is a component that nobody
    does: it can only be built with what it changes. `followed` directories are built anyway.
    """
    directories = kustomized(names)
    found = {d: k for d in directories if (k := kustomization_in(tree, d)) is not None}
    referred = {
        inner
        for directory in dict.fromkeys((*found, *followed))
        for inner in _directories_of(tree, directory)
    }
    roots = [d for d, k in found.items() if not k.is_component and d not in referred]
    reached = {k.directory for root in roots for k in closure_of(tree, root).kustomizations}
    for directory, kustomization in found.items():
        # Only those that take each other in are left: Kustomize says what is wrong with that.
        if kustomization.is_component or directory in reached or directory in followed:
            continue
        if not any(directory in _reach(tree, other) for other in followed):
            roots.append(directory)
            reached |= _reach(tree, directory)
    return [root for root in roots if root not in followed]


def _reach(tree: FileTree, directory: str) -> set[str]:
    return {k.directory for k in closure_of(tree, directory).kustomizations}


def _directories_of(tree: FileTree, directory: str) -> Iterator[str]:
    """Yield the directories that a kustomization names."""
    kustomization = kustomization_in(tree, directory)
    if kustomization is None:
        return
    for key in (*_TAKEN, *_PLUGINS):
        for reference in strings(kustomization.body.get(key)):
            name = join(directory, reference) if "\n" not in reference else None
            if name is not None and name != directory and tree.kind(name) == "directory":
                yield name


def closure_of(tree: FileTree, directory: str, body: FrozenDict | None = None) -> Closure:
    """Return all that building a directory of the tree reads.

    `body` is what the directory's kustomization is to be, where that is not what stands there.
    """
    closure = Closure()
    _Walk(tree, closure).directory(directory, body)
    return closure


class _Walk:
    """Follows references from kustomization to kustomization."""

    def __init__(self, tree: FileTree, closure: Closure) -> None:
        self.tree = tree
        self.closure = closure
        self.here = Kustomization("", "", FrozenDict())
        self.seen: set[str] = set()

    def directory(self, directory: str, body: FrozenDict | None = None) -> None:
        """Add a directory with a kustomization and what it takes in."""
        if directory in self.seen:
            return
        self.seen.add(directory)
        found = kustomization_in(self.tree, directory)
        if found is not None:
            self.closure.read[found.file] = None
            self.closure.taken.add(found.file)
        if body is not None:
            name = f"{directory}/{KUSTOMIZATIONS[0]}" if directory else KUSTOMIZATIONS[0]
            found = Kustomization(directory, found.file if found is not None else name, body)
        if found is None:
            return
        self.closure.kustomizations.append(found)
        before, self.here = self.here, found
        self.kustomization(found.body)
        self.here = before

    def kustomization(self, body: FrozenDict) -> None:
        patches = [r for r in strings(body.get("patchesStrategicMerge")) if "\n" not in r]
        for key in _WITH_PATH:
            paths = [text(part.get("path")) for part in maps(body.get(key)) if part.get("path")]
            for path in paths:
                self.reference(path, key, taken=True)
            if key != "replacements":
                patches += paths
        names = (join(self.here.directory, patch) for patch in patches)
        self.closure.patches += [name for name in names if name is not None]
        if self.here.file in self.closure.read:
            self.closure.patches.append(self.here.file)
        for key in (*_TAKEN, *_READ):
            for reference in strings(body.get(key)):
                self.reference(reference, key, taken=key in _TAKEN)
        for key in _PLUGINS:
            for reference in strings(body.get(key)):
                self.plugin(reference, key)
        for key in _GENERATORS:
            for part in maps(body.get(key)):
                self.generator(part, key)
        openapi = body.get("openapi")
        if isinstance(openapi, dict) and text(openapi.get("path")):
            self.reference(text(openapi.get("path")), "openapi")
        for key in _CHARTS:
            if body.get(key):
                self.problem(
                    f"{key} is not rendered: charts in a kustomization are run by a program that "
                    "downloads them; render the chart into a file, or exclude this overlay"
                )

    def generator(self, part: Mapping[str, Any], key: str) -> None:
        files = [f.rpartition("=")[2] for f in strings(part.get("files"))]
        for reference in (*files, *strings(part.get("envs")), text(part.get("env"))):
            if reference:
                self.reference(reference, key, taken=True)

    def plugin(self, reference: str, key: str) -> None:
        """Add the configuration of a generator or transformer, and the files that it names."""
        self.reference(reference, key, taken=True)
        name = join(self.here.directory, reference)
        bodies: list[FrozenDict] = []
        if "\n" in reference:
            bodies = mappings(reference.encode())
        elif name is not None and self.tree.kind(name) == "file":
            try:
                bodies = mappings(self.tree.read(name))
            except Unreadable:
                return
        for body in bodies:
            self.generator(body, key)
            for path in (text(body.get("path")), *strings(body.get("paths"))):
                if path and "\n" not in path:
                    self.reference(path, key, taken=True, must_be=False)

    def reference(
        self, reference: str, key: str, taken: bool = False, must_be: bool = True
    ) -> None:
        """Add what a reference leads to, or why it must not be followed.

        `must_be` = it can be nothing but a reference, so that something has to be there.
        """
        if "\n" in reference:
            return
        tree = self.tree
        name = join(self.here.directory, reference)
        kind = tree.kind(name) if name is not None else ""
        if kind == "" and _REMOTE.match(reference):
            self.problem(
                f'{key} names "{reference}", which is not here, and nothing is downloaded; '
                "copy it into the repository"
            )
            return
        if name is None:
            self.problem(
                f'{key} names "{reference}", which leaves the scanned tree; '
                "scan a directory (or a git repository) that holds both",
                reference,
            )
            return
        if not kind and must_be:
            self.problem(f'{key} names "{reference}", which is not there', reference)
            return
        try:
            if kind:
                tree.identity(name)
        except Unreadable as error:
            self.closure.problems.append(Invalid(SourceLocation(tree.shown(name)), str(error)))
            return
        if kind == "directory":
            self.directory(name)
        elif kind == "file":
            self.closure.read[name] = None
            if taken:
                self.closure.taken.add(name)

    def problem(self, message: str, reference: str = "") -> None:
        """Note a problem at the first line of the kustomization that holds the reference."""
        name = self.here.file
        is_there = reference and name in self.closure.read
        lines = self.tree.read(name).decode("utf-8", "replace").split("\n") if is_there else []
        number = next((n for n, line in enumerate(lines, 1) if reference in line), 0)
        column = lines[number - 1].index(reference) + 1 if number else 0
        at = SourceLocation(self.tree.shown(name), number, column)
        self.closure.problems.append(Invalid(at, message))
