"""Two revisions: what a change introduces, and which changed file caused it.

Base and head are snapshots that share every resource of an unchanged file. What is found in the
head and not in the base, by fingerprint, is introduced; a finding that moved has the same one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kpolicy.engine.base_config import starting_directory
from kpolicy.engine.digest import prints_of
from kpolicy.engine.findings import Anchor, Placer, finish
from kpolicy.engine.join import JoinEvaluator
from kpolicy.engine.local import LocalEvaluator, Settings
from kpolicy.engine.outside import world_of
from kpolicy.engine.plan import Plan
from kpolicy.engine.tally import Tally
from kpolicy.findings import Finding, Place, Related, ResourceRef
from kpolicy.manifests.model import Discovery, ManifestFile, SourceOptions
from kpolicy.snapshot.resource import Resource, resource_from
from kpolicy.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    from kpolicy.config.model import Config
    from kpolicy.engine.request import ScanRequest, Toolbox


@dataclass(slots=True)
class Introduced:
    """What a comparison yields."""

    tally: Tally
    """Counts and notes of the head."""
    findings: list[tuple[Finding, Anchor]]
    """Introduced findings in the order of the report."""

    def sparing(self, names: bool) -> Introduced:
        """Return it without what no report needs (see `Tally.sparing`)."""
        return replace(self, tally=self.tally.sparing(names))


def discover_base(request: ScanRequest, toolbox: Toolbox, options: SourceOptions) -> Discovery:
    """Return the files of the base under the paths that they have in the head.

    Raises `UsageError` for an unknown revision, or where git is needed and missing.
    """
    from kpolicy.manifests import discover, discover_revision

    if Path(request.base).is_dir():
        return _moved(request, discover([request.base], toolbox.sources or None, options))
    start = str(starting_directory(request))
    return discover_revision(start, request.base, request.targets, options)


def _moved(request: ScanRequest, found: Discovery) -> Discovery:
    """Show a base directory's files as their counterparts in the head.

    The directory stands for the target, or for the working directory where there are several.
    """
    from kpolicy.manifests.paths import shown_path

    cwd = str(Path.cwd())
    base = shown_path(request.base, cwd).rstrip("/")
    head = "."
    if len(request.targets) == 1 and request.targets[0] != "-":
        head = request.targets[0]

    def path(shown: str) -> str:
        inner = shown if base in ("", ".") else shown.removeprefix(base).lstrip("/")
        return shown_path(str(Path(head) / inner), cwd)

    files = tuple(replace(file, path=path(file.path), data=_bytes_of(file)) for file in found.files)
    return replace(found, files=files)


def _bytes_of(file: ManifestFile) -> bytes | None:
    if file.data is not None:
        return file.data
    try:
        return Path(file.filename).read_bytes()
    except OSError:
        return None


def changed_paths(
    base: Mapping[str, ManifestFile], head: Mapping[str, ManifestFile]
) -> frozenset[str]:
    """Return the paths whose bytes differ, or that only one of the two has."""
    changed = set(base) ^ set(head)
    for path in set(base) & set(head):
        old, new = base[path], head[path]
        if old.size != new.size or _bytes_of(old) != _bytes_of(new):
            changed.add(path)
    return frozenset(changed)


def compare(
    request: ScanRequest,
    toolbox: Toolbox,
    config: Config,
    plan: Plan,
    settings: Settings,
    head: Discovery,
    base: Discovery,
) -> Introduced:
    """Evaluate head and base, and return what only the head has."""
    head_files = {file.path: file for file in head.files}
    base_files = {file.path: file for file in base.files}
    changed = changed_paths(base_files, head_files)
    tally = Tally(invalid=list(head.invalid), skipped=list(head.skipped))
    tally.notes += head.notes
    new = _load(plan, settings, head.files, tally)
    aside = Tally()
    old_changed = _load(plan, settings, [f for f in base.files if f.path in changed], aside)
    old = [r for r in new if r.path not in changed] + old_changed
    aside.invalid += [i for i in tally.invalid if i.location.path not in changed]
    aside.invalid += base.invalid
    after = Snapshot.of(new, plan.kinds, world_of(config, tally, plan.kinds, head_files))
    before = Snapshot.of(old, plan.kinds, world_of(config, aside, plan.kinds, base_files))

    paired = pair(before, after)
    now = replace(settings, before=paired)
    _evaluate(plan, now, after, before, head_files, tally)
    kept = set(map(id, paired.values()))
    removed = [r for r in before.resources if id(r) not in kept]
    if not settings.operation:
        _deletions(plan, replace(settings, operation="DELETE"), removed, after, before,
                   base_files, tally)  # fmt: skip

    past = Tally()
    _evaluate(plan, settings, before, None, base_files | head_files, past)
    # With --results all there are passes too; one in the base must not hide a failure in the head.
    known = Counter(
        f.fingerprint
        for f, _ in finish(past.findings, plan.policies())
        if f.outcome in ("fail", "error")
    )
    introduced = []
    causes = _Causes(plan, before, after, changed)
    for finding, anchor in finish(tally.findings, plan.policies()):
        failing = finding.outcome in ("fail", "error")
        if failing and known[finding.fingerprint]:
            known[finding.fingerprint] -= 1
            continue
        if failing and finding.place.location.path not in changed:
            finding = causes.named(finding, anchor)
        introduced.append((finding, anchor))
    return Introduced(tally, introduced)


def pair(before: Snapshot, after: Snapshot) -> dict[Resource, Resource]:
    """Return the base's resource for each of the head: of copies, the one in the same file."""
    found: dict[Resource, Resource] = {}
    for resource in after.resources:
        if not resource.name:
            continue
        copies = [c for c in before.copies(resource.key) if c.scope == resource.scope]
        here = [c for c in copies if c.path == resource.path]
        if here:
            found[resource] = here[0]
        elif copies:
            # It moved, unless the head still has a copy where the base had it.
            still = {c.path for c in after.copies(resource.key)}
            gone = [c for c in copies if c.path not in still]
            if gone:
                found[resource] = gone[0]
    return found


