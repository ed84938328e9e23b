"""Manifests of another revision, read from git's object store without touching the work tree."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import field
from posixpath import dirname, normpath

from kpolicy.errors import ManifestError, Problem, UsageError
from kpolicy.location import SourceLocation
from kpolicy.manifests.charts import set_templates_aside
from kpolicy.manifests.files import LEAVES_THE_TREE, is_manifest_name
from kpolicy.manifests.hidden import is_hidden, may_be_kubernetes
from kpolicy.manifests.loader import too_large
from kpolicy.manifests.model import Discovery, Invalid, ManifestFile, SourceOptions
from kpolicy.manifests.paths import Excludes, excludes, shown_path
from kpolicy.records import dataclass

__all__ = [
    "SYMLINK",
    "RevisionFiles",
    "discover_revision",
    "files_of_revision",
    "read_revision",
    "repository_root",
]

_SECONDS = 120
SYMLINK = "120000"

#: Variables with which a hook tells git where it runs; here `-C` does.
_HOOK_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")


def _git(root: str, *arguments: str, stdin: bytes | None = None) -> bytes:
    """Return what a git command writes; raises `UsageError` or `ManifestError`, never hangs."""
    environment = {k: v for k, v in os.environ.items() if k not in _HOOK_VARIABLES}
    environment.update(
        GIT_OPTIONAL_LOCKS="0", GIT_TERMINAL_PROMPT="0", GIT_NO_LAZY_FETCH="1", LC_ALL="C"
    )
    command = ["git", "-C", root, "--no-pager", "--no-replace-objects", "--literal-pathspecs"]
    # A scanned repository's own configuration must start no program.
    command += ["-c", "core.fsmonitor=false", *arguments]
    try:
        done = subprocess.run(
            command, input=stdin or b"", capture_output=True, env=environment, timeout=_SECONDS
        )
    except FileNotFoundError:
        if not os.path.isdir(root):  # noqa: PTH112
            raise UsageError(Problem(f"{root} is no directory", hint=_GIVE_PATH)) from None
        raise UsageError(
            Problem("git is not installed, so a revision cannot be read", hint=_GIVE_PATH)
        ) from None
    except subprocess.TimeoutExpired:
        raise ManifestError(
            Problem(f"git {arguments[0]} took longer than {_SECONDS} s", hint=_GIVE_PATH)
        ) from None
    if done.returncode:
        raise _GitFailed(done.stderr.decode(errors="replace").strip())
    return done.stdout


_GIVE_PATH = "give the base as a directory instead: --base PATH"


class _GitFailed(Exception):
    """git's own error message."""


def repository_root(path: str) -> str:
    """Return the root of the git work tree around the directory `path`.

    Raises `UsageError` when there is none, or git is not installed.
    """
    try:
        return os.fsdecode(_git(path, "rev-parse", "--show-toplevel").rstrip(b"\n"))
    except _GitFailed as error:
        raise UsageError(
            Problem(f"{path} is not inside a git repository ({error})", hint=_GIVE_PATH)
        ) from None


def tracked(directory: str, paths: Sequence[str]) -> list[str]:
    """Return the files that git tracks at or below `paths`, all in `directory` without any.

    Paths start from `directory`. Raises `UsageError` or `ManifestError`.
    """
    try:
        listing = _git(directory, "ls-files", "-z", "--cached", "--", *paths)
    except _GitFailed as error:
        raise ManifestError(Problem(f"git: {error}")) from None
    return [os.fsdecode(name) for name in listing.split(b"\0") if name]


def _commit(root: str, revision: str) -> str:
    try:
        found = _git(
            root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
        )
    except _GitFailed as error:
        detail = f" ({error})" if str(error) else ""
        raise UsageError(
            Problem(
                f"git knows no revision {revision!r} in {root}{detail}",
                hint="check the spelling; in CI, fetch it first (a shallow clone has no history)",
            )
        ) from None
    return found.decode().strip()


@dataclass(frozen=True, slots=True)
class Blob:
    """One file of a commit."""

    mode: str
    sha: str
    size: int


