"""Compiling policies for their mistakes alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kpolicy.errors import Problem

if TYPE_CHECKING:
    from kpolicy.cli.loading import Loaded
    from kpolicy.policy.compiled import CompileContext
    from kpolicy.policy.model import Policy
    from kpolicy.schemas import SchemaSet


def check_policies(
    loaded: Loaded, paths: set[str] | None = None
) -> tuple[int, list[Problem], list[Problem]]:
    """Return how many policies were checked, every mistake in them, and what may be one.

    Fields are checked against the Kubernetes schemas of the kinds that a policy matches: one that
    no kind has is a mistake, one that only some have may be. `paths` limits the check to policies
    written in these files.
    """
    from kpolicy.policy.compiled import compile_policy
    from kpolicy.policy.schema_check import SchemaChecker

    context, known, wrong = _context(loaded)
    problems: list[Problem] = [*loaded.catalogue.problems, *wrong]
    warnings: list[Problem] = []
    checker = SchemaChecker(context, known)
    count = 0
    for policy in _chosen(loaded, paths):
        count += 1
        compiled, found = compile_policy(policy, context)
        problems += found
        if compiled is not None:
            report = checker.check(compiled)
            problems += report.errors
            warnings += report.warnings
    return count, problems, warnings


def type_checking(loaded: Loaded, paths: set[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield each ValidatingAdmissionPolicy with the `status.typeChecking` of an API server.

    `paths` limits them as in `check_policies`.
    """
    from kpolicy.policy.type_checking import as_status, type_warnings

    context, known, _ = _context(loaded)
    for policy in _chosen(loaded, paths):
        if "vap" in policy.metadata:
            yield as_status(policy, type_warnings(policy, context, known))


def _chosen(loaded: Loaded, paths: set[str] | None) -> Iterator[Policy]:
    # What changes objects is checked like the rest.
    for policy in (*loaded.catalogue.policies.values(), *loaded.catalogue.mutating):
        at = policy.location
        if paths is None or (at is not None and at.path in paths):
            yield policy


def _context(loaded: Loaded) -> tuple[CompileContext, SchemaSet, tuple[Problem, ...]]:
    """Return what policies are checked against, with the kinds that policy files define."""
    from kpolicy import schemas
    from kpolicy.engine.admission.inputs import definition_bodies, definitions_of
    from kpolicy.policy.compiled import CompileContext
    from kpolicy.relations.declared import directory_with
    from kpolicy.snapshot.kinds import Kinds

    toolbox = loaded.toolbox
    relations, wrong = directory_with(
        toolbox.relations, loaded.catalogue.relations, toolbox.libraries
    )
    context = CompileContext(
        toolbox.libraries,
        frozenset(relations),
        Kinds.of(toolbox.workload_kinds, definitions_of(loaded.catalogue, ())),
        loaded.catalogue.texts,
    )
    known = schemas.load().with_custom_resources(*definition_bodies(loaded.catalogue))
    return context, known, tuple(wrong)
