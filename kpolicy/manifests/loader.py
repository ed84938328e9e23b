"""One manifest file to documents: tells Kubernetes objects from the rest, unfolds lists."""

from __future__ import annotations

import errno
import os
import re
import stat
from dataclasses import replace
from typing import Any

from kpolicy.frozen import FrozenDict, FrozenList
from kpolicy.location import SourceLocation
from kpolicy.manifests.model import (
    Document,
    DocumentProblem,
    Invalid,
    Limits,
    LoadedFile,
    ManifestFile,
    Note,
    Skipped,
)
from kpolicy.manifests.paths import is_kustomization
from kpolicy.manifests.yaml_documents import Broken, Parsed, parse

__all__ = ["load", "read_bytes"]

#: O_NONBLOCK, since what was a file when it was found may be a FIFO by now.
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
_KINDS_OF_FILE = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a directory",
}


def refusal(mode: int) -> str:
    """Return why a file whose `st_mode` is `mode`, no regular file, is not read."""
    kind = _KINDS_OF_FILE.get(stat.S_IFMT(mode), "no regular file")
    return f"this is {kind}, which is not read; exclude it"


def too_large(size: int, limits: Limits) -> str:
    """Return why a file of `size` bytes is not read."""
    return f"{size} bytes are more than the limit of {limits.file_bytes}; exclude it or split it"


def read_bytes(file: ManifestFile, limits: Limits) -> bytes | Invalid:
    """Return the bytes of `file`, or why it cannot be read. Reads, and waits for, no pipes."""
    data = file.data
    if data is None:
        try:
            descriptor = os.open(file.filename, _FLAGS)
        except OSError as error:
            return _unreadable(file, error)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return _invalid(file, refusal(status.st_mode))
            if status.st_size > limits.file_bytes:
                return _too_large(file, status.st_size, limits)
            data = os.read(descriptor, status.st_size + 1)
            if len(data) > status.st_size:
                # It has grown since, or is of a kind that tells no size.
                while more := os.read(descriptor, max(limits.file_bytes + 1 - len(data), 0)):
                    data += more
        except OSError as error:
            return _unreadable(file, error)
        finally:
            os.close(descriptor)
    if len(data) > limits.file_bytes:
        return _too_large(file, len(data), limits)
    return data


def _invalid(file: ManifestFile, message: str) -> Invalid:
    return Invalid(SourceLocation(file.path), message)


def _too_large(file: ManifestFile, size: int, limits: Limits) -> Invalid:
    return _invalid(
        file,
        too_large(size, limits),
    )


def _unreadable(file: ManifestFile, error: OSError) -> Invalid:
    if error.errno == errno.EACCES:
        return _invalid(file, "cannot be read: permission denied")
    if error.errno == errno.ENOENT:
        return _invalid(file, "cannot be read: no such file")
    return _invalid(file, f"cannot be read: {error.strerror or error}")


#: What a comment that suppresses something has in it (see `kpolicy.suppress.comments`).
_COMMENT = b"kpolicy:ignore"


def load(
    file: ManifestFile, limits: Limits | None = None, data: bytes | Invalid | None = None
) -> LoadedFile:
    """Return all that is in `file`: Kubernetes objects, what is broken, what was left out and why.

    `data` is what `read_bytes` gave, where it was asked before. Raises nothing for what a file
    contains or for a file that cannot be read: that is `invalid`.
    """
    limits = limits or Limits()
    if data is None:
        data = read_bytes(file, limits)
    if isinstance(data, Invalid):
        return LoadedFile(file.path, invalid=(data,))
    return _Collector(file, limits).collect(data)