def _load(
    plan: Plan, settings: Settings, files: Iterable[ManifestFile], tally: Tally
) -> list[Resource]:
    from kpolicy.manifests import load

    resources: list[Resource] = []
    for file in files:
        loaded = load(file, settings.limits)
        tally.invalid += loaded.invalid
        tally.skipped += loaded.skipped
        tally.notes += loaded.notes
        tally.documents += len({d.index for d in loaded.documents})
        resources += [resource_from(document, plan.kinds) for document in loaded.documents]
        tally.prints += prints_of(document.body for document in loaded.documents)
    tally.resource_count += len(resources)
    return resources


def _evaluate(
    plan: Plan,
    settings: Settings,
    snapshot: Snapshot,
    base: Snapshot | None,
    files: Mapping[str, ManifestFile],
    tally: Tally,
) -> None:
    local = LocalEvaluator(plan, settings)
    join = JoinEvaluator(plan, settings, snapshot, base)
    placer = Placer(dict(files))
    for resource in snapshot.resources:
        local.run(resource, placer, tally)
        join.run(resource, placer, tally)


def _deletions(
    plan: Plan,
    settings: Settings,
    removed: Sequence[Resource],
    after: Snapshot,
    before: Snapshot,
    files: Mapping[str, ManifestFile],
    tally: Tally,
) -> None:
    """Evaluate, for what the change removes, the policies that meet deletions."""
    local = LocalEvaluator(plan, settings)
    join = JoinEvaluator(plan, settings, after, before)
    placer = Placer(dict(files))
    for resource in removed:
        local.run(resource, placer, tally)
        join.run(resource, placer, tally)


class _Causes:
    """Finds the changed file behind a new finding in an untouched one."""

    def __init__(
        self, plan: Plan, before: Snapshot, after: Snapshot, changed: frozenset[str]
    ) -> None:
        self.plan = plan
        self.before = before
        self.after = after
        self.changed = changed

    def named(self, finding: Finding, anchor: Anchor) -> Finding:
        """Return the finding with the changed resource that caused it among its related ones."""
        already = {r.place.location.path for r in finding.related} & self.changed
        if already:
            return replace(finding, message=f"{finding.message} ({_since(sorted(already))})")
        found = self._related(finding, anchor)
        if not found:
            return finding
        paths = sorted({resource.path for resource, _ in found})
        related = tuple(
            Related(
                ResourceRef(r.api_version, r.kind, r.namespace, r.name),
                Place(r.location),
                relation,
            )
            for r, relation in found
        )
        return replace(
            finding,
            message=f"{finding.message} ({_since(paths)})",
            related=finding.related + related,
        )

    def _related(self, finding: Finding, anchor: Anchor) -> list[tuple[Resource, str]]:
        """Return the changed resources that the policy's relations lead to, in base or head."""
        unit = next(u for u in self.plan.units if u.compiled.id == finding.policy)
        names = [q.relation for q in unit.compiled.questions] or list(self.plan.relations)
        found: dict[int, tuple[Resource, str]] = {}
        for snapshot in (self.before, self.after):
            resource = next(
                (r for r in snapshot.files.get(anchor[0], ())
                 if (r.document, r.pointer) == anchor[1:]),
                None,
            )  # fmt: skip
            if resource is None:
                continue
            for name in dict.fromkeys(names):
                direction = self.plan.relations[name]
                index = snapshot.index(direction.relation)
                for hit in index.related(resource, None, direction.reverse):
                    if hit.resource.path in self.changed:
                        found.setdefault(id(hit.resource), (hit.resource, name))
            if found:
                break
        return list(found.values())


def _since(paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:3]) + (" and others" if len(paths) > 3 else "")
    return f"since {shown} changed"


__all__ = ["Introduced", "changed_paths", "compare", "discover_base", "pair"]
