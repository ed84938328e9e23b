"""The source of files and directories."""

# pathlib costs too much for tens of thousands of entries.
# ruff: noqa: PTH109, PTH116, PTH118

from __future__ import annotations

import errno
import os
import stat

from kpolicy.location import SourceLocation
from kpolicy.manifests.charts import set_templates_aside
from kpolicy.manifests.loader import read_bytes, refusal
from kpolicy.manifests.model import (
    Discovery,
    Invalid,
    ManifestFile,
    Note,
    SourceOptions,
)
from kpolicy.manifests.paths import excludes, printable, shown_path, tree_root

__all__ = ["FileSource", "is_manifest_name", "is_visited_name"]

#: The third name that Kustomize gives its file, the only one without an extension.
_KUSTOMIZATION = "Kustomization"
_EXTENSIONS = (".yaml", ".yml", ".json")
LEAVES_THE_TREE = (
    "this symbolic link leaves the scanned tree and is not followed; exclude it or scan its target"
)
_SKIPPED_DIRECTORIES = frozenset({"node_modules"})


def is_manifest_name(name: str) -> bool:
    """Return whether a file of this name is read when its directory is scanned."""
    return name.lower().endswith(_EXTENSIONS) or name.rpartition("/")[2] == _KUSTOMIZATION


def is_visited_name(name: str) -> bool:
    """Return whether an entry of this name is visited: not hidden, not `node_modules`."""
    return name[0] != "." and name not in _SKIPPED_DIRECTORIES


class FileSource:
    """Files and directories: a file that is named is read, in a directory those whose names fit.

    Entries are visited in sorted order. Hidden files and directories, and `node_modules`, are left
    out; symbolic links are followed inside the tree only, and each file is read once.
    """

    name = "files"

    def accepts(self, target: str) -> bool:
        """Return true: whatever no other source wants is a path."""
        return True

    def discover(self, target: str, options: SourceOptions) -> Discovery:
        """Return the files at or below the path `target`."""
        return _Walk(target, options).run()