class _Collector:
    """Gathers what the documents of one file turn into."""

    __slots__ = ("documents", "file", "invalid", "limits", "notes", "plain", "seen", "skipped")

    def __init__(self, file: ManifestFile, limits: Limits) -> None:
        self.file = file
        self.limits = limits
        self.documents: list[Document] = []
        self.invalid: list[Invalid] = []
        self.notes: list[Note] = []
        self.skipped: dict[str, None] = {}
        self.seen: set[int] = set()
        self.plain: set[int] = set()

    def collect(self, data: bytes) -> LoadedFile:
        path = self.file.path
        empty = True
        for parsed in parse(data, self.limits, path.endswith(".json")):
            if isinstance(parsed, Broken):
                self.broken(parsed)
                empty = False
            elif parsed.body is not None:
                self.document(parsed)
                empty = False
                if parsed.plain:
                    self.plain.add(parsed.number)
        if empty:
            self.skipped["empty"] = None
        return LoadedFile(
            path,
            tuple(self.documents),
            tuple(self.invalid),
            tuple([Skipped(path, reason) for reason in self.skipped]),
            tuple(self.notes),
            frozenset(self.plain),
            _COMMENT in data,
        )

    def broken(self, parsed: Broken) -> None:
        location = SourceLocation(self.file.path, parsed.line, parsed.column)
        if looks_templated(parsed.chunk.text):
            self.skipped["helm-template"] = None
            self.notes.append(
                Note(f"skipped as a template that is not rendered ({parsed.message})", location)
            )
        elif is_foreign(self.file.path, parsed):
            self.skipped["not-kubernetes"] = None
        else:
            self.invalid.append(Invalid(location, parsed.message))

    def document(self, parsed: Parsed) -> None:
        body = parsed.body
        if body.__class__ is not FrozenDict:
            self.skipped["not-kubernetes"] = None
            return
        api_version = body.get("apiVersion")
        kind = body.get("kind")
        if not (isinstance(api_version, str) and isinstance(kind, str) and api_version and kind):
            if is_policy_test(self.file.path, body):
                self.skipped["policy"] = None
                return
            if is_kustomization(self.file.path):
                self.skipped["kustomization"] = None
                return
            self.skipped["not-kubernetes"] = None
            self.note_half_object(body, api_version, kind)
            return
        problems = find_problems(parsed) if parsed.duplicates else ()
        if kind.endswith("List") and is_list(body, kind):
            self.items(body, parsed.number, "", problems)
            return
        self.add(body, parsed.number, "", problems)

    def add(
        self,
        body: FrozenDict,
        index: int,
        pointer: str,
        problems: tuple[DocumentProblem, ...],
        whole: FrozenDict | None = None,
    ) -> None:
        reason = reason_to_skip(body)
        if reason:
            self.skipped[reason] = None
            return
        if pointer:
            # Two aliases of one anchor are two objects: a body is told by its identity.
            if id(body) in self.seen:
                body = FrozenDict(body, body.mark)
            self.seen.add(id(body))
        self.documents.append(
            Document(
                body=body,
                path=self.file.path,
                index=index,
                pointer=pointer,
                scope=self.file.scope,
                problems=problems,
                whole=whole,
                namespace=self.file.namespace,
            )
        )

    def items(
        self, body: FrozenDict, index: int, pointer: str, problems: tuple[DocumentProblem, ...]
    ) -> None:
        """Add the items of a List. Like kubectl, give an item without both kind and apiVersion
        those that the name of a typed list implies."""
        item_kind = body["kind"].removesuffix("List")
        api_version = body["apiVersion"]
        whole: FrozenDict | None = None
        if not pointer and body["kind"] == "List" and api_version == "v1":
            whole = FrozenDict() if problems else body
        wrapper = tuple(p for p in problems if not p.pointer.startswith(f"{pointer}/items/"))
        for number, item in enumerate(body.get("items") or ()):
            here = f"{pointer}/items/{number}"
            if item.__class__ is not FrozenDict:
                self.bad_item(body, here, "is not a mapping")
                continue
            if item_kind and not item.get("kind") and not item.get("apiVersion"):
                named = {"apiVersion": api_version, "kind": item_kind, **item}
                named.update(apiVersion=api_version, kind=item_kind)
                item = FrozenDict(named, item.mark)
            kind = item.get("kind")
            if not (isinstance(kind, str) and kind):
                self.bad_item(item, here, "has no kind")
                continue
            if not (isinstance(item.get("apiVersion"), str) and item["apiVersion"]):
                self.bad_item(item, here, "has no apiVersion")
                continue
            if kind.endswith("List") and is_list(item, kind):
                self.items(item, index, here, problems)
                continue
            own = tuple(
                replace(problem, pointer=problem.pointer[len(here) :])
                for problem in problems
                if problem.pointer.startswith(f"{here}/")
            )
            # What is wrong with the List itself has no object of its own; its first item shows it.
            shown = tuple(replace(p, pointer="") for p in wrapper) + own
            self.add(item, index, here, shown, whole)
            wrapper = ()

    def bad_item(self, body: FrozenDict, pointer: str, what: str) -> None:
        self.invalid.append(
            Invalid(
                SourceLocation(self.file.path, body.line, body.column),
                f"{pointer} of this List {what}, so it is no Kubernetes object",
            )
        )

    def note_half_object(self, body: FrozenDict, api_version: Any, kind: Any) -> None:
        """Say so when a document is nearly a Kubernetes object: its author will want to know."""
        if not isinstance(body.get("metadata"), dict) or bool(api_version) == bool(kind):
            return
        missing = "kind" if api_version else "apiVersion"
        self.notes.append(
            Note(
                f"skipped: looks like a Kubernetes object but has no {missing}",
                SourceLocation(self.file.path, body.line, body.column),
            )
        )


def is_list(body: FrozenDict, kind: str) -> bool:
    """Return whether an object whose kind ends in "List" holds other objects."""
    items = body.get("items")
    if items is None:
        return kind == "List" or ("items" in body and "spec" not in body)
    return items.__class__ is FrozenList


def reason_to_skip(body: FrozenDict) -> str:
    """Return why an object that has apiVersion and kind is none to scan, "" if it is one."""
    group = body["apiVersion"].partition("/")[0]
    if group == "kustomize.config.k8s.io":
        return "kustomization"
    if group == "kpolicy.dev":
        return "policy"
    return ""


def is_foreign(path: str, broken: Broken) -> bool:
    """Return whether a document that cannot be read was never meant for Kubernetes.

    It names no `apiVersion`, and is good YAML by other rules, or JSON with comments.
    """
    text = broken.chunk.text
    if "apiVersion" in text:
        return False
    return broken.is_yaml or (
        path.endswith(".json") and re.search(r"(?m)(?:^|[,{\[ \t])//|/\*", text) is not None
    )


def is_policy_test(path: str, body: FrozenDict) -> bool:
    """Return whether a document is the test of a policy, which stands beside it."""
    return path.endswith(("_test.yaml", "_test.yml")) and "policy" in body and "cases" in body


_TEMPLATED = (
    r"^[ \t]*(?:- +)*\{[{%]"
    r"|^[ \t]*(?:- +)*[^\s'\"|>#][^'\"|>#\n]*:[ \t]+\{\{"
    r"|\{\{-?[ \t]*(?:if|range|with|end|include|define|template|toYaml"
    r"|\.Values|\.Release|\.Chart)\b"
)


def looks_templated(text: str) -> bool:
    """Return whether `text`, which is no YAML, is a Helm (or similar) template."""
    return ("{{" in text or "{%" in text) and re.search(_TEMPLATED, text, re.MULTILINE) is not None


def find_problems(parsed: Parsed) -> tuple[DocumentProblem, ...]:
    """Return the duplicate keys of a document; reads it once more for the places of its keys."""
    from kpolicy.manifests.places import duplicate_keys

    return duplicate_keys(parsed)