@dataclass(slots=True)
class RevisionFiles:
    """The files of one commit, by their path from the repository root."""

    root: str
    blobs: dict[str, Blob]
    contents: dict[str, bytes | None] = field(default_factory=dict)

    @classmethod
    def of(cls, root: str, commit: str) -> RevisionFiles:
        """Return the files of a commit of the repository at `root`."""
        listing = _git(root, "ls-tree", "-r", "-l", "-z", "--full-tree", commit)
        blobs = {}
        for entry in listing.split(b"\0"):
            if entry:
                facts, _, name = entry.partition(b"\t")
                mode, kind, sha, size = facts.decode().split()
                if kind == "blob":
                    blobs[os.fsdecode(name)] = Blob(mode, sha, int(size) if size != "-" else 0)
        return cls(root, blobs)

    def fetch(self, names: Sequence[str]) -> None:
        """Read the contents of `names`; None for one that the clone does not have."""
        wanted = sorted({self.blobs[name].sha for name in names} - self.contents.keys())
        if not wanted:
            return
        out = _git(self.root, "cat-file", "--batch", stdin="\n".join(wanted).encode() + b"\n")
        at = 0
        for sha in wanted:
            end = out.index(b"\n", at)
            header = out[at:end].split()
            if len(header) < 3 or header[1] != b"blob":
                self.contents[sha] = None
                at = end + 1
                continue
            size = int(header[2])
            self.contents[sha] = out[end + 1 : end + 1 + size]
            at = end + 2 + size

    def content(self, name: str) -> bytes | None:
        """Return what was fetched of a file."""
        return self.contents[self.blobs[name].sha]


def discover_revision(
    repository: str,
    revision: str,
    targets: Sequence[str],
    options: SourceOptions | None = None,
) -> Discovery:
    """Return the manifests that `targets` had in `revision`, with their bytes in `data`.

    `repository` is a directory in the work tree; targets are paths as given for the head, and the
    files are shown under the same paths as there. A target that the revision does not have yields
    nothing. Raises `UsageError` for an unknown revision, a target outside the repository, or
    without git or a repository, and `ManifestError` when git fails.
    """
    options = options or SourceOptions()
    root = repository_root(repository)
    commit = _commit(root, revision)
    try:
        return _read(RevisionFiles.of(root, commit), targets, options)
    except _GitFailed as error:
        raise ManifestError(f"git could not read {revision}: {error}") from None


def files_of_revision(repository: str, revision: str) -> RevisionFiles:
    """Return the files of a revision of the repository around a directory.

    Raises `UsageError` for an unknown revision or without git or a repository, and `ManifestError`
    when git fails.
    """
    root = repository_root(repository)
    try:
        return RevisionFiles.of(root, _commit(root, revision))
    except _GitFailed as error:
        raise ManifestError(f"git could not read {revision}: {error}") from None


def read_revision(repository: str, revision: str, path: str) -> bytes | None:
    """Return what the file at `path` held in `revision`, None where there was none.

    A path outside the repository is None too. Raises `UsageError` for an unknown revision or
    without git or a repository, and `ManifestError` when git fails.
    """
    root = repository_root(repository)
    commit = _commit(root, revision)
    real_root = os.path.realpath(root)
    real = os.path.realpath(path)
    if not real.startswith(real_root.rstrip(os.sep) + os.sep):
        return None
    name = os.path.relpath(real, real_root).replace(os.sep, "/")
    try:
        return _git(root, "cat-file", "blob", f"{commit}:{name}")
    except _GitFailed:
        return None


