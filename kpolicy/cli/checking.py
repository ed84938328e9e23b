"""Compiling policies for their mistakes alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kpolicy.errors import Problem

if TYPE_CHECKING:
    from kpolicy.cli.loading import Loaded


def check_policies(
    loaded: Loaded, paths: set[str] | None = None
) -> tuple[int, list[Problem], list[Problem]]:
    """Return how many policies were checked, every mistake in them, and what may be one.

    Fields are checked against the Kubernetes schemas of the kinds that a policy matches: one that
    no kind has is a mistake, one that only some have may be. `paths` limits the check to policies
    written in these files.
    """
    from kpolicy import schemas
    from kpolicy.policy.compiled import CompileContext, compile_policy
    from kpolicy.policy.schema_check import SchemaChecker
    from kpolicy.relations.declared import directory_with
    from kpolicy.snapshot.kinds import Kinds

    toolbox = loaded.toolbox
    relations, wrong = directory_with(
        toolbox.relations, loaded.catalogue.relations, toolbox.libraries
    )
    context = CompileContext(
        toolbox.libraries,
        frozenset(relations),
        Kinds.of(toolbox.workload_kinds),
        loaded.catalogue.texts,
    )
    problems: list[Problem] = [*loaded.catalogue.problems, *wrong]
    warnings: list[Problem] = []
    checker = SchemaChecker(context, schemas.load())
    count = 0
    for policy in loaded.catalogue.policies.values():
        if paths is not None and (policy.location is None or policy.location.path not in paths):
            continue
        count += 1
        compiled, found = compile_policy(policy, context)
        problems += found
        if compiled is not None:
            report = checker.check(compiled)
            problems += report.errors
            warnings += report.warnings
    return count, problems, warnings
