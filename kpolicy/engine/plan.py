"""What runs in this scan: the chosen policies, compiled, with parameters, filed by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from kpolicy.config.model import Config
from kpolicy.engine.evaluate import Unit
from kpolicy.engine.policy_files import BUILTIN, policy_sources
from kpolicy.engine.request import ScanRequest, Toolbox
from kpolicy.engine.selection import choose, severity_of, unknown_enforced
from kpolicy.errors import ConfigError, Problem, UsageError
from kpolicy.findings import PolicyInfo, Severity
from kpolicy.frozen import freeze
from kpolicy.location import SourceLocation
from kpolicy.policy.catalogue import Catalogue, build, shown
from kpolicy.policy.compiled import CompileContext, CompiledPolicy, Question, compile_policy
from kpolicy.policy.matching import Matcher, Test
from kpolicy.policy.model import Policy
from kpolicy.policy.params import resolve
from kpolicy.policy.programs import Patience, share
from kpolicy.records import dataclass
from kpolicy.snapshot.kinds import Kinds

if TYPE_CHECKING:
    from kpolicy.policy.schema_check import SchemaChecker
    from kpolicy.relations.index import Direction
    from kpolicy.snapshot.resource import Resource


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The policies of a scan. `local` need only their own resource, `join` more."""

    units: tuple[Unit, ...]
    kinds: Kinds
    relations: Mapping[str, Direction]
    catalogue: Catalogue
    engine: str = "compiled"
    problems: tuple[Problem, ...] = ()
    """What is wrong with policies that were chosen, or could have been, and do not run."""
    patience: Patience = field(default_factory=Patience)
    """When the programs are turned into code."""
    mutating: tuple[Unit, ...] = ()
    """Policies that change objects: checked with the others, and no part of a scan."""
    _by_kind: dict[tuple[str, str, str, bool, str], tuple[tuple[Unit, Test | None], ...]] = field(
        default_factory=dict
    )

    def meeting(
        self, resource: Resource, joins: bool, operation: str
    ) -> tuple[tuple[Unit, Test | None], ...]:
        """Return the units, local or join, that may meet resources of this kind and decoding.

        Each comes with what else a resource must pass under the operation; None = nothing.
        """
        key = (resource.api_version, resource.kind, resource.decoding, joins, operation)
        found = self._by_kind.get(key)
        if found is None:
            found = self._by_kind[key] = tuple(
                (unit, unit.matcher.test_for(operation))
                for unit in self.units
                if unit.compiled.joins == joins and unit.matcher.may_meet(resource)
            )
        return found

    @property
    def joins(self) -> bool:
        """Whether some policy looks beyond its own resource."""
        return any(unit.compiled.joins for unit in self.units)

    @property
    def questions(self) -> frozenset[Question]:
        """All relations (with filters) that some policy asks for."""
        return frozenset(q for unit in self.units for q in unit.compiled.questions)

    def policies(self) -> Mapping[str, Policy]:
        """Return the policies as they run (severities of the configuration applied), by id."""
        return {unit.compiled.id: unit.compiled.policy for unit in self.units}

    def infos(self) -> tuple[PolicyInfo, ...]:
        """Return what reporters need to know of the policies, by id."""
        return tuple(info(policy) for policy in self.policies().values())


def info(policy: Policy) -> PolicyInfo:
    """Return what a reporter needs to know of a policy."""
    return PolicyInfo(
        id=policy.id,
        pack=policy.pack,
        severity=policy.severity,
        title=policy.title,
        description=policy.description,
        remediation=policy.remediation,
        references=policy.references,
        category=policy.category,
    )


