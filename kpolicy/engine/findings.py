"""From a verdict to a finding: its place in the file, its related resources, its fingerprint."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from kpolicy.engine.evaluate import Unit, Verdict
from kpolicy.engine.places import mark_at
from kpolicy.findings import Finding, Place, Related, ResourceRef
from kpolicy.location import SourceLocation
from kpolicy.manifests.model import ManifestFile
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
    """Finds places in files; reads a file again only for a scalar, which carries no place."""

    def __init__(self, files: dict[str, ManifestFile]) -> None:
        self._files = files

    def place(self, resource: Resource, pointer: str, position: tuple[int, int] = (0, 0)) -> Place:
        """Return the place of a part of a resource."""
        line, column = position
        if not line:
            line, column, exact = mark_at(resource.body, pointer)
            file = self._files.get(resource.path)
            if not exact and file is not None:
                from kpolicy.manifests import locate

                found = locate(file, resource.document, resource.pointer + pointer)
                if found[0]:
                    line, column = found
        return Place(SourceLocation(resource.path, line, column), pointer)


def finding_of(unit: Unit, resource: Resource, verdict: Verdict, placer: Placer) -> Finding:
    """Return the finding of a verdict. Its fingerprint is unfinished: see `number`."""
    policy = unit.compiled.policy
    related = tuple(
        Related(ref_of(other), placer.place(other, pointer), relation)
        for other, relation, pointer in verdict.related
    )
    parts = [
        policy.id,
        str(verdict.validation),
        resource.scope,
        _identity(resource),
        verdict.identity,
        *sorted(_identity(other) for other, _, _ in verdict.related),
    ]
    return Finding(
        policy=policy.id,
        pack=policy.pack,
        severity=policy.severity,
        outcome=verdict.outcome,
        message=verdict.message,
        resource=ref_of(resource),
        place=placer.place(resource, verdict.pointer, verdict.position),
        fingerprint="\x1f".join(parts),
        related=related,
        scope=resource.scope,
        remediation=policy.remediation,
        validation=verdict.validation,
        item=verdict.item,
        certainty=verdict.certainty,
    )


def number(findings: Iterable[tuple[Finding, Anchor]]) -> list[tuple[Finding, Anchor]]:
    """Return the findings in the order of the report with their fingerprints finished.

    Two findings that are alike in everything a fingerprint is made of are told apart by an ordinal,
    in the order of the report. Fails and errors are counted apart from passes and skips, so that
    `--results all` changes no fingerprint.
    """
    ordered = sorted(findings, key=lambda pair: (pair[0].sort_key, pair[1]))
    seen: Counter[tuple[str, bool]] = Counter()
    finished = []
    for finding, anchor in ordered:
        key = (finding.fingerprint, finding.outcome in ("fail", "error"))
        ordinal = seen[key]
        seen[key] += 1
        text = f"{finding.fingerprint}\x1f{ordinal}"
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        finished.append((replace(finding, fingerprint=digest), anchor))
    return finished


def fingerprints(findings: Sequence[Finding]) -> Counter[str]:
    """Return how often each fingerprint occurs."""
    return Counter(f.fingerprint for f in findings)
