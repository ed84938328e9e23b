"""From a verdict to a finding: its place in the file, its related resources, its fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, cast

from kpolicy.engine.places import mark_at, unescape
from kpolicy.findings import (
    Certainty,
    Finding,
    Fix,
    Outcome,
    Place,
    PolicyInfo,
    Related,
    ResourceRef,
    Severity,
)
from kpolicy.location import SourceLocation
from kpolicy.manifests.model import Invalid, Limits, ManifestFile
from kpolicy.policy.model import Edit, Policy

if TYPE_CHECKING:
    from kpolicy.engine.evaluate import Unit, Verdict
    from kpolicy.snapshot.resource import Resource

#: Where the resource of a finding stands: (path, document, pointer); suppressions are filed by it.
Anchor = tuple[str, int, str]


def ref_of(resource: Resource) -> ResourceRef:
    """Return a resource as reports name it."""
    return ResourceRef(resource.api_version, resource.kind, resource.namespace, resource.name)


def anchor_of(resource: Resource) -> Anchor:
    """Return where a resource stands."""
    return (resource.path, resource.document, resource.pointer)


def _identity(resource: Resource) -> str:
    name = resource.name
    if not name:
        metadata = resource.body.get("metadata")
        generated = metadata.get("generateName") if isinstance(metadata, dict) else None
        name = f"{generated}*" if isinstance(generated, str) else ""
    return f"{resource.group}|{resource.kind}|{resource.namespace}|{name}"


class Placer:
    """Finds places in files; reads a file again only for a scalar, which carries no place.

    `plain` has the documents of each file whose text need not even be read as YAML again.
    """

    def __init__(
        self,
        files: Mapping[str, ManifestFile],
        plain: Mapping[str, frozenset[int]] = MappingProxyType({}),
    ) -> None:
        self._files = files
        self._plain = plain
        self._read: tuple[str, ManifestFile | bytes] | None = None
        self._lines: tuple[str, list[str]] | None = None

    def turn_to(self, file: ManifestFile, data: bytes | Invalid) -> None:
        """Find places in `file` from now on, which has been read just now."""
        self._files = {file.path: file}
        self._read = (file.path, file if isinstance(data, Invalid) else data)
        self._lines = None

    def place(
        self, resource: Resource, pointer: str, position: tuple[int, int] = (0, 0)
    ) -> tuple[int, int]:
        """Return line and column of a part of a resource."""
        if position[0]:
            return position
        line, column, exact = mark_at(resource.body, pointer)
        file = self._files.get(resource.path)
        if not exact and file is not None:
            found = self._in_lines(resource, pointer, file)
            if found is not None:
                return found
            from kpolicy.manifests import locate

            found = locate(self._content(file), resource.document, resource.pointer + pointer)
            if found[0]:
                return found
        return line, column

    def _in_lines(
        self, resource: Resource, pointer: str, file: ManifestFile
    ) -> tuple[int, int] | None:
        """Return the place of a scalar by the lines of a plain document, None where they do not
        tell."""
        if resource.document not in self._plain.get(resource.path, ()):
            return None
        from kpolicy.manifests.block_places import place_in_block
        from kpolicy.manifests.text import decode

        if self._lines is None or self._lines[0] != file.path:
            data = self._content(file)
            if not isinstance(data, bytes):
                return None
            self._lines = (file.path, decode(data)[0].split("\n"))
        parts = [unescape(part) for part in pointer.split("/")[1:]]
        return place_in_block(resource.written or resource.body, self._lines[1], 0, parts, False)

    def _content(self, file: ManifestFile) -> ManifestFile | bytes:
        """Return the bytes of the file that was asked for last, so that each is read once."""
        if self._read is None or self._read[0] != file.path:
            from kpolicy.manifests.loader import read_bytes

            data = read_bytes(file, Limits())
            self._read = (file.path, data if isinstance(data, bytes) else file)
        return self._read[1]


class Raw(NamedTuple):
    """A finding in transit: small, picklable, its fingerprint unfinished. See `finish`."""

    path: str
    line: int
    column: int
    policy: str
    validation: int
    message: str
    identity: str
    """All that the fingerprint is made of, but for the ordinal."""
    document: int
    within: str
    """Pointer of the resource in its document."""
    outcome: Outcome
    pointer: str
    resource: tuple[str, str, str, str]
    related: tuple[tuple[tuple[str, str, str, str], str, int, int, str, str], ...]
    """(resource, path, line, column, pointer, relation) of each."""
    scope: str
    item: str
    certainty: Certainty
    resource_labels: tuple[tuple[str, str], ...] = ()
    severity: str = ""
    details: tuple[tuple[str, str], ...] = ()
    fix: tuple[Edit, ...] = ()

    @property
    def anchor(self) -> Anchor:
        """Where the resource stands."""
        return (self.path, self.document, self.within)


def raw_of(unit: Unit, resource: Resource, verdict: Verdict, placer: Placer) -> Raw:
    """Return the finding of a verdict, in transit."""
    policy = unit.compiled.policy
    related = []
    for other, relation, pointer in verdict.related:
        line, column = placer.place(other, pointer)
        related.append(
            (_names(other), other.path, line, column, pointer, relation),
        )
    parts = [
        policy.id,
        str(verdict.validation),
        resource.scope,
        _identity(resource),
        verdict.identity,
        *sorted(_identity(other) for other, _, _ in verdict.related),
    ]
    line, column = placer.place(resource, verdict.pointer, verdict.position)
    return Raw(
        resource.path, line, column, policy.id, verdict.validation, verdict.message,
        "\x1f".join(parts), resource.document, resource.pointer, verdict.outcome, verdict.pointer,
        _names(resource), tuple(related), resource.scope, verdict.item, verdict.certainty,
        _labels(resource), verdict.severity, verdict.details, verdict.fix,
    )  # fmt: skip


def _labels(resource: Resource) -> tuple[tuple[str, str], ...]:
    metadata = resource.body.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    if not isinstance(labels, dict):
        return ()
    return tuple((k, v) for k, v in labels.items() if isinstance(v, str))


def _names(resource: Resource) -> tuple[str, str, str, str]:
    return (resource.api_version, resource.kind, resource.namespace, resource.name)


#: Findings that were finished before, by the `id` of what they were made of, which is held too.
Finished = dict[int, tuple[Raw, int, Finding]]


def finish(
    raws: Iterable[Raw],
    policies: Mapping[str, Policy | PolicyInfo],
    known: Finished | None = None,
) -> list[tuple[Finding, Anchor]]:
    """Return the findings in the order of the report, with their fingerprints.

    Two findings that are alike in everything a fingerprint is made of are told apart by an ordinal,
    in the order of the report. Fails and errors are counted apart from passes and skips, so that
    `--results all` changes no fingerprint. `known` keeps what was finished, for the next report
    with these policies: of the same object with the same ordinal the same finding is made.
    """
    kept: Finished = {} if known is None else known.copy()
    if known is not None:
        known.clear()
    seen: dict[tuple[str, bool], int] = {}
    refs: dict[tuple[str, str, str, str], ResourceRef] = {}
    finished = []
    for raw in sorted(raws, key=_order):
        key = (raw.identity, raw.outcome in ("fail", "error"))
        ordinal = seen.get(key, 0)
        seen[key] = ordinal + 1
        before = kept.get(id(raw))
        if before is not None and known is not None and before[1] == ordinal:
            known[id(raw)] = before
            finished.append((before[2], raw.anchor))
            continue
        text = f"{raw.identity}\x1f{ordinal}"
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        policy = policies[raw.policy]
        ref = refs.get(raw.resource)
        if ref is None:
            ref = refs[raw.resource] = ResourceRef(*raw.resource)
        finding = Finding(
            policy=raw.policy,
            pack=policy.pack,
            severity=cast("Severity", raw.severity) if raw.severity else policy.severity,
            outcome=raw.outcome,
            message=raw.message,
            resource=ref,
            place=Place(SourceLocation(raw.path, raw.line, raw.column), raw.pointer),
            fingerprint=digest,
            related=_related(raw) if raw.related else (),
            scope=raw.scope,
            remediation=policy.remediation,
            validation=raw.validation,
            item=raw.item,
            certainty=raw.certainty,
            resource_labels=MappingProxyType(dict(raw.resource_labels)),
            details=MappingProxyType(dict(raw.details)) if raw.details else _NO_DETAILS,
            fix=Fix(raw.document, raw.within, raw.fix) if raw.fix else None,
        )
        finished.append((finding, raw.anchor))
        if known is not None:
            known[id(raw)] = (raw, ordinal, finding)
    return finished


_NO_DETAILS: Mapping[str, str] = MappingProxyType({})


def _related(raw: Raw) -> tuple[Related, ...]:
    return tuple(
        Related(ResourceRef(*ref), Place(SourceLocation(path, line, column), at), relation)
        for ref, path, line, column, at, relation in raw.related
    )


def _order(raw: Raw) -> tuple[object, ...]:
    return (raw.path, raw.line, raw.policy, raw.column, raw[4:-1])