def catalogue_of(toolbox: Toolbox, request: ScanRequest, config: Config) -> Catalogue:
    """Return every policy that could run: packs, Python policies, `-p` and the configuration's.

    Taken from the cache where that has this very set of files. What is wrong in a file stands in
    `problems`; the other policies are there.
    """
    from kpolicy.engine.policy_cache import key_of, load_catalogue

    files, python, problems = policy_sources(toolbox, request, config)
    if request.engine == "compiled" and not problems:
        at = _compiled_at_build(toolbox)
        if at is not None:
            from kpolicy.engine.shipped import load_shipped

            shipped = load_shipped(files, python, at)
            if shipped is not None:
                return shipped
    key = key_of(files, toolbox.digest) if request.engine == "compiled" else ""
    if key and not problems:
        cached = load_catalogue(key, files, python)
        if cached is not None:
            return cached
    catalogue = build(files, python, toolbox.formats, problems)
    if catalogue.problems:
        return catalogue
    # What declared relations compile to is not kept; neither are the policies that use them.
    if catalogue.relations or catalogue.notes:
        return catalogue
    return replace(catalogue, key=key)


def _compiled_at_build(toolbox: Toolbox) -> Path | None:
    """Return the file that a wheel has beside the built-in packs; a checkout has none."""
    for pack in toolbox.packs:
        if pack.plugin in BUILTIN and isinstance(pack.directory, Path):
            file = pack.directory.parent / "compiled.bin"
            return file if file.is_file() else None
    return None


def make_plan(
    toolbox: Toolbox,
    request: ScanRequest,
    config: Config,
    catalogue: Catalogue | None = None,
) -> Plan:
    """Return the plan of a scan. Only chosen policies are compiled.

    A policy that does not load or compile is left out, and what is wrong with it stands in
    `Plan.problems`. Raises `ConfigError` or `UsageError`, with everything that is wrong.
    """
    if catalogue is None:
        catalogue = catalogue_of(toolbox, request, config)
    ids = choose(catalogue, request.selection, config)
    given, kinds = _admission_inputs(toolbox, request, catalogue)
    problems = [*catalogue.problems, *unknown_enforced(catalogue, config)]
    relations = _directory(toolbox, catalogue, problems)
    context = CompileContext(
        toolbox.libraries, frozenset(relations), kinds, catalogue.texts, request.engine
    )
    units: list[Unit] = []
    compiled: CompiledPolicy | None = None
    fresh: dict[str, CompiledPolicy] = {}
    newcomers = _Newcomers(toolbox, context)
    wrong_params: list[Problem] = []
    for id_ in ids:
        policy = catalogue.policies[id_]
        severity = severity_of(id_, policy.severity, config.severity)
        if config.enforces(id_):
            severity = policy.severity
        if severity != policy.severity:
            policy = replace(policy, severity=cast(Severity, severity))
        blob = catalogue.stored.get(id_)
        if blob is not None:
            compiled = _restored(blob, policy, context)
        if blob is None or compiled is None:
            compiled, found = compile_policy(policy, context)
            problems.extend(found)
            if compiled is None:
                continue
            # Of an admission policy, schemas give warnings alone (`kpolicy policies check`).
            wrong = () if "vap" in policy.metadata else newcomers.problems(compiled)
            if wrong:
                problems.extend(wrong)
                continue
            fresh[id_] = compiled
        params = _params(policy, request, config, wrong_params)
        if "vap" in policy.metadata:
            from kpolicy.engine.admission.unit import admission_unit

            units.append(admission_unit(compiled, kinds, len(units), given))
            configured = severity != catalogue.policies[id_].severity
            for rule in policy.rules:
                if configured:
                    rule = replace(rule, severity=policy.severity)
                compiled_rule, wrong_rule = compile_policy(rule, context)
                problems.extend(wrong_rule)
                if compiled_rule is not None:
                    units.append(admission_unit(compiled_rule, kinds, len(units), given))
            continue
        units.append(Unit(compiled, Matcher(policy, kinds), params, len(units)))
    for draft in catalogue.drafts:
        problems.extend(compile_policy(draft, context)[1])
    mutating: list[Unit] = []
    for policy in catalogue.mutating:
        from kpolicy.engine.admission.unit import admission_unit

        compiled, found = compile_policy(policy, context)
        problems.extend(found)
        if compiled is not None:
            mutating.append(admission_unit(compiled, kinds, len(mutating), given))
    share(p for unit in units if not unit.compiled.joins for p in unit.compiled.asked())
    _check_param_names(request, catalogue)
    if wrong_params:
        raise ConfigError(*wrong_params)
    if catalogue.key:
        from kpolicy.engine.policy_cache import is_kept, save_catalogue

        if any(is_kept(compiled.policy) for compiled in fresh.values()):
            save_catalogue(catalogue, fresh)
    return Plan(
        tuple(units), kinds, relations, catalogue, request.engine, tuple(problems),
        context.patience, tuple(mutating),
    )  # fmt: skip


