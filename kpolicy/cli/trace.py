"""`kpolicy trace`: why a policy decided as it did."""

from __future__ import annotations

from typing import Any

import click

from kpolicy.cli.options import complete_policies, loading_options


@click.command()
@click.argument("policy", metavar="POLICY", shell_complete=complete_policies)
@click.argument("paths", nargs=-1, metavar="[PATH ...]")
@click.option(
    "--resource",
    "name",
    required=True,
    metavar="KIND/[NS/]NAME",
    help="The resource that the policy was evaluated on.",
)
@click.option(
    "--full", is_flag=True, help="Show every sub-expression, not only those that decided."
)
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="ID.NAME=VALUE",
    help="Set a policy's parameter; VALUE is YAML (repeatable).",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
@loading_options
def trace(policy: str, paths: tuple[str, ...], **options: Any) -> int:
    """Show why a policy decided as it did for one resource.

    Every expression of the policy is shown with the values of the sub-expressions that decided it,
    and every relation that was asked for with its answers and the keys that matched.
    """
    from dataclasses import replace

    from kpolicy.cli.files import write_stdout
    from kpolicy.cli.loading import load
    from kpolicy.cli.params import params_of
    from kpolicy.cli.plugins import report_plugin_problems
    from kpolicy.cli.tracing import as_data, as_text, trace_policy
    from kpolicy.cli.workspace import open_workspace, report_invalid
    from kpolicy.engine.join import JoinEvaluator
    from kpolicy.engine.local import Settings
    from kpolicy.engine.plan import make_plan
    from kpolicy.engine.request import Selection
    from kpolicy.reporters.json import encode
    from kpolicy.reporters.rendering import clean

    loaded = load(options, paths)
    loaded.policy(policy)
    request = replace(
        loaded.request,
        selection=Selection(select=(policy,)),
        params=params_of(options["params"]),
    )
    plan = make_plan(loaded.toolbox, request, loaded.config, loaded.catalogue)
    unit = next(u for u in plan.units if u.compiled.id == policy)
    workspace = open_workspace(loaded.toolbox, request, loaded.config)
    resource = workspace.only(options["name"])
    traced = trace_policy(unit, resource, JoinEvaluator(plan, Settings(), workspace.snapshot))
    if options["format_"] == "json":
        write_stdout(encode(as_data(traced, options["full"])))
    else:
        write_stdout(clean(as_text(traced, options["full"])))
    report_invalid(workspace)
    return report_plugin_problems(loaded.host)
