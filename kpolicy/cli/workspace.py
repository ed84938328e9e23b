"""The snapshot of what a command's paths hold, for the commands that look at single resources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kpolicy.errors import ManifestError, Problem, UsageError
from kpolicy.records import dataclass

if TYPE_CHECKING:
    from kpolicy.config.model import Config
    from kpolicy.engine.request import ScanRequest, Toolbox
    from kpolicy.manifests.model import Invalid, ManifestFile
    from kpolicy.relations.index import Direction
    from kpolicy.relations.model import Relation
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Workspace:
    """Resources, their relations, and what could not be read."""

    snapshot: Snapshot
    relations: Mapping[str, Direction]
    files: tuple[ManifestFile, ...]
    invalid: tuple[Invalid, ...]

    def choose_relations(self, names: tuple[str, ...]) -> list[Relation]:
        """Return the relations called `names` (or their inverses); all without names.

        Those that copy kube-linter's joins are left out unless named. Raises `UsageError`.
        """
        chosen = [self.relations[name].relation for name in names if name in self.relations]
        unknown = [name for name in names if name not in self.relations]
        if unknown:
            from kpolicy.strict.suggest import did_you_mean

            hint = did_you_mean(unknown[0], self.relations) or ", ".join(sorted(self.relations))
            raise UsageError(Problem(f'no relation "{unknown[0]}"', None, hint))
        if not names:
            chosen = [
                direction.relation
                for name, direction in self.relations.items()
                if not name.startswith("kube-linter-")
            ]
        return list(dict.fromkeys(chosen))

    def only(self, text: str) -> Resource:
        """Return the one resource that `KIND/[NS/]NAME` names. Raises `UsageError` otherwise."""
        found = named(self.snapshot.resources, text)
        if len(found) == 1:
            return found[0]
        if not found:
            from kpolicy.strict.suggest import did_you_mean

            known = [_short(resource) for resource in self.snapshot.resources]
            hint = did_you_mean(text, known) or "write KIND/NAME or KIND/NAMESPACE/NAME"
            raise UsageError(Problem(f'no resource "{text}" in the scanned input', None, hint))
        places = "\n".join(f"{_short(r)} at {r.location}" for r in found[:10])
        raise UsageError(
            Problem(f'"{text}" names {len(found)} resources', None, f"say which one:\n{places}")
        )


def open_workspace(
    toolbox: Toolbox, request: ScanRequest, config: Config, kinds: Kinds | None = None
) -> Workspace:
    """Read what a scan would read. Raises `ManifestError` where nothing could be read.

    `kinds` are those known beforehand; None = the toolbox's.
    """
    from kpolicy.engine.intake import intake
    from kpolicy.engine.outside import world_of
    from kpolicy.engine.tally import Tally
    from kpolicy.manifests import load
    from kpolicy.relations.index import directory
    from kpolicy.snapshot.kinds import Kinds
    from kpolicy.snapshot.resource import resource_from
    from kpolicy.snapshot.snapshot import Snapshot

    kinds = kinds or Kinds.of(toolbox.workload_kinds)
    found = intake(request, toolbox, config)
    tally = Tally(invalid=list(found.invalid))
    for file in found.files:
        loaded = load(file)
        tally.invalid += loaded.invalid
        tally.resources += [resource_from(document, kinds) for document in loaded.documents]
    if not tally.resources and tally.invalid:
        raise ManifestError(*(Problem(i.message, i.location) for i in tally.invalid))
    snapshot = Snapshot.of(tally.resources, kinds, world_of(config, tally, kinds))
    relations = directory(toolbox.relations)
    return Workspace(snapshot, relations, found.files, tuple(tally.invalid))


def report_invalid(workspace: Workspace) -> None:
    """Say on standard error what could not be read, where a command has no report to list it in."""
    if workspace.invalid:
        from kpolicy.cli.problems import report_problems

        report_problems(Problem(i.message, i.location) for i in workspace.invalid)


def named(resources: Any, text: str) -> list[Resource]:
    """Return the resources that `KIND/NAME` or `KIND/NAMESPACE/NAME` names.

    The kind's case does not matter. Without a namespace any will do; with one, a resource that
    names none is in `default`. Raises `UsageError` for a text of another form.
    """
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        hint = "as in Deployment/web or Deployment/shop/web"
        raise UsageError(Problem(f'"{text}" is not KIND/[NAMESPACE/]NAME', None, hint))
    kind, name = parts[0].lower(), parts[-1]
    namespace = parts[1] if len(parts) == 3 else None
    return [
        resource
        for resource in resources
        if resource.kind.lower() == kind
        and resource.name == name
        and (namespace is None or namespace in (resource.namespace, resource.key.namespace))
    ]


def _short(resource: Resource) -> str:
    where = f"{resource.namespace}/" if resource.namespace else ""
    return f"{resource.kind}/{where}{resource.name}"