class _Newcomers:
    """Checks policies that are seen for the first time against the schemas of their kinds.

    The policies that ship with kpolicy are held to them by its tests. Schemas are loaded for the
    first policy that needs them.
    """

    def __init__(self, toolbox: Toolbox, context: CompileContext) -> None:
        self._context = context
        self._checker: SchemaChecker | None = None
        self._shipped = tuple(
            f"{shown(pack.directory)}/"
            for pack in toolbox.packs
            if pack.plugin in ("", "builtin") and isinstance(pack.directory, Path)
        )

    def problems(self, compiled: CompiledPolicy) -> tuple[Problem, ...]:
        """Return the mistyped fields of a policy: none of its kinds has them, but almost."""
        at = compiled.policy.location
        if at is None or at.path.startswith(self._shipped):
            return ()
        if self._checker is None:
            from kpolicy import schemas
            from kpolicy.policy.schema_check import SchemaChecker

            self._checker = SchemaChecker(self._context, schemas.load())
        return self._checker.check(compiled).mistyped


def _admission_inputs(
    toolbox: Toolbox, request: ScanRequest, catalogue: Catalogue
) -> tuple[Sequence[Mapping[str, Any]], Kinds]:
    """Return the parameters of admission policies, and the kinds that policy files define too."""
    policies = (*catalogue.policies.values(), *catalogue.mutating)
    if not any("vap" in policy.metadata for policy in policies):
        return (), Kinds.of(toolbox.workload_kinds)
    from kpolicy.engine.admission.inputs import definitions_of, param_bodies

    given = param_bodies(request.param_paths)
    return given, Kinds.of(toolbox.workload_kinds, definitions_of(catalogue, given))


def _restored(blob: bytes, policy: Policy, context: CompileContext) -> CompiledPolicy | None:
    """Return what the cache had compiled, None where it is damaged."""
    import msgspec

    from kpolicy.policy.stored import restore_compiled

    try:
        return restore_compiled(blob, policy, context)
    except msgspec.MsgspecError:
        return None


def _directory(
    toolbox: Toolbox, catalogue: Catalogue, problems: list[Problem]
) -> Mapping[str, Direction]:
    from kpolicy.errors import PluginError
    from kpolicy.relations.index import directory

    try:
        if not catalogue.relations:
            return directory(toolbox.relations)
        from kpolicy.relations.declared import directory_with

        found, wrong = directory_with(toolbox.relations, catalogue.relations, toolbox.libraries)
    except ValueError as error:
        raise PluginError(Problem(str(error))) from error
    problems.extend(wrong)
    return found


def _params(
    policy: Policy, request: ScanRequest, config: Config, wrong: list[Problem]
) -> Mapping[str, Any]:
    from_config = {} if config.guards(policy.id) else config.params.get(policy.id, {})
    from_request = request.params.get(policy.id, {})
    values, problems = resolve(policy, from_config, from_request)
    for name, message, hint in problems:
        at = None
        if name in from_config:
            key = f"params.{policy.id}.{name}"
            at = config.origins.get(key, SourceLocation(config.path) if config.path else None)
        wrong.append(Problem(message, at, hint))
    frozen: Mapping[str, Any] = freeze(values)
    return frozen


def _check_param_names(request: ScanRequest, catalogue: Catalogue) -> None:
    wrong = [
        Problem(f'parameters for an unknown policy "{id_}"', None, catalogue.unknown(id_))
        for id_ in request.params
        if id_ not in catalogue.policies and not catalogue.is_broken(id_)
    ]
    if wrong:
        raise UsageError(*wrong)
