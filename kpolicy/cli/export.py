"""`kpolicy export`: kpolicy's policies for an API server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kpolicy.cli.main import LazyGroup
from kpolicy.cli.options import complete_policies, flat, loading_options, words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kpolicy.engine.plan import Plan
    from kpolicy.errors import Problem
    from kpolicy.export import Exported, Options


@click.group(cls=LazyGroup)
def export() -> None:
    """Write policies in the form in which an API server takes them."""


@export.command()
@click.argument("ids", nargs=-1, metavar="[ID ...]", shell_complete=complete_policies)
@words("--pack", "NAME", "Export the policies of a pack, too (repeatable).")
@words("--exclude", "ID", "Leave out policies (ids or globs).", complete_policies)
@click.option("--all", "all_", is_flag=True, help="Export every policy that can be.")
@click.option(
    "--kubernetes-version", "release", metavar="VERSION", default="1.30", show_default=True,
    help="The oldest API server that shall accept the expressions; 1.30 is the first that has "
    "ValidatingAdmissionPolicy v1.",
)  # fmt: skip
@click.option(
    "--params", type=click.Choice(["literal", "configmap"]), default="literal", show_default=True,
    help="Write parameters into the policy, or read them from a ConfigMap that is written too.",
)  # fmt: skip
@click.option(
    "--namespace", metavar="NAME", default="default", show_default=True,
    help="The namespace of that ConfigMap.",
)  # fmt: skip
@click.option(
    "--action", "actions", multiple=True, type=click.Choice(["Deny", "Warn", "Audit"]),
    help="The Binding's validationActions (repeatable); default: Deny for severity error, Warn for "
    "warning, Audit for info.",
)  # fmt: skip
@click.option(
    "--output", metavar="FILE|DIR", default="",
    help="Write to this file; to a file a policy, where it is a directory or ends in /.",
)  # fmt: skip
@loading_options
def vap(ids: tuple[str, ...], **options: Any) -> int:
    """Write policies as ValidatingAdmissionPolicies with their Bindings.

    kpolicy's own functions are written out in plain CEL. A policy that looks at other resources, or
    that a server would not take, is refused with the reason: with status 2 where it is named by its
    id, otherwise it is only told.
    """
    from kpolicy.cli.plugins import report_plugin_problems
    from kpolicy.cli.problems import report_problems
    from kpolicy.export import Options, Refusal
    from kpolicy.export.vap import export_policy
    from kpolicy.plugins.manager import PluginHost

    wanted = Options(
        release=_release(options["release"]),
        params=options["params"],
        namespace=options["namespace"],
        actions=_actions(options["actions"]),
    )
    plan, libraries, host = _plan(ids, options)
    assert isinstance(host, PluginHost)
    exported: list[Exported] = []
    refused: list[tuple[str, Refusal]] = []
    for unit in plan.units:
        try:
            found = export_policy(unit.compiled, unit.params, plan.kinds, libraries, wanted)
            exported.append(found)
        except Refusal as reason:
            refused.append((unit.compiled.id, reason))
    _write(exported, options["output"])
    report_problems(plan.problems)
    named = [(id_, refusal) for id_, refusal in refused if id_ in ids]
    for id_, refusal in refused:
        if id_ not in ids:
            click.echo(f"not exported: {id_}: {refusal.reason} ({refusal.location})", err=True)
    report_problems(_problem(id_, refusal) for id_, refusal in named)
    click.echo(_summary(exported, refused, wanted), err=True)
    status = report_plugin_problems(host)
    return 2 if named or plan.problems else status


def _plan(ids: tuple[str, ...], options: Mapping[str, Any]) -> tuple[Plan, Sequence[Any], Any]:
    from dataclasses import replace

    from kpolicy.cli.loading import load
    from kpolicy.engine.plan import make_plan
    from kpolicy.engine.request import Selection
    from kpolicy.errors import Problem, UsageError

    packs = flat(options["pack"])
    if not (ids or packs or options["all_"]):
        hint = "kpolicy export vap ID ..., --pack NAME or --all"
        raise UsageError(Problem("no policy to export", None, hint))
    loaded = load(options)
    every = ("*",) if options["all_"] else ()
    of_packs = tuple(p.id for p in loaded.catalogue.policies.values() if p.pack in packs)
    for pack in packs:
        if pack not in loaded.catalogue.packs:
            hint = loaded.catalogue.unknown_pack(pack)
            raise UsageError(Problem(f'--pack: no pack "{pack}"', None, hint))
    selection = Selection(select=(*ids, *of_packs, *every), exclude=flat(options["exclude"]))
    request = replace(loaded.request, selection=selection)
    plan = make_plan(loaded.toolbox, request, loaded.config, loaded.catalogue)
    return plan, loaded.toolbox.libraries, loaded.host


def _release(text: str) -> tuple[int, int]:
    from kpolicy.errors import Problem, UsageError
    from kpolicy.export.model import OLDEST

    found = re.fullmatch(r"v?(\d+)\.(\d+)(?:\.\d+)?", text)
    if found is None:
        hint = "as in 1.30"
        raise UsageError(Problem(f'--kubernetes-version: "{text}" is no version', None, hint))
    release = int(found[1]), int(found[2])
    if release < OLDEST:
        hint = "1.30 is the first with ValidatingAdmissionPolicy v1"
        raise UsageError(
            Problem(f"--kubernetes-version: {text} is older than what is written", None, hint)
        )
    return release


def _actions(actions: tuple[str, ...]) -> tuple[str, ...]:
    from kpolicy.errors import Problem, UsageError

    if "Deny" in actions and "Warn" in actions:
        hint = "an API server refuses a Binding with both"
        raise UsageError(Problem("--action: Deny and Warn exclude each other", None, hint))
    return tuple(dict.fromkeys(actions))


def _write(exported: Sequence[Exported], output: str) -> None:
    from kpolicy.cli.files import write_file, write_stdout
    from kpolicy.export.text import as_yaml

    if output and (output.endswith("/") or Path(output).is_dir()):
        folder = Path(output)
        folder.mkdir(parents=True, exist_ok=True)
        for each in exported:
            write_file(str(folder / f"{each.id}.yaml"), as_yaml(each.documents))
        return
    text = as_yaml(document for each in exported for document in each.documents)
    if output:
        write_file(output, text)
    elif text:
        write_stdout(text)


def _problem(id_: str, refusal: Any) -> Problem:
    from kpolicy.errors import Problem

    return Problem(f'policy "{id_}" cannot be exported: {refusal}', refusal.location, refusal.hint)


def _summary(exported: Sequence[Exported], refused: Sequence[Any], options: Options) -> str:
    from kpolicy.reporters.rendering import plural

    release = f"{options.release[0]}.{options.release[1]}"
    text = f"{plural(len(exported), 'policy')} exported for Kubernetes {release} and later"
    return f"{text}, {len(refused)} refused."