def _read(tree: RevisionFiles, targets: Sequence[str], options: SourceOptions) -> Discovery:
    excluded = excludes(options.exclude)
    cwd = os.getcwd()  # noqa: PTH109
    chosen: dict[str, str] = {}
    invalid: dict[Invalid, None] = {}
    links: list[tuple[str, str, str]] = []
    hidden: dict[str, str] = {}
    for target in targets:
        prefix = _inside(tree.root, target, cwd)
        for name in tree.blobs:
            relative = _relative(name, prefix)
            if relative is None or not _is_wanted(relative, excluded):
                continue
            shown = shown_path(os.path.join(target, relative) if relative else target, cwd)  # noqa: PTH118
            if relative and is_hidden(relative):
                if tree.blobs[name].mode != SYMLINK:
                    hidden.setdefault(name, shown)
            elif tree.blobs[name].mode == SYMLINK:
                links.append((name, shown, target))
            else:
                chosen.setdefault(name, shown)
    _follow(tree, links, chosen, invalid)
    hidden = {name: shown for name, shown in hidden.items() if name not in chosen}
    chosen.update(hidden)

    limit = options.limits.file_bytes
    readable = []
    for name, shown in chosen.items():
        size = tree.blobs[name].size
        if size > limit:
            message = too_large(size, options.limits)
            invalid[Invalid(SourceLocation(shown), message)] = None
        else:
            readable.append(name)
    tree.fetch(readable)
    files = []
    for name in readable:
        data = tree.content(name)
        if data is None:
            message = "its content is not in this clone; fetch it (a partial clone leaves it out)"
            invalid[Invalid(SourceLocation(chosen[name]), message)] = None
        elif name in hidden and not may_be_kubernetes(name, data):
            continue
        else:
            files.append(ManifestFile(chosen[name], name, len(data), data))
    files.sort(key=lambda file: file.path.split("/"))
    if options.keep_templates:
        return Discovery(tuple(files), tuple(invalid))
    kept, skipped, notes = set_templates_aside(files, options.limits, tree.blobs.__contains__)
    return Discovery(kept, tuple(invalid), skipped, notes)


def _inside(root: str, target: str, cwd: str) -> str:
    """Return the path of `target` from the repository root, "" for the root itself."""
    if target == "-":
        raise UsageError(Problem("standard input has no base revision", hint=_GIVE_PATH))
    # The target may be gone from the work tree: resolve what is above it.
    absolute = os.path.join(cwd, target)  # noqa: PTH118
    real = os.path.realpath(absolute)
    real_root = os.path.realpath(root)
    if real == real_root:
        return ""
    if not real.startswith(real_root.rstrip(os.sep) + os.sep):
        raise UsageError(Problem(f"{target} is outside the git repository {root}", hint=_GIVE_PATH))
    return real[len(real_root.rstrip(os.sep)) + 1 :].replace(os.sep, "/")


def _relative(name: str, prefix: str) -> str | None:
    """Return `name` from `prefix`: "" if it is that very file, None if it is elsewhere."""
    if not prefix:
        return name
    if name == prefix:
        return ""
    return name[len(prefix) + 1 :] if name.startswith(prefix + "/") else None


def _is_wanted(relative: str, excluded: Excludes) -> bool:
    """Return whether a walk of the work tree would read this file, or it was named."""
    if not relative:
        return True
    if not is_manifest_name(relative):
        return False
    return not (excluded and excluded.covers(relative))


def _follow(
    tree: RevisionFiles,
    links: Sequence[tuple[str, str, str]],
    chosen: dict[str, str],
    invalid: dict[Invalid, None],
) -> None:
    """Add what symbolic links to files lead to, where that is in the tree and not yet chosen."""
    tree.fetch([name for name, _, _ in links])
    for name, shown, _ in sorted(links):
        here = name
        for _ in range(40):
            content = tree.content(here)
            goal = os.fsdecode(content or b"")
            here = normpath(f"{dirname(here)}/{goal}" if dirname(here) else goal)
            if goal.startswith("/") or here.startswith("../") or here not in tree.blobs:
                break
            if tree.blobs[here].mode != SYMLINK:
                chosen.setdefault(here, shown)
                break
            tree.fetch([here])
        else:
            goal = ""
        if goal.startswith("/") or here.startswith("../"):
            invalid[Invalid(SourceLocation(shown), LEAVES_THE_TREE)] = None
