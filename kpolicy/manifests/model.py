"""What sources yield: files to read, and what was read in them. Plain picklable data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Literal, Protocol, runtime_checkable

from kpolicy.frozen import FrozenDict
from kpolicy.location import SourceLocation
from kpolicy.records import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on hostile input; each gives an `Invalid` with a clear message when exceeded."""

    file_bytes: int = 32 * 1024 * 1024
    depth: int = 200
    alias_nodes: int = 200_000
    """How many nodes aliases of one document may expand to in all."""


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One file to load. `data` is set when its bytes do not come from the disk (stdin, git)."""

    path: str
    """As shown to the user."""
    filename: str = ""
    """Where to read it; unused when `data` is set."""
    size: int = 0
    data: bytes | None = None
    scope: str = ""
    """The scope its resources resolve relations in; "" = the whole input."""
    namespace: str = ""
    """Where resources that name no namespace are applied to; "" = unknown."""
    rendered: Rendered | None = None
    """How the text came to be, where a program wrote it."""
    numbers: tuple[int, ...] = ()
    """Size, times of change of content and inode (nanoseconds), and inode, as they were when the
    file was found; () = not asked for."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """How the text of a `ManifestFile` came to be: what findings in it are traced back by."""

    program: Literal["helm", "kustomize"]
    subject: str
    """The directory that was rendered, as shown to the user."""
    label: str
    """What tells this rendering from others of the same directory; "" where it is the only one."""
    entry: str
    """The file where that begins: Chart.yaml, kustomization.yaml."""
    origins: tuple[tuple[str, str], ...] = ()
    """(path of the file, what the program called it) for each document of the text."""
    texts: Mapping[str, bytes] = field(default_factory=dict)
    """What those files, and `patches`, hold."""
    patches: tuple[str, ...] = ()
    """Files that may have changed what stands in an origin, the last to do so first."""


@dataclass(frozen=True, slots=True)
class DocumentProblem:
    """Something wrong in a document that was still read (a duplicate key): becomes a finding."""

    kind: str
    message: str
    line: int
    column: int
    pointer: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """One Kubernetes object as read: items of a List are documents of their own."""

    body: FrozenDict
    path: str
    index: int
    """Number of the YAML document in its file, from 0."""
    pointer: str = ""
    """JSON pointer of the object inside that YAML document (`/items/3` for an item of a List)."""
    scope: str = ""
    problems: tuple[DocumentProblem, ...] = ()
    whole: FrozenDict | None = None
    """The `v1` List that the object is an item of, where it is one; empty where a key stands twice
    in it."""
    namespace: str = ""
    """Where the object is applied to if it names no namespace itself; "" = unknown."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """An input that could not be read: listed under `invalid` in the report."""

    location: SourceLocation
    message: str
    kinds: tuple[str, ...] = ()
    """The kinds of which it would have held objects, where that is known without its text."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or document left out on purpose; `reason` is a key of `summary.skipped`."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something the user should know that is neither a finding nor an error."""

    message: str
    location: SourceLocation | None = None
    detail: bool = False
    """Whether it is said only to who asks for more (`--verbose`)."""


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """All that came out of one `ManifestFile`."""

    path: str
    documents: tuple[Document, ...] = ()
    invalid: tuple[Invalid, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[Note, ...] = ()
    plain: frozenset[int] = frozenset()
    """The documents, by number, whose lines tell where everything stands (see `block_places`)."""
    commented: bool = True
    """Whether it may hold comments that suppress something; False is for sure."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a source found under one target."""

    files: tuple[ManifestFile, ...] = ()
    invalid: tuple[Invalid, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[Note, ...] = ()
    began: int = 0
    """When the first file was looked for, in nanoseconds since the epoch; 0 = unknown."""


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What every source is told."""

    limits: Limits = field(default_factory=Limits)
    exclude: tuple[str, ...] = ()
    """Globs (gitignore style, relative to the target) of paths left out."""
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    keep_templates: bool = False
    """Whether the templates of charts are among the files: for who renders them, or sets them aside
    afterwards (`set_templates_aside`)."""


@runtime_checkable
class Source(Protocol):
    """A place that manifests come from. The first source that accepts a target gets it."""

    @property
    def name(self) -> str:
        """What it is called in messages and in the configuration."""
        ...

    def accepts(self, target: str) -> bool:
        """Return whether this source reads `target` (a path, `-`, ...) ."""
        ...

    def discover(self, target: str, options: SourceOptions) -> Discovery:
        """Return the files under `target`; reads no file content unless it has to (stdin)."""
        ...
