"""What ValidatingAdmissionPolicies are given besides the scanned input, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kpolicy.errors import Problem, UsageError
from kpolicy.manifests.model import Note
from kpolicy.snapshot.kinds import CustomKind, custom_kind_of, guess_plural, split_api_version

if TYPE_CHECKING:
    from kpolicy.engine.plan import Plan
    from kpolicy.engine.request import ScanRequest
    from kpolicy.engine.rows import Row
    from kpolicy.policy.catalogue import Catalogue
    from kpolicy.snapshot.resource import Resource


def param_bodies(paths: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return the objects in the files and directories of `--params`.

    Raises `UsageError` for a path that is not there or a file that cannot be read.
    """
    if not paths:
        return []
    from kpolicy.manifests import discover, load

    found = discover(paths)
    problems = [Problem(f"--params: {i.message}", i.location) for i in found.invalid]
    bodies: list[Mapping[str, Any]] = []
    for file in found.files:
        loaded = load(file)
        problems += [Problem(f"--params: {i.message}", i.location) for i in loaded.invalid]
        bodies += [document.body for document in loaded.documents]
    if problems:
        raise UsageError(*problems)
    if not bodies:
        raise UsageError(Problem(f"--params: no resource in {', '.join(paths)}"))
    return bodies


def definitions_of(
    catalogue: Catalogue, params: Iterable[Mapping[str, Any]]
) -> tuple[CustomKind, ...]:
    """Return the kinds that definitions in policy files, or among the parameters, tell of."""
    found = (custom_kind_of(body) for body in (*definition_bodies(catalogue), *params))
    return tuple(dict.fromkeys(kind for kind in found if kind is not None))


def definition_bodies(catalogue: Catalogue) -> Iterator[Mapping[str, Any]]:
    """Yield the CustomResourceDefinitions that stand beside policies, each once."""
    seen: set[int] = set()
    for policy in (*catalogue.policies.values(), *catalogue.mutating):
        for body in policy.metadata.get("vap", {}).get("definitions", ()):
            if id(body) not in seen:
                seen.add(id(body))
                yield body


def admission_notes(
    plan: Plan, request: ScanRequest, resources: Iterable[Row | Resource] = ()
) -> list[Note]:
    """Return what has to be said once of the admission policies of a scan.

    `resources` are those of the scanned input, as far as they were kept.
    """
    units = [unit for unit in plan.units if unit.admission is not None]
    if not units:
        return []
    notes = [Note(text) for unit in units for text in unit.compiled.policy.metadata["vap"]["notes"]]
    unbound = [unit.compiled.id for unit in units if not unit.admission.bound]
    if unbound:
        names = _named(unbound)
        notes.append(Note(f"no binding for {names}: applied as if bound to everything with Deny"))
    if request.operation == "UPDATE" and not request.base:
        notes.append(Note("UPDATE without --base: oldObject is the object itself"))
    kinds = dict.fromkeys((r.api_version, r.kind, r.name) for r in resources)
    # The name of a definition is <plural>.<group>.
    defined = {
        name.partition(".")[2] for _, kind, name in kinds if kind == "CustomResourceDefinition"
    }
    guessed: dict[tuple[str, str], None] = {}
    for api_version, kind in dict.fromkeys((a, k) for a, k, _ in kinds):
        group, _ = split_api_version(api_version)
        if group in defined or plan.kinds.knows(group, kind):
            continue
        if any(unit.matcher.meets_kind(api_version, kind) for unit in units):
            guessed.setdefault((group, kind))
    for group, kind in guessed:
        notes.append(
            Note(
                f"no definition of {group}/{kind} in the input: "
                f'policies see its resource as "{guess_plural(kind)}"'
            )
        )
    return notes


def _named(ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:3])
    return shown if len(ids) <= 3 else f"{shown} and {len(ids) - 3} more"
