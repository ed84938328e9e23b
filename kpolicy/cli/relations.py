"""`kpolicy relations`: what a resource is related to, and why."""

from __future__ import annotations

import click

from kpolicy.cli.options import plugin_options


@click.command()
@click.argument("resource", metavar="KIND/[NS/]NAME")
@click.argument("paths", nargs=-1, metavar="[PATH ...]")
@click.option(
    "--relation",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only this relation, or its way back (repeatable).",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "mermaid", "dot"]),
    default="text",
    show_default=True,
    help="mermaid and dot draw a graph.",
)
@click.option(
    "-c",
    "--config",
    "config_path",
    metavar="FILE",
    default="",
    help="Use this configuration instead of the one that is found.",
)
@click.option("--isolated", is_flag=True, help="Ignore the scanned tree's configuration.")
@click.option(
    "--scope",
    type=click.Choice(["tree", "directory", "file"]),
    default=None,
    help="What resources can be related across (default: the config's scopes, else the tree).",
)
@plugin_options
def relations(
    resource: str,
    paths: tuple[str, ...],
    names: tuple[str, ...],
    format_: str,
    config_path: str,
    isolated: bool,
    scope: str | None,
    disabled: tuple[tuple[str, ...], ...],
) -> int:
    """Show a resource's relations and their keys.

    Each line names a relation as a policy would, `object.related('NAME')`, the other resource, and
    what in the two made them related. References that lead nowhere are listed too.
    """
    from kpolicy.cli.files import write_stdout
    from kpolicy.cli.plugins import host_of, report_plugin_problems
    from kpolicy.cli.workspace import open_workspace, report_invalid
    from kpolicy.engine.request import ScanRequest
    from kpolicy.engine.settings import effective_config
    from kpolicy.relations.explain import explain
    from kpolicy.relations.graph import FORMATS
    from kpolicy.reporters.rendering import clean

    host = host_of(disabled)
    request = ScanRequest(
        targets=paths or (".",), config_path=config_path, isolated=isolated, scope=scope or ""
    )
    toolbox = host.toolbox()
    workspace = open_workspace(toolbox, request, effective_config(request, toolbox))
    chosen = workspace.choose_relations(names)
    explanation = explain(workspace.snapshot, workspace.only(resource), chosen)
    write_stdout(clean(FORMATS[format_](explanation)))
    report_invalid(workspace)
    return report_plugin_problems(host)
