"""All policies that could run, and the choice among them."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from kpolicy.errors import PolicyError, Problem
from kpolicy.location import SourceLocation
from kpolicy.policy.archives import MAX_ARCHIVE, ArchiveError, is_archive, policy_texts
from kpolicy.policy.formats import Part, PolicyFormat
from kpolicy.policy.model import Policy
from kpolicy.policy.packs import Defaults, PolicyPack, is_policy_file, is_policy_folder
from kpolicy.records import dataclass
from kpolicy.strict.suggest import did_you_mean

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from kpolicy.relations.declared import RelationDeclaration


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """The text of a policy file, with what its surroundings decide."""

    path: str
    text: str
    defaults: Defaults = field(default_factory=Defaults)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Policies by id, in the order in which they were found, and what is wrong with the rest."""

    policies: Mapping[str, Policy] = field(default_factory=lambda: MappingProxyType({}))
    problems: tuple[Problem, ...] = ()
    texts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Text of each policy file by shown path, for excerpts in messages."""
    relations: tuple[RelationDeclaration, ...] = ()
    """Relations declared in policy files."""
    drafts: tuple[Policy, ...] = ()
    """Policies with problems (see `Loaded.drafts`)."""
    mutating: tuple[Policy, ...] = ()
    """Policies that change objects (see `Loaded.mutating`)."""
    stored: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    """What compiling gave earlier, by id, where a cache had it (see `kpolicy.policy.stored`)."""
    key: str = ""
    """The cache's key of this set of files; "" = not cached."""
    notes: tuple[str, ...] = ()
    """What is to be said of documents that are no policies of a gate; such a set is not cached."""

    @property
    def packs(self) -> tuple[str, ...]:
        """The names of all packs that have a policy, sorted."""
        return tuple(sorted({p.pack for p in self.policies.values() if p.pack}))

    def matching(self, pattern: str) -> list[str]:
        """Return the ids that an id or glob means."""
        if pattern in self.policies:
            return [pattern]
        if any(c in pattern for c in "*?["):
            return [id_ for id_ in self.policies if fnmatch.fnmatchcase(id_, pattern)]
        return []

    def is_broken(self, pattern: str) -> bool:
        """Return whether an id or glob means only policies that could not be loaded."""
        return any(fnmatch.fnmatchcase(draft.id, pattern) for draft in self.drafts)

    def unknown(self, pattern: str) -> str:
        """Return the hint for an id that is none."""
        if pattern in self.packs:
            return f'"{pattern}" is a pack: --pack {pattern}'
        near = did_you_mean(pattern, self.policies)
        return near or "`kpolicy policies list` shows the ids"

    def unknown_pack(self, pattern: str) -> str:
        """Return the hint for a pack that is none."""
        if pattern in self.policies:
            return f'"{pattern}" is a policy: --include {pattern}'
        return did_you_mean(pattern, self.packs) or f"packs: {', '.join(self.packs) or 'none'}"


def read_pack(pack: PolicyPack) -> Iterator[PolicyFile]:
    """Yield the policy files of a pack, folders inside it included, sorted by path.

    Raises `OSError`, `UnicodeDecodeError` or `ArchiveError`.
    """
    defaults = Defaults(pack=pack.name, plugin=pack.plugin)
    root = pack.directory
    prefix = shown(root) if isinstance(root, Path) else pack.name
    if isinstance(root, Path) and is_archive(root.name) and not root.is_dir():
        yield from _in_archive(prefix, root.read_bytes(), defaults)
    else:
        yield from _read_tree(root, prefix, defaults)


def _read_tree(root: Path | Traversable, prefix: str, defaults: Defaults) -> Iterator[PolicyFile]:
    for child in sorted(root.iterdir(), key=lambda c: c.name):
        path = f"{prefix}/{child.name}"
        if child.is_dir():
            if is_policy_folder(child.name):
                yield from _read_tree(child, path, defaults)
        elif is_policy_file(child.name):
            yield PolicyFile(path, child.read_text(encoding="utf-8"), defaults)


@dataclass(frozen=True, slots=True)
class Pin:
    """The checksum that a file of policies must have, and where that is written."""

    sha256: str
    location: SourceLocation | None = None


def read_paths(
    paths: Iterable[str], pins: Mapping[str, Pin] = MappingProxyType({})
) -> tuple[list[PolicyFile], list[Problem]]:
    """Return the policy files that paths name (`-p`): files, directories and archives.

    Their policies run unless they say `default: false`. What `pins` has a checksum for, by path,
    is read only where it has that checksum.
    """
    files: list[PolicyFile] = []
    problems: list[Problem] = []
    for given in paths:
        try:
            files.extend(_read_path(given, pins.get(given)))
        except UnicodeDecodeError:
            problems.append(Problem("not UTF-8 text", SourceLocation(given)))
        except OSError as error:
            problems.append(Problem(f"cannot be read: {error.strerror}", SourceLocation(given)))
        except ArchiveError as error:
            problems.append(Problem(f"cannot be read: {error}", SourceLocation(given)))
        except PolicyError as error:
            problems.extend(error.problems)
    return files, problems


