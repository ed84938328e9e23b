"""`kpolicy plugin`: what is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from kpolicy.cli.main import LazyGroup
from kpolicy.cli.options import plugin_options

if TYPE_CHECKING:
    from kpolicy.plugins.manager import PluginHost

#: What each hook gives, in the words of `plugin list`, and how one thing is called.
_PROVIDES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "kpolicy_policy_packs": ("packs", lambda pack: pack.name),
    "kpolicy_policies": ("Python policies", lambda policy: policy.id),
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
    """List installed plugins."""


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
