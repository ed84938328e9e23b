"""`kpolicy suppressions`: everything that keeps a finding from being reported, in one list."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from kpolicy.cli.options import flat, loading_options, selection_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kpolicy.findings import Finding, Report


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH ...]")
@loading_options
@selection_options
@click.option("--baseline", metavar="FILE", default="", help="Count this baseline too.")
@click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text",
    show_default=True, help="How to print them.",
)  # fmt: skip
def suppressions(paths: tuple[str, ...], **options: Any) -> int:
    """List all suppressions in use, with their reasons.

    Each says what it silences and where it stands. Those that silence nothing, or whose day is
    over, follow.
    """
    from kpolicy.cli.files import write_stdout
    from kpolicy.cli.loading import load
    from kpolicy.cli.plugins import report_plugin_problems
    from kpolicy.cli.problems import report_problems
    from kpolicy.engine import scan
    from kpolicy.engine.request import Selection
    from kpolicy.reporters.json import encode

    loaded = load(options, paths)
    request = replace(
        loaded.request,
        selection=Selection(
            select=flat(options["select"]),
            packs=flat(options["pack"]),
            include=flat(options["include"]),
            exclude=flat(options["exclude"]),
            all=options["all_"],
        ),
        baseline=options["baseline"],
        report_unused_suppressions=True,
        jobs=1,
    )
    report = scan(request, loaded.toolbox)
    render = encode if options["format_"] == "json" else _as_text
    write_stdout(render(_as_data(report)))
    report_problems(report.problems)
    return 2 if report.problems else report_plugin_problems(loaded.host)


def _as_data(report: Report) -> dict[str, Any]:
    unused = [note for note in report.notes if note.location is not None]
    return {
        "suppressions": [_row(finding) for finding in report.suppressed],
        "unused": [
            {"at": str(note.location), "message": note.message}
            for note in unused
            if "suppress" in note.message
        ],
    }


def _row(finding: Finding) -> dict[str, str]:
    why = finding.suppression
    assert why is not None
    return {
        "kind": why.kind,
        "at": str(why.location) if why.location is not None else "",
        "reason": why.reason,
        "policy": finding.policy,
        "severity": finding.severity,
        "resource": str(finding.resource),
        "finding": str(finding.place.location),
        "message": finding.message,
    }


def _as_text(data: Mapping[str, Any]) -> str:
    from kpolicy.reporters.rendering import one_line, plural

    lines = []
    for row in data["suppressions"]:
        lines.append(f"{row['at'] or row['finding']}  {row['kind']}  {row['policy']}")
        lines.append(f"  silences {row['severity']} at {row['finding']} {row['resource']}")
        lines.append(f"  reason: {one_line(row['reason']) or 'none is given'}")
    lines += [f"{row['at']}  {one_line(row['message'])}" for row in data["unused"]]
    count = plural(len(data["suppressions"]), "finding")
    idle = plural(len(data["unused"]), "suppression")
    lines.append(f"{count} suppressed. Without effect: {idle}.")
    return "\n".join(lines) + "\n"
