"""`kpolicy lint`: kube-linter's command line, so that one word changes in a pipeline."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from kpolicy import __version__

if TYPE_CHECKING:
    from kpolicy.compat.kube_linter import Lint
    from kpolicy.compat.kube_linter_report import Entry
    from kpolicy.engine.request import ScanRequest
    from kpolicy.findings import Report
    from kpolicy.plugins.manager import PluginHost

FORMATS = ("json", "plain", "sarif")
#: kube-linter's status for reports and for every failure.
FAILED = 1
#: What `Summary.KubeLinterVersion` and the head of the plain text say.
VERSION = f"{__version__} (kpolicy)"


class LintCommand(click.Command):
    """Also takes kube-linter's own words: `lint PATH`, `checks list`, `templates list`."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Return the context of this command, or of the one that the arguments name."""
        words, rest = _split_words(args)
        args = _plain_flags(args)
        if words[:2] in (["checks", "list"], ["templates", "list"]):
            from kpolicy.cli.lint_lists import COMMANDS

            name = " ".join(words[:2])
            return COMMANDS[words[0]].make_context(f"{info_name} {name}", rest, parent, **extra)
        if words[:1] == ["lint"]:
            args = _plain_flags(rest)
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            # kube-linter has one status for whatever goes wrong.
            error.show()
            raise click.exceptions.Exit(FAILED) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Run; what goes wrong ends with kube-linter's status."""
        from kpolicy.errors import KpolicyError

        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            error.show()
        except KpolicyError as error:
            from kpolicy.cli.problems import report_error

            report_error(error)
        return FAILED