def _read_path(given: str, pin: Pin | None) -> list[PolicyFile]:
    """Return the policy files of one path. Raises `PolicyError` and what reading raises."""
    path = Path(given)
    defaults = Defaults(default=True)
    if path.is_dir():
        if pin is not None:
            hint = "pin a file: a zip, tar or tar.gz archive, or one policy file"
            raise PolicyError(Problem(f"{shown(path)} is a directory", pin.location, hint))
        found = list(_read_tree(path, shown(path), defaults))
        if not found:
            at = SourceLocation(given)
            raise PolicyError(Problem("the directory holds no policy files", at))
        return found
    archive = is_archive(path.name)
    if archive and path.stat().st_size > MAX_ARCHIVE:
        raise ArchiveError(f"larger than {MAX_ARCHIVE >> 20} MiB")
    data = path.read_bytes()
    if pin is not None:
        _check(path, data, pin)
    if not archive:
        # Line ends as `Path.read_text` has them.
        text = data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
        return [PolicyFile(shown(path), text, defaults)]
    found = list(_in_archive(shown(path), data, defaults))
    if not found:
        raise PolicyError(Problem("the archive holds no policy files", SourceLocation(given)))
    return found


def _check(path: Path, data: bytes, pin: Pin) -> None:
    """Raise `PolicyError` where a file is not the one that was pinned."""
    import hashlib

    actual = hashlib.sha256(data).hexdigest()
    if actual != pin.sha256.lower():
        raise PolicyError(
            Problem(
                f"{shown(path)} is not the file that was pinned, and is not read:"
                f" its sha256 is {actual}, expected {pin.sha256.lower()}",
                pin.location,
                "fetch the right file or, where the change is wanted, write its sha256 here",
            )
        )


def _in_archive(prefix: str, data: bytes, defaults: Defaults) -> Iterator[PolicyFile]:
    for path, text in policy_texts(prefix, data):
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        yield PolicyFile(f"{prefix}/{path}", text, defaults)


def shown(path: Path) -> str:
    """Return a path as shown to the user: relative to the working directory where below it."""
    absolute = path.absolute()
    try:
        return absolute.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()


def _at_home(policies: Iterable[Policy], defaults: Mapping[str, Defaults]) -> Iterator[Policy]:
    """Yield policies made of several documents, settled by the file in which they stand."""
    from kpolicy.policy.loader import settle

    for policy in policies:
        path = policy.location.path if policy.location is not None else ""
        yield settle(policy, defaults.get(path, Defaults()))


def build(
    files: Iterable[PolicyFile],
    python: Iterable[Policy],
    formats: Sequence[PolicyFormat],
    problems: Iterable[Problem] = (),
) -> Catalogue:
    """Return the catalogue of all policies in `files` and those made in Python."""
    from kpolicy.policy.loader import duplicates, load_file

    found: list[Policy] = []
    wrong = list(problems)
    texts: dict[str, str] = {}
    relations: list[RelationDeclaration] = []
    drafts: list[Policy] = []
    mutating: list[Policy] = []
    parts: list[Part] = []
    defaults: dict[str, Defaults] = {}
    for file in files:
        texts[file.path] = file.text
        defaults[file.path] = file.defaults
        loaded = load_file(file.path, file.text, formats, file.defaults)
        found.extend(loaded.policies)
        wrong.extend(loaded.problems)
        relations.extend(loaded.relations)
        drafts.extend(loaded.drafts)
        mutating.extend(loaded.mutating)
        parts.extend(loaded.parts)
    for format_ in formats if parts else ():
        own = [part for part in parts if part.kind == format_.name]
        if format_.assemble is not None and own:
            made = format_.assemble(own)
            found.extend(_at_home(made.policies, defaults))
            wrong.extend(made.problems)
            drafts.extend(made.drafts)
            parts.extend(made.parts)
    notes = [part.data["text"] for part in parts if part.kind == "note"]
    if parts:
        from kpolicy.policy.vap_parts import assemble, bystanders

        found, wrong = assemble(found, parts, wrong)
        mutating, wrong = assemble(mutating, parts, wrong, "map-binding")
        if mutating or any("vap" in policy.metadata for policy in found):
            unused, wrong = bystanders(parts, wrong)
            notes += unused
    found.extend(python)
    wrong.extend(p for p in duplicates(found) if p not in wrong)
    by_id: dict[str, Policy] = {}
    for policy in found:
        by_id.setdefault(policy.id, policy)
    return Catalogue(
        MappingProxyType(by_id),
        tuple(wrong),
        MappingProxyType(texts),
        tuple(relations),
        tuple(drafts),
        tuple(mutating),
        notes=tuple(notes),
    )
