"""`kpolicy eval --mutate`: what MutatingAdmissionPolicies make of documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from kpolicy.cli.workspace import Workspace
    from kpolicy.engine.plan import Plan
    from kpolicy.engine.request import ScanRequest
    from kpolicy.mutate.evaluate import Mutated
    from kpolicy.schemas import SchemaSet
    from kpolicy.snapshot.resource import Resource

#: Options of `kpolicy eval` that are about an expression.
_OF_EXPRESSIONS = {"traced": "--trace", "show_python": "--show-python", "variables": "--var"}


def run_policies(expression: str | None, options: Mapping[str, Any]) -> int:
    """Print the documents of `-f` as the policies of `--mutate` leave them.

    Returns the exit status: 1 where the API server would refuse a document.
    """
    from kpolicy import schemas
    from kpolicy.cli.params import user_of
    from kpolicy.cli.plugins import host_of, report_plugin_problems
    from kpolicy.cli.workspace import open_workspace, report_invalid
    from kpolicy.config.model import Config
    from kpolicy.engine.plan import make_plan
    from kpolicy.engine.request import ScanRequest
    from kpolicy.errors import PolicyError, Problem

    if expression is not None:
        raise click.UsageError("--mutate runs policies; leave out EXPR.")
    for name, flag in _OF_EXPRESSIONS.items():
        if options[name]:
            raise click.UsageError(f"{flag} is for an expression; leave it out with --mutate.")
    if not options["files"]:
        raise click.UsageError("--mutate needs -f FILE, the document to change.")
    host = host_of(options["disabled"])
    toolbox = host.toolbox()
    request = ScanRequest(
        targets=options["files"],
        isolated=True,
        policy_paths=options["policy_paths"],
        param_paths=options["param_paths"],
        builtin=False,
        operation=options["operation"] or "CREATE",
        user=user_of(options["user"]) if options["user"] else {},
    )
    plan = make_plan(toolbox, request, Config())
    if plan.problems:
        raise PolicyError(*plan.problems)
    if not plan.mutating:
        paths = ", ".join(options["policy_paths"])
        hint = "policies that admit or refuse are run by `kpolicy scan -p`"
        raise PolicyError(Problem(f"no MutatingAdmissionPolicy in {paths}", None, hint))
    workspace = open_workspace(toolbox, request, Config(), plan.kinds)
    chosen = workspace.snapshot.resources
    if options["resource"]:
        chosen = (workspace.only(options["resource"]),)
    known = schemas.load().with_custom_resources(*_definitions(plan, request, workspace))
    _say_of_policies(plan)
    bodies: list[Any] = []
    refused = False
    for resource in chosen:
        result = _mutated(resource, plan, request, workspace, known)
        _say_of(resource, result)
        refused = refused or result.refused
        if not result.refused:
            bodies.append(result.body)
    _print(bodies, options["output_format"] or "yaml")
    report_invalid(workspace)
    if workspace.invalid:
        return 2
    return int(refused) or report_plugin_problems(host)


def _mutated(
    resource: Resource,
    plan: Plan,
    request: ScanRequest,
    workspace: Workspace,
    known: SchemaSet,
) -> Mutated:
    from kpolicy.engine.request_object import request_of
    from kpolicy.mutate.evaluate import mutate
    from kpolicy.snapshot.kinds import split_api_version

    snapshot = workspace.snapshot
    operation = request.operation or "CREATE"
    bindings = {
        "object": None if operation == "DELETE" else resource.body,
        # Without a base the old object is the same, as in a scan.
        "oldObject": resource.body if operation in ("UPDATE", "DELETE") else None,
        "request": request_of(resource, snapshot.kinds, operation, request.user),
        "namespaceObject": None,
    }
    group, version = split_api_version(resource.api_version)
    schema = known.schema_for(group, version, resource.kind)
    return mutate(plan.mutating, resource, bindings, snapshot, schema)


def _definitions(plan: Plan, request: ScanRequest, workspace: Workspace) -> Iterator[Any]:
    """Yield the CustomResourceDefinitions of the policy files, the parameters and the documents."""
    from kpolicy.engine.admission.inputs import param_bodies

    for unit in plan.mutating:
        yield from unit.compiled.policy.metadata["vap"].get("definitions", ())
    for body in param_bodies(request.param_paths):
        if body.get("kind") == "CustomResourceDefinition":
            yield body
    kind = "CustomResourceDefinition"
    for resource in workspace.snapshot.by_kind("apiextensions.k8s.io", kind):
        yield resource.body


def _say_of_policies(plan: Plan) -> None:
    for unit in plan.mutating:
        for note in unit.compiled.policy.metadata["vap"]["notes"]:
            click.echo(f"note: {note}", err=True)
        if not unit.admission.bound:
            text = f"no binding for {unit.compiled.id}: applied as if bound to everything"
            click.echo(f"note: {text}", err=True)


def _say_of(resource: Resource, result: Mutated) -> None:
    from kpolicy.reporters.rendering import one_line

    words = {
        "changed": "changed by",
        "skipped": "left alone by",
        "ignored": "failure ignored of",
        "refused": "refused by",
    }
    for what, policy, text in result.said:
        head = "error" if what == "refused" else "note"
        line = f"{head}: {resource.kind}/{resource.name} {words[what]} {policy}: {text}"
        click.echo(one_line(line), err=True)


def _print(bodies: Sequence[Any], output_format: str) -> None:
    from kpolicy.cli.files import write_stdout

    if output_format == "json":
        from kpolicy.cli.values import as_json

        whole = (
            bodies[0]
            if len(bodies) == 1
            else {"apiVersion": "v1", "kind": "List", "items": [*bodies]}
        )
        if bodies:
            write_stdout(as_json(whole) + "\n")
        return
    from kpolicy.export.text import as_yaml
    from kpolicy.frozen import thaw

    written = as_yaml(thaw(body) for body in bodies if body is not None)
    if written:
        write_stdout(written)