def _split_words(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return kube-linter's command words at the beginning, and the arguments without them.

    `lint` alone is a path. Its global flag may stand before the words.
    """
    flags: list[str] = []
    rest = list(args)
    while rest and rest[0].startswith("--with-color"):
        flags.append(rest.pop(0))
    if rest[:1] == ["lint"] and len(rest) > 1:
        return ["lint"], flags + rest[1:]
    if len(rest) > 1 and rest[0] in ("checks", "templates") and rest[1] == "list":
        return rest[:2], flags + rest[2:]
    return [], list(args)


#: Flags as Go reads them may say `=true` and `=false`; those that a configuration can set, too.
_OFF = {
    "--add-all-built-in": "--no-add-all-built-in",
    "--do-not-auto-add-defaults": "--auto-add-defaults",
}
_FLAGS = (
    *_OFF, "--fail-if-no-objects-found", "--fail-on-invalid-resource", "--verbose", "--with-color",
)  # fmt: skip


def _plain_flags(args: Sequence[str]) -> list[str]:
    """Return the arguments with `--flag=true` and `--flag=false` in this program's form."""
    plain: list[str] = []
    for number, arg in enumerate(args):
        if arg == "--":
            return [*plain, *args[number:]]
        name, equals, value = arg.partition("=")
        if not equals or name not in _FLAGS or value.lower() not in ("true", "false", "1", "0"):
            plain.append(arg)
        elif value.lower() in ("true", "1"):
            plain.append(name)
        elif name in _OFF:
            plain.append(_OFF[name])
    return plain


def _listed(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values of a repeatable flag that takes lists with commas."""
    return tuple(part for value in values for part in value.split(",") if part)


def _if_given(name: str, value: Any) -> Any:
    """Return a flag's value where it was given, else None."""
    source = click.get_current_context().get_parameter_source(name)
    return value if source is click.core.ParameterSource.COMMANDLINE else None


@click.command(cls=LintCommand)
@click.argument("paths", nargs=-1, metavar="PATH ...|-")
@click.option(
    "--config",
    metavar="FILE",
    default="",
    help="The configuration (default: .kube-linter.yaml or .yml of this directory).",
)
@click.option("--include", multiple=True, metavar="CHECK", help="Add checks.")
@click.option("--exclude", multiple=True, metavar="CHECK", help="Leave out checks; wins.")
@click.option(
    "--add-all-built-in/--no-add-all-built-in", default=False, help="Add every built-in check."
)
@click.option(
    "--do-not-auto-add-defaults/--auto-add-defaults",
    default=False,
    help="Start without the default set.",
)
@click.option("--ignore-paths", multiple=True, metavar="GLOB", help="Leave out paths.")
@click.option(
    "--fail-if-no-objects-found", is_flag=True, help="End with 1 where no object could be loaded."
)
@click.option(
    "--fail-on-invalid-resource",
    is_flag=True,
    help="Report what could not be loaded, and end with 1.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="FORMAT",
    help="plain (default), json or sarif; repeatable.",
)
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="FILE",
    help="The file of the format at the same position (default: standard output).",
)
@click.option("-v", "--verbose", is_flag=True, help="Say what could not be loaded.")
@click.option("--with-color", is_flag=True, help="Colour the plain text in any case.")
def lint(paths: tuple[str, ...], **options: Any) -> int:
    """Stand in for kube-linter: its flags, checks and output.

    Only kube-linter's checks run, on each directory by itself. `kpolicy lint checks list` and
    `kpolicy lint templates list` list checks and templates. `kpolicy scan` does more.

    Exit status: 0 nothing found; 1 findings, or anything that went wrong.
    """
    from kpolicy.cli.files import SourceLines
    from kpolicy.cli.plugins import host_of, report_plugin_problems
    from kpolicy.cli.problems import report_problems
    from kpolicy.cli.scan import remembering
    from kpolicy.compat.kube_linter import entries_of, find_config, prepare, read_config
    from kpolicy.compat.kube_linter_files import absolute

    if not paths:
        raise _usage("name at least one file or directory, or - for standard input")
    pairs = _pairs(_listed(options["formats"]) or ("plain",), _listed(options["outputs"]))
    host = host_of(())
    lint = prepare(host.toolbox(), read_config(find_config(options["config"])), _choice(options))
    for note in lint.notes:
        _say(f"Warning: {note}.")
    if not lint.checks:
        _say("Warning: no checks enabled.")
        return 0
    lines = SourceLines()
    report, request = _scan(paths, lint, lines, remembering)
    entries, unreadable, loaded = entries_of(
        report, lint, lambda path: "<standard input>" if path == "<stdin>" else absolute(path),
        options["fail_on_invalid_resource"], lines,
    )  # fmt: skip
    if options["verbose"]:
        for entry in unreadable:
            _say(f"Warning: failed to load object from {entry.path}: {entry.message}")
    report_problems(report.problems)
    failed = bool(report_plugin_problems(host) or report.problems)
    if not loaded and not (unreadable and options["fail_on_invalid_resource"]):
        if options["fail_if_no_objects_found"]:
            _say("Error: no valid objects found")
            return FAILED
        _say("Warning: no valid objects found.")
        return FAILED if failed else 0
    for format_, path in pairs:
        text = _render(format_, entries, lint, report, request, lines, host, options["with_color"])
        failed |= not _write(format_, path, text)
    if entries:
        _say(f"Error: found {len(entries)} lint errors")
    return FAILED if entries or failed else 0


def _choice(options: dict[str, Any]) -> Any:
    from kpolicy.compat.kube_linter import Choice

    return Choice(
        add_all=_if_given("add_all_built_in", options["add_all_built_in"]),
        no_defaults=_if_given("do_not_auto_add_defaults", options["do_not_auto_add_defaults"]),
        include=_if_given("include", _listed(options["include"])),
        exclude=_if_given("exclude", _listed(options["exclude"])),
        ignore_paths=_if_given("ignore_paths", _listed(options["ignore_paths"])),
    )


def _scan(
    paths: Sequence[str], lint: Lint, lines: Any, remembering: Any
) -> tuple[Report, ScanRequest]:
    from kpolicy.compat.kube_linter import selected
    from kpolicy.compat.kube_linter_files import LINT_RENDERING, LintSource, absolute, ignoring
    from kpolicy.config.model import Config
    from kpolicy.engine import scan as run
    from kpolicy.engine.request import ScanRequest, Selection

    ignored = ignoring(lint.ignore_paths)
    sources = (LintSource(lint.toolbox.sources, ignored), *lint.toolbox.sources)
    chosen = selected(lint)
    enforces = Config(enforced=lint.toolbox.enforced).enforces
    # kube-linter's checks alone run here; of these, what a plugin enforces is enforced.
    enforced = tuple(filter(enforces, chosen))
    toolbox = remembering(replace(lint.toolbox, sources=sources, enforced=enforced), lines)
    missing = [path for path in paths if not LintSource((), ignored).accepts(path) and path != "-"]
    if missing:
        raise _usage(f"{missing[0]}: no such file or directory")
    request = ScanRequest(
        targets=tuple(path if path == "-" else absolute(path) for path in paths),
        selection=Selection(select=chosen),
        config=Config(render=LINT_RENDERING),
        scope="directory",
    )
    return run(request, toolbox), request


def _pairs(formats: Sequence[str], outputs: Sequence[str]) -> list[tuple[str, str]]:
    """Return (format, file or "") as kube-linter pairs them. Raises `UsageError`."""
    for name in formats:
        if name not in FORMATS:
            raise _usage(f'invalid format "{name}": allowed values are: {", ".join(FORMATS)}')
    if not outputs:
        if len(formats) > 1:
            raise _usage("several formats need an --output each")
        return [(formats[0], "")]
    if len(formats) != len(outputs):
        raise _usage(
            f"{len(formats)} formats, but {len(outputs)} outputs: each --format needs its --output"
        )
    if len(set(outputs)) < len(outputs):
        raise _usage("two formats would go to one file")
    return list(zip(formats, outputs, strict=True))


def _usage(message: str) -> click.UsageError:
    return click.UsageError(message)


def _render(
    format_: str,
    entries: Sequence[Entry],
    lint: Lint,
    report: Report,
    request: ScanRequest,
    lines: Any,
    host: PluginHost,
    color: bool,
) -> str:
    from kpolicy.compat.kube_linter_report import render_json, render_plain

    if format_ == "json":
        return render_json(lint.checks, entries, VERSION)
    if format_ == "plain":
        from kpolicy.cli.outputs import wants_color

        return render_plain(entries, VERSION, color or wants_color("auto", sys.stdout))
    from kpolicy.cli.outputs import render
    from kpolicy.cli.scan import context_of

    sarif = next(r for r in host.reporters() if r.name == "sarif")
    return render(sarif, report, context_of(request, lines, {}), host)


def _write(format_: str, path: str, text: str) -> bool:
    """Write one output; return whether that went well."""
    from kpolicy.cli.files import write_file, write_stdout
    from kpolicy.errors import UsageError

    if not path:
        write_stdout(text)
        return True
    try:
        write_file(path, text)
    except UsageError as error:
        from kpolicy.cli.problems import report_error

        report_error(error)
        return False
    _say(f"Wrote {format_} output to {path}")
    return True


def _say(text: str) -> None:
    from kpolicy.reporters.rendering import one_line

    click.echo(one_line(text), err=True)
