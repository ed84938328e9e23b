"""`kpolicy plugin`: what is installed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kpolicy.cli.main import LazyGroup
from kpolicy.cli.options import Words, flat, plugin_options

if TYPE_CHECKING:
    from kpolicy.plugins.manager import PluginHost

#: What each hook gives, in the words of `plugin list`, and how one thing is called.
_PROVIDES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "kpolicy_policy_packs": ("packs", lambda pack: pack.name),
    "kpolicy_policies": ("Python policies", lambda policy: policy.id),
    "kpolicy_enforced_policies": ("enforced policies", str),
    "kpolicy_cel_libraries": ("CEL libraries", lambda library: library.name),
    "kpolicy_relations": ("relations", lambda relation: relation.name),
    "kpolicy_policy_formats": ("policy formats", lambda format_: format_.name),
    "kpolicy_sources": ("sources", lambda source: source.name),
    "kpolicy_reporters": ("reporters", lambda reporter: reporter.name),
    "kpolicy_workload_kinds": (
        "workload kinds", lambda kind: f"{kind.group}/{kind.kind}" if kind.group else kind.kind,
    ),
}  # fmt: skip


@click.group(cls=LazyGroup)
def plugin() -> None:
    """List installed plugins, or begin a new one."""


@plugin.command("list")
@plugin_options
@click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text",
    show_default=True, help="How to print them.",
)  # fmt: skip
def list_(disabled: tuple[tuple[str, ...], ...], format_: str) -> int:
    """List plugins: name, version, and what each provides. The built-in ones come first."""
    from kpolicy.cli.files import write_stdout
    from kpolicy.cli.plugins import host_of, report_plugin_problems
    from kpolicy.reporters.json import encode

    host = host_of(disabled)
    provided = provides(host)
    rows = [
        {
            "name": found.name,
            "distribution": found.distribution,
            "version": found.version,
            "status": found.status,
            "module": found.target,
            "provides": provided.get(found.name, {}),
        }
        for found in host.plugins.values()
    ]
    write_stdout(encode(rows) if format_ == "json" else _as_text(rows))
    return report_plugin_problems(host)


@plugin.command()
@click.argument("name", required=False)
@click.option(
    "--with",
    "parts",
    type=Words(),
    multiple=True,
    metavar="PART",
    help="What it begins with: pack, function, relation, policy, labels, reporter, kind"
    " (default: pack and function).",
)
@click.option(
    "-d",
    "--directory",
    default="",
    metavar="DIR",
    help="Where to write it (default: kpolicy-NAME in this directory).",
)
def new(name: str | None, parts: tuple[tuple[str, ...], ...], directory: str) -> None:
    """Write a plugin package with tests that pass, type hints and CI.

    On a terminal, what is not given is asked. Files that exist are never overwritten.
    """
    from kpolicy.cli.files import write_new_files
    from kpolicy.cli.outputs import is_terminal
    from kpolicy.errors import Problem, UsageError
    from kpolicy.plugins.scaffold import PARTS, plugin_files
    from kpolicy.strict.suggest import did_you_mean

    asking = name is None and is_terminal(sys.stdin)
    if name is None:
        if not asking:
            raise click.UsageError("Missing argument 'NAME'.")
        name = click.prompt("Name of the plugin, as in acme", type=str)
    chosen = flat(parts)
    if asking and not chosen:
        chosen = tuple(
            part
            for part, what in PARTS.items()
            if click.confirm(f"Begin with {what}?", default=part in ("pack", "function"))
        )
    for part in chosen:
        if part not in PARTS:
            hint = did_you_mean(part, PARTS) or f"parts: {', '.join(PARTS)}"
            raise UsageError(Problem(f'--with: there is no part "{part}"', None, hint))
    assert name is not None
    files = plugin_files(name, chosen or ("pack", "function"))
    folder = Path(directory or f"kpolicy-{name}")
    write_new_files(folder, files)
    click.echo(f"{len(files)} files written to {folder}. To see its tests pass:")
    click.echo(f"  cd {folder} && python -m venv .venv && .venv/bin/pip install -e '.[dev]'")
    click.echo("  .venv/bin/python -m pytest")


def provides(host: PluginHost) -> dict[str, dict[str, list[str]]]:
    """Return what each plugin gives: plugin -> kind of thing -> names."""
    host.toolbox()
    host.reporters()
    found: dict[str, dict[str, list[str]]] = {}
    for hook, (title, name) in _PROVIDES.items():
        for owner, item in host.answers(hook):
            found.setdefault(owner, {}).setdefault(title, []).append(name(item))
    for owner in host.implementing("kpolicy_process_findings"):
        found.setdefault(owner, {})["post-processing"] = ["findings"]
    return found


def _as_text(rows: list[dict[str, Any]]) -> str:
    import textwrap

    out: list[str] = []
    for row in rows:
        status = "" if row["status"] == "active" else f" [{row['status']}]"
        dist = f" ({row['distribution']})" if row["distribution"] != row["name"] else ""
        out.append(f"{row['name']} {row['version']}{dist}{status}")
        for title, names in row["provides"].items():
            text = f"{title}: {', '.join(names)}"
            out += textwrap.wrap(text, 96, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(out) + "\n"
