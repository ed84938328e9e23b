"""`kpolicy explain`: what a policy is for."""

from __future__ import annotations

from typing import Any

import click

from kpolicy.cli.options import complete_policies, loading_options


@click.command()
@click.argument(
    "ids", nargs=-1, required=True, metavar="POLICY ...", shell_complete=complete_policies
)
@loading_options
@click.option(
    "--format", "format_", type=click.Choice(["text", "markdown", "json"]), default="text",
    show_default=True, help="How to print it.",
)  # fmt: skip
def explain(ids: tuple[str, ...], **options: Any) -> int:
    """Say what a policy is for, and what to do about a finding."""
    from kpolicy.cli.describe import as_data, as_markdown, as_text
    from kpolicy.cli.files import write_stdout
    from kpolicy.cli.loading import load
    from kpolicy.cli.plugins import report_plugin_problems
    from kpolicy.reporters.json import encode

    loaded = load(options)
    found = [loaded.policy(id_) for id_ in ids]
    if options["format_"] == "json":
        data = [as_data(policy) for policy in found]
        write_stdout(encode(data if len(data) > 1 else data[0]))
    else:
        render = as_text if options["format_"] == "text" else as_markdown
        write_stdout("\n".join(render(policy) for policy in found))
    return report_plugin_problems(loaded.host)
