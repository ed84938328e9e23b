"""`kpolicy policies`: what there is, and whether it is sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kpolicy.cli.main import LazyGroup
from kpolicy.cli.options import (
    complete_packs,
    complete_policies,
    flat,
    loading_options,
    selection_options,
    words,
)

if TYPE_CHECKING:
    from kpolicy.cli.loading import Loaded
    from kpolicy.policy.model import Policy


@click.group(cls=LazyGroup)
def policies() -> None:
    """List, show, check and begin policies."""


@policies.command("list")
@loading_options
@selection_options
@click.option("--selected", is_flag=True, help="Only those that a scan of this place would run.")
@click.option(
    "--format", "format_", type=click.Choice(["text", "json", "markdown"]), default="text",
    show_default=True, help="How to print them.",
)  # fmt: skip
def list_(**options: Any) -> int:
    """List policies: every loaded one, or those that selection options choose.

    A star marks what belongs to the default set.
    """
    from kpolicy.cli.files import write_stdout
    from kpolicy.cli.loading import load
    from kpolicy.cli.plugins import report_plugin_problems

    loaded = load(options)
    chosen = _chosen(loaded, options)
    write_stdout(_LISTS[options["format_"]](chosen))
    return report_plugin_problems(loaded.host)


def _chosen(loaded: Loaded, options: dict[str, Any]) -> list[Policy]:
    """Return the policies that the options mean, by pack and id."""
    from kpolicy.engine.request import Selection
    from kpolicy.engine.selection import choose

    everything = loaded.catalogue.policies
    selection = Selection(
        select=flat(options["select"]),
        packs=flat(options["pack"]),
        include=flat(options["include"]),
        exclude=flat(options["exclude"]),
        all=options["all_"],
    )
    narrowed = options["selected"] or selection.select or selection.include
    if not narrowed and selection.packs:
        # `--pack NAME` alone lists the pack, not the default set besides.
        default = set(choose(loaded.catalogue, Selection(), loaded.config))
        picked = set(choose(loaded.catalogue, selection, loaded.config))
        of_pack = {id_ for id_ in picked if everything[id_].pack in selection.packs}
        ids = of_pack | (picked - default)
    elif narrowed:
        ids = set(choose(loaded.catalogue, selection, loaded.config))
    else:
        everything_else = Selection(all=True, include=("*",), exclude=selection.exclude)
        ids = set(choose(loaded.catalogue, everything_else, loaded.config)) if everything else set()
    return sorted((everything[id_] for id_ in ids), key=lambda p: (p.pack, p.id))


def _as_text(chosen: list[Policy]) -> str:
    from kpolicy.reporters.rendering import one_line, plural

    width = max((len(policy.id) for policy in chosen), default=0)
    lines: list[str] = []
    pack = None
    for policy in chosen:
        if policy.pack != pack:
            pack = policy.pack
            lines += ["", pack or "(no pack)"] if lines else [pack or "(no pack)"]
        star = "*" if policy.default else " "
        title = one_line(policy.title)
        row = f"  {star} {policy.id.ljust(width)}  {policy.severity.ljust(7)}  {title}"
        lines.append(row.rstrip())
    default = sum(policy.default for policy in chosen)
    lines += ["", f"{plural(len(chosen), 'policy')}, {default} in the default set (*)"]
    return "\n".join(lines) + "\n"


def _as_json(chosen: list[Policy]) -> str:
    from kpolicy.cli.describe import as_data
    from kpolicy.reporters.json import encode

    return encode([as_data(policy) for policy in chosen])


def _as_markdown(chosen: list[Policy]) -> str:
    rows = ["| Policy | Severity | Pack | Default | What it finds |", "|---|---|---|---|---|"]
    for policy in chosen:
        title = policy.title.replace("|", "\\|")
        default = "yes" if policy.default else ""
        rows.append(f"| `{policy.id}` | {policy.severity} | {policy.pack} | {default} | {title} |")
    return "\n".join(rows) + "\n"


_LISTS = {"text": _as_text, "json": _as_json, "markdown": _as_markdown}


@policies.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID ...", shell_complete=complete_policies)
@loading_options
@click.option(
    "--format", "format_", type=click.Choice(["yaml", "json"]), default="yaml",
    show_default=True, help="yaml: as it is written; json: what it says of itself.",
)  # fmt: skip
def show(ids: tuple[str, ...], **options: Any) -> int:
    """Show policies as they are written."""
    from kpolicy.cli.describe import as_data
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
        write_stdout("---\n".join(_definition(policy, loaded) for policy in found))
    return report_plugin_problems(loaded.host)


def _definition(policy: Policy, loaded: Loaded) -> str:
    """Return a policy's document as it is written, or what is known of one made in Python."""
    from kpolicy.reporters.rendering import clean

    at = policy.location
    text = loaded.catalogue.texts.get(at.path, "") if at else ""
    if at is None or not text:
        origin = f'plugin "{policy.plugin}"' if policy.plugin else "kpolicy"
        return f"# {policy.id} is made in Python by {origin}; `kpolicy explain {policy.id}`\n"
    lines = text.splitlines()
    start = max(at.line - 1, 0)
    while start and lines[start - 1].rstrip() != "---":
        start -= 1
    end = next(
        (n for n in range(max(at.line, start + 1), len(lines)) if lines[n].rstrip() == "---"),
        len(lines),
    )
    return clean(f"# {at.path}\n" + "\n".join(lines[start:end]).strip("\n") + "\n")