class _Walk:
    """What is found below one target."""

    def __init__(self, target: str, options: SourceOptions) -> None:
        self.target = target
        self.options = options
        self.cwd = os.getcwd()
        self.excluded = excludes(options.exclude)
        self.files: list[ManifestFile] = []
        self.invalid: list[Invalid] = []
        #: Symbolic links met on the way: (path, path relative to the target).
        self.links: list[tuple[str, str]] = []
        #: Hidden entries, relative to the target.
        self.aside: list[str] = []
        self.notes: list[Note] = []
        self.real_target = ""
        self.real_directories: set[str] = set()
        self.real_files: set[str] = set()

    def run(self) -> Discovery:
        try:
            status = os.stat(self.target)
        except OSError as error:
            self.refuse(self.target, _stat_problem(error))
            return self.result()
        if stat.S_ISDIR(status.st_mode):
            self.tree()
        elif stat.S_ISREG(status.st_mode):
            self.named_file(status.st_size)
        else:
            self.refuse(self.target, refusal(status.st_mode))
        return self.result()

    def result(self) -> Discovery:
        self.invalid.sort(key=lambda invalid: invalid.location)
        self.files.sort(key=lambda file: file.path.split("/"))
        if self.options.keep_templates:
            return Discovery(tuple(self.files), tuple(self.invalid), (), tuple(self.notes))
        files, skipped, notes = set_templates_aside(self.files, self.options.limits, os.path.isfile)
        return Discovery(files, tuple(self.invalid), skipped, (*self.notes, *notes))

    def show(self, path: str) -> str:
        return shown_path(path, self.cwd)

    def refuse(self, path: str, message: str) -> None:
        self.invalid.append(Invalid(SourceLocation(self.show(path)), message))

    def named_file(self, size: int) -> None:
        shown = self.show(self.target)
        if self.excluded and self.excluded.covers(shown.lstrip("/")):
            return
        self.files.append(ManifestFile(shown, self.target, size))

    def tree(self) -> None:
        self.real_target = os.path.realpath(self.target)
        self.directory(self.target, self.real_target, "", self.show(self.target))
        if not self.links and not self.aside:
            return
        root = tree_root(self.target)
        if self.links:
            self.real_files = {os.path.realpath(file.filename) for file in self.files}
            while self.links:
                links, self.links = sorted(self.links), []
                for path, relative in links:
                    self.link(path, relative, root)
        if self.aside:
            self.hidden(root)

    def directory(self, path: str, real: str, relative: str, shown: str) -> None:
        """Add the files below the directory `path`; `relative` is "" or ends in a slash."""
        if real in self.real_directories:
            return
        self.real_directories.add(real)
        try:
            with os.scandir(path) as scan:
                entries = list(scan)
        except OSError as error:
            self.refuse(path, _stat_problem(error))
            return
        prefix = "" if shown == "." else shown if shown.endswith("/") else shown + "/"
        excluded = self.excluded
        below: list[str] = []
        for entry in entries:
            name = entry.name
            if not is_visited_name(name):
                if (
                    name != ".git"
                    and not entry.is_symlink()
                    and (entry.is_dir(follow_symlinks=False) or is_manifest_name(name))
                ):
                    self.aside.append(relative + name)
                continue
            if entry.is_symlink():
                self.links.append((entry.path, relative + name))
            elif entry.is_dir(follow_symlinks=False):
                if not excluded(relative + name, True):
                    below.append(name)
            elif (name.lower().endswith(_EXTENSIONS) or name == _KUSTOMIZATION) and not excluded(
                relative + name, False
            ):
                self.manifest(entry, prefix)
        below.sort()
        for name in below:
            self.directory(
                os.path.join(path, name),
                os.path.join(real, name),
                f"{relative}{name}/",
                f"{prefix}{_name(name)}",
            )

    def manifest(self, entry: os.DirEntry[str], prefix: str) -> None:
        """Add the directory entry of a name that fits, unless it is no regular file."""
        status = entry.stat(follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            self.refuse(entry.path, refusal(status.st_mode))
            return
        self.files.append(
            ManifestFile(
                prefix + _name(entry.name), entry.path, status.st_size, numbers=numbers_of(status)
            )
        )

    def hidden(self, root: str) -> None:
        """Add what git tracks in hidden places, of the repository at `root`."""
        if not os.path.lexists(os.path.join(root, ".git")):
            return
        from kpolicy.manifests.hidden import may_be_kubernetes, tracked_manifests

        found, problem = tracked_manifests(self.target, sorted(self.aside))
        if problem:
            self.notes.append(Note(f"hidden files are not scanned: {problem}"))
        for relative in found:
            path = os.path.join(self.target, relative)
            if self.excluded and self.excluded.covers(relative):
                continue
            try:
                status = os.lstat(path)
            except FileNotFoundError:
                continue  # removed, and git not yet told
            except OSError as error:
                self.refuse(path, _stat_problem(error))
                continue
            if not stat.S_ISREG(status.st_mode) or os.path.realpath(path) in self.real_files:
                continue
            file = ManifestFile(self.show(path), path, status.st_size, numbers=numbers_of(status))
            data = read_bytes(file, self.options.limits)
            # What cannot be read is said where it is loaded, as of any other file.
            if isinstance(data, Invalid) or may_be_kubernetes(relative, data):
                self.files.append(file)

    def link(self, path: str, relative: str, root: str) -> None:
        """Follow one symbolic link, if it stays in the tree and leads to something new."""
        real = os.path.realpath(path)
        fits = is_manifest_name(path)
        try:
            status = os.stat(real)
        except OSError as error:
            if fits:
                problem = _stat_problem(error)
                if error.errno == errno.ENOENT:
                    problem = "this symbolic link leads to nothing; remove it or restore its target"
                self.refuse(path, problem)
            return
        is_directory = stat.S_ISDIR(status.st_mode)
        if not (is_directory or fits) or self.excluded(relative, is_directory):
            return
        if not _is_below(real, root):
            self.refuse(path, LEAVES_THE_TREE)
        elif is_directory:
            if not (_is_below(self.real_target, real) or ".git" in f"{real}/".split("/")):
                self.directory(path, real, f"{relative}/", self.show(path))
        elif not stat.S_ISREG(status.st_mode):
            self.refuse(path, refusal(status.st_mode))
        elif real not in self.real_files:
            self.real_files.add(real)
            self.files.append(ManifestFile(self.show(path), path, status.st_size))


_MASK = (1 << 64) - 1


def numbers_of(status: os.stat_result) -> tuple[int, ...]:
    """Return what tells whether a file is the one that was read (`ManifestFile.numbers`)."""
    return (
        status.st_size,
        status.st_mtime_ns & _MASK,
        status.st_ctime_ns & _MASK,
        status.st_ino & _MASK,
    )


def _is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip(os.sep) + os.sep)


def _name(name: str) -> str:
    return name if name.isascii() else printable(name)


def _stat_problem(error: OSError) -> str:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return "no such file or directory"
    if error.errno == errno.EACCES:
        return "cannot be read: permission denied"
    if error.errno == errno.ELOOP:
        return "this symbolic link leads back to itself; remove it"
    return f"cannot be read: {error.strerror or error}"