@policies.command()
@click.argument("ids", nargs=-1, metavar="[ID ...]", shell_complete=complete_policies)
@loading_options
@words("--pack", "NAME", "Only the policies of these packs.", complete_packs)
@click.option(
    "-o", "--output", "output", metavar="DIR", default="",
    help="Write a page for each pack (PACK.md) and an index (README.md) to this directory.",
)  # fmt: skip
def docs(ids: tuple[str, ...], **options: Any) -> int:
    """Print the documentation of policies as Markdown (every loaded one without ID)."""
    from kpolicy.cli.describe import as_markdown
    from kpolicy.cli.files import write_file, write_stdout
    from kpolicy.cli.loading import load
    from kpolicy.cli.plugins import report_plugin_problems
    from kpolicy.cli.reference import pages
    from kpolicy.errors import Problem, UsageError

    loaded = load(options)
    packs = flat(options["pack"])
    for pack in packs:
        if pack not in loaded.catalogue.packs:
            hint = loaded.catalogue.unknown_pack(pack)
            raise UsageError(Problem(f'--pack: no pack "{pack}"', None, hint))
    chosen = [loaded.policy(id_) for id_ in ids] or [
        policy
        for policy in sorted(loaded.catalogue.policies.values(), key=lambda p: (p.pack, p.id))
        if not packs or policy.pack in packs
    ]
    if options["output"]:
        folder = Path(options["output"])
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in pages(chosen, loaded.toolbox.packs).items():
            write_file(str(folder / name), text)
    else:
        write_stdout("\n".join(as_markdown(policy) for policy in chosen))
    return report_plugin_problems(loaded.host)


@policies.command()
@click.argument("paths", nargs=-1, metavar="[PATH ...]")
@click.option(
    "--status",
    is_flag=True,
    help="Print, as YAML, what an API server writes into status.typeChecking of "
    "ValidatingAdmissionPolicies.",
)
@loading_options
def check(paths: tuple[str, ...], **options: Any) -> int:
    """Check policies: their format, and every CEL expression in them.

    Fields of `object` are checked against the schemas of the kinds that a policy matches. With
    PATH, the policies there; without, every policy that is loaded here. Exit status 0: all are
    sound; 2: some are not, and each mistake is printed with its place. A field that only some of
    the matched kinds have is a warning and does not change the exit status.
    """
    from dataclasses import replace

    from kpolicy.cli.checking import check_policies
    from kpolicy.cli.loading import load
    from kpolicy.cli.plugins import report_plugin_problems
    from kpolicy.cli.problems import report_problems
    from kpolicy.reporters.rendering import plural

    options["policy_paths"] = (*options["policy_paths"], *paths)
    loaded = load(options, strict=False)
    of_paths = set(check_paths(paths)) if paths else None
    if options["status"]:
        from kpolicy.cli.checking import type_checking
        from kpolicy.cli.files import write_stdout
        from kpolicy.export.text import as_yaml

        write_stdout(as_yaml(type_checking(loaded, of_paths)))
        report_problems(loaded.catalogue.problems)
        return 2 if loaded.catalogue.problems else report_plugin_problems(loaded.host)
    count, problems, warnings = check_policies(loaded, of_paths)
    report_problems([replace(w, message=f"warning: {w.message}") for w in warnings])
    if problems:
        report_problems(problems)
        click.echo(f"{plural(len(problems), 'mistake')} in {plural(count, 'policy')}.", err=True)
        return 2
    click.echo(f"{plural(count, 'policy')} checked, no mistakes.")
    return report_plugin_problems(loaded.host)


@policies.command()
@click.argument("policy", metavar="ID")
@click.option(
    "-d",
    "--directory",
    default="policies",
    show_default=True,
    metavar="DIR",
    help="Where to write it.",
)
@click.option(
    "--kind",
    default="workloads",
    show_default=True,
    metavar="KIND",
    help="What it looks at: a kind, or a group such as workloads.",
)
@click.option(
    "--severity",
    type=click.Choice(["error", "warning", "info"]),
    default="warning",
    show_default=True,
    help="How bad a finding is.",
)
@click.option("--title", default="", metavar="TEXT", help="What a finding says in a few words.")
def new(policy: str, directory: str, kind: str, severity: str, title: str) -> None:
    """Write a policy and its test, both sound as they are.

    Files that exist are never overwritten.
    """
    from kpolicy.cli.files import write_new_files
    from kpolicy.plugins.scaffold import policy_files

    files = policy_files(policy, kind, severity, title)
    write_new_files(Path(directory), files)
    for name in files:
        click.echo((Path(directory) / name).as_posix())
    click.echo(f"Use it: kpolicy scan . -p {directory}")


def check_paths(paths: tuple[str, ...]) -> list[str]:
    """Return the shown paths of the policy files that `paths` name."""
    from kpolicy.policy.catalogue import read_paths

    return [file.path for file in read_paths(paths)[0]]
