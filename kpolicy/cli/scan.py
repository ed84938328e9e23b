"""`kpolicy scan`: the main job."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from kpolicy.cli.live import check_live, live_options, with_cluster
from kpolicy.cli.options import complete_formats, flat, loading_options, selection_options

if TYPE_CHECKING:
    from kpolicy.cli.files import SourceLines
    from kpolicy.cli.outputs import Output
    from kpolicy.engine.request import ScanRequest, Toolbox
    from kpolicy.findings import Report
    from kpolicy.plugins.manager import PluginHost
    from kpolicy.reporters.model import ReportContext

SEVERITIES = ("error", "warning", "info")
FAILED = 2


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH ...|-]")
@live_options
@loading_options
@selection_options
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="ID.NAME=VALUE",
    help="Set a policy's parameter; VALUE is YAML (repeatable).",
)
@click.option(
    "-f",
    "--format",
    "formats",
    multiple=True,
    metavar="FORMAT",
    shell_complete=complete_formats,
    help="text (default), json, sarif, ... as `kpolicy plugin list` names them (repeatable).",
)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="FILE",
    help="Write the report to FILE; the n-th --output belongs to the n-th --format.",
)
@click.option(
    "--template",
    metavar="FILE",
    default="",
    help="The Jinja template for --format template.",
)
@click.option(
    "--fail-on",
    type=click.Choice([*SEVERITIES, "never"]),
    default=None,
    help="The least severity that makes the exit status 1 (default: warning, or the config's).",
)
@click.option(
    "--skip-invalid",
    is_flag=True,
    help="List input that cannot be read, but do not let it raise the exit status.",
)
@click.option(
    "--fail-if-nothing-scanned",
    is_flag=True,
    help="Exit with 2 when no resource was found.",
)
@click.option(
    "--results",
    type=click.Choice(["findings", "all"]),
    default="findings",
    show_default=True,
    help="all: list passes and skips too.",
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Worker processes; 1 = none but this one (default: as many as there are cores).",
)
@click.option(
    "--repositories",
    metavar="FILE",
    default="",
    help="Scan the directories that FILE (- = standard input) names, one a line, each as by "
    "itself: with its own configuration, and joined with no other.",
)
@click.option(
    "--cluster",
    metavar="ADDRESS",
    default="",
    help="Evaluate on the workers of this Dask scheduler (needs kpolicy[dask]).",
)
@click.option(
    "--expect-digest",
    metavar="DIGEST",
    default="",
    help="Fail where the scanned resources have another digest than this.",
)
@click.option("--no-cache", is_flag=True, help="Read and write no cached scan results.")
@click.option(
    "--verify-cache",
    is_flag=True,
    help="Read and evaluate everything, and say whether the cached results were right.",
)
@click.option(
    "--engine",
    type=click.Choice(["compiled", "reference"]),
    default="compiled",
    show_default=True,
    help="How CEL is evaluated; reference = by cel-python, slow.",
)
@click.option(
    "--operation",
    type=click.Choice(["CREATE", "UPDATE", "DELETE", "CONNECT"]),
    default=None,
    help="What policies see as request.operation.",
)
@click.option(
    "--user",
    metavar="FILE",
    default="",
    help="Who policies see as request.userInfo: YAML with username, groups, uid, extra.",
)
@click.option(
    "--params",
    "param_paths",
    multiple=True,
    metavar="PATH",
    help="Files with parameter resources of ValidatingAdmissionPolicies (repeatable).",
)
@click.option(
    "--scope",
    type=click.Choice(["tree", "directory", "file"]),
    default=None,
    help="What resources can be related across (default: the config's scopes, else the tree).",
)
@click.option(
    "--render",
    type=click.Choice(["auto", "never", "always"]),
    default=None,
    help="Render charts and overlays: where helm and kustomize are there, never, or else fail.",
)
@click.option(
    "--base",
    metavar="REV|PATH",
    default="",
    help="Report only what changed since a git revision, or against a directory.",
)
@click.option(
    "--baseline",
    metavar="FILE",
    default="",
    help="Do not report the findings in this baseline.",
)
@click.option(
    "--write-baseline",
    metavar="FILE",
    default="",
    help="Write today's findings as a baseline.",
)
@click.option(
    "--no-suppressions",
    is_flag=True,
    help="Report what annotations, comments and the config would silence.",
)
@click.option(
    "--unused-suppressions",
    is_flag=True,
    help="Say which suppressions suppress nothing.",
)
@click.option(
    "--fix",
    is_flag=True,
    help="Mend in the files what policies know a safe fix for, and report what remains.",
)
@click.option(
    "--diff",
    is_flag=True,
    help="Show what --fix would change, and write nothing; with --fix, what it has changed.",
)
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Colour the text report; NO_COLOR is heard.",
)
@click.option(
    "--watch",
    is_flag=True,
    help="Report now, and again whenever a file is saved, until Ctrl-C.",
)
@click.option("--stats", is_flag=True, help="Print the time of each stage to standard error.")
@click.option("-q", "--quiet", is_flag=True, help="No notes and no progress on standard error.")
@click.option("-v", "--verbose", is_flag=True, help="Say what was loaded, on standard error.")
def scan(paths: tuple[str, ...], **options: Any) -> int:
    """Scan manifests: files, directories, or standard input (-).

    Without PATH, this directory is scanned.

    Exit status: 0 nothing found at or above --fail-on; 1 findings; 2 usage, configuration,
    policy or plugin error, or input that could not be read.
    """
    began = time.perf_counter()
    if options["quiet"] and options["verbose"]:
        raise click.UsageError("--quiet and --verbose contradict each other.")
    if options["no_cache"] and options["verify_cache"]:
        raise click.UsageError("--no-cache and --verify-cache contradict each other.")
    check_live(paths, options)
    if options["repositories"]:
        from kpolicy.cli.repositories import refuse_others

        refuse_others(paths, options)
    from kpolicy.cli.files import SourceLines, check_writable
    from kpolicy.cli.outputs import pair
    from kpolicy.cli.plugins import host_of, report_plugin_problems
    from kpolicy.cli.problems import report_problems
    from kpolicy.compat import configured

    host = host_of(options["disabled"])
    outputs = pair(options["formats"], options["outputs"], host.reporters())
    for path in [output.path for output in outputs] + [options["write_baseline"]]:
        if path:
            check_writable(path)
    settings = _template(options["template"], outputs)
    lines = SourceLines()

    def prepare() -> tuple[ScanRequest, Toolbox]:
        request = request_of(paths, options)
        toolbox, config = configured(request, host.toolbox())
        request = replace(request, config=config)
        if options["live"]:
            request, toolbox = with_cluster(request, toolbox, config, options)
        return request, remembering(toolbox, lines)

    def publish(report: Report, request: ScanRequest, status: int | None = None) -> int:
        context = context_of(request, lines, settings)
        failed = _write(outputs, report, context, options["color"], host)
        report_problems(report.problems)
        if not options["quiet"]:
            _say_notes(report, options["verbose"])
            if all(output.path for output in outputs):
                _say_summary(report, outputs)
            if request.write_baseline:
                _say_baseline(request.write_baseline)
        if options["stats"]:
            _say_stats(report)
        return failed or (_status(report, request) if status is None else status)

    if options["watch"]:
        from kpolicy.cli.watching import Watch, watch

        _refuse(options, "--watch", "fix", "diff", "write_baseline", "base", "verify_cache", "live")
        files = (options["config_path"], options["baseline"], options["user"], options["template"])
        named = tuple(file for file in files if file)
        work = Watch(prepare, publish, lines, paths or (".",), named, options["quiet"])
        return watch(work) or report_plugin_problems(host)
    diff, status = "", None
    if options["repositories"]:
        from kpolicy.cli.repositories import scan_listed

        request = request_of((), options)
        scanned = scan_listed(request, host.toolbox(), options)
        report, status = scanned.report, scanned.status
    else:
        request, toolbox = prepare()
        if options["verbose"]:
            _say_what_is_loaded(request, host)
        if options["fix"] or options["diff"]:
            _refuse(options, "--fix and --diff", "write_baseline")
            from functools import partial

            from kpolicy.cli.fixing import mend

            mended = mend(request, toolbox, partial(_run, quiet=options["quiet"]), options["fix"])
            report, diff = mended.report, mended.diff if options["diff"] else ""
        else:
            report = _run(request, toolbox, options["quiet"])
    timings = {**report.timings, "total": time.perf_counter() - began}
    said = tuple(note for note in report.notes if options["verbose"] or not note.detail)
    report = replace(report, notes=said, timings=MappingProxyType(timings))
    if diff:
        from kpolicy.cli.fixing import show_diff

        show_diff(diff, outputs, options["color"])
    status = publish(report, request, status)
    return report_plugin_problems(host) or status


def _refuse(options: Mapping[str, Any], what: str, *others: str) -> None:
    """Raise `UsageError` where options are given with which `what` makes no sense."""
    for name in others:
        if options[name]:
            verb = "do" if " and " in what else "does"
            raise click.UsageError(f"{what} {verb} not go with --{name.replace('_', '-')}.")


def request_of(paths: tuple[str, ...], options: Mapping[str, Any]) -> ScanRequest:
    """Return the request that a command's arguments mean. Raises `UsageError`."""
    from kpolicy.cli.params import params_of, user_of
    from kpolicy.engine.request import ScanRequest, Selection

    return ScanRequest(
        targets=paths or (".",),
        selection=Selection(
            select=flat(options["select"]),
            packs=flat(options["pack"]),
            include=flat(options["include"]),
            exclude=flat(options["exclude"]),
            all=options["all_"],
        ),
        config_path=options["config_path"],
        isolated=options["isolated"],
        policy_paths=options["policy_paths"],
        builtin=not options["no_builtin"],
        params=params_of(options["params"]),
        param_paths=options["param_paths"],
        jobs=options["jobs"],
        engine=options["engine"],
        cache=not any(options[name] for name in ("no_cache", "fix", "diff", "cluster")),
        verify_cache=options["verify_cache"],
        cluster=options["cluster"],
        expect_digest=options["expect_digest"],
        results_all=options["results"] == "all",
        skip_invalid=options["skip_invalid"],
        fail_on=options["fail_on"],
        fail_if_nothing_scanned=options["fail_if_nothing_scanned"],
        baseline=options["baseline"],
        write_baseline=options["write_baseline"],
        suppressions=not options["no_suppressions"],
        report_unused_suppressions=options["unused_suppressions"],
        operation=options["operation"] or "",
        user=user_of(options["user"]) if options["user"] else {},
        base=options["base"],
        scope=options["scope"] or "",
        render=options["render"] or "",
    )


def remembering(toolbox: Toolbox, lines: SourceLines) -> Toolbox:
    """Return the toolbox with sources that keep what `lines` cannot read again."""
    from kpolicy.cli.remembering import RememberingSource

    return replace(toolbox, sources=tuple(RememberingSource(s, lines) for s in toolbox.sources))


def _run(request: ScanRequest, toolbox: Toolbox, quiet: bool) -> Report:
    from kpolicy.cli.outputs import is_terminal
    from kpolicy.cli.progress import Progress
    from kpolicy.engine import scan as run

    with Progress(is_terminal(sys.stderr) and not quiet) as progress:
        return run(replace(request, progress=progress), toolbox)


def _write(
    outputs: list[Output],
    report: Report,
    context: ReportContext,
    color: str,
    host: PluginHost,
) -> int:
    """Write every output; return the exit status that this stands for."""
    from kpolicy.cli.outputs import terminal_width, wants_color, write
    from kpolicy.cli.problems import report_problems

    contexts = {
        True: replace(context, color=wants_color(color, sys.stdout), width=terminal_width()),
        False: replace(context, color=color == "always"),
    }
    problems = write(outputs, report, contexts, host)
    report_problems(problems)
    return FAILED if problems else 0


def context_of(request: ScanRequest, lines: SourceLines, settings: dict[str, Any]) -> ReportContext:
    """Return what reporters need besides the report."""
    from kpolicy import __version__
    from kpolicy.config.discovery import repository_root
    from kpolicy.reporters.model import ReportContext

    here = Path.cwd()
    first = next((t for t in request.targets if Path(t).exists()), ".")
    return ReportContext(
        version=__version__,
        read_lines=lines,
        repository_root=str(repository_root(Path(first).absolute()) or here),
        working_directory=str(here),
        results_all=request.results_all,
        settings=settings,
    )


def _template(path: str, outputs: list[Output]) -> dict[str, Any]:
    """Return the settings of the template format. Raises `UsageError` before the scan."""
    from kpolicy.errors import Problem, UsageError
    from kpolicy.location import SourceLocation

    wanted = any(output.reporter.name == "template" for output in outputs)
    if wanted != bool(path):
        hint = "they go together: --format template --template FILE"
        what = "--format template needs --template" if wanted else "--template without its format"
        raise UsageError(Problem(what, None, hint))
    if not path:
        return {}
    try:
        return {"template": Path(path).read_text(encoding="utf-8"), "template_path": path}
    except (OSError, UnicodeDecodeError) as error:
        what = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UsageError(Problem(f"cannot be read: {what}", SourceLocation(path))) from error


def _say_what_is_loaded(request: ScanRequest, host: PluginHost) -> None:
    config = request.config
    named = config.path if config is not None and config.path else "none"
    click.echo(f"kpolicy: configuration: {named}", err=True)
    for plugin in host.plugins.values():
        click.echo(f"kpolicy: plugin: {plugin.name} {plugin.version} ({plugin.status})", err=True)


def _say_notes(report: Report, verbose: bool) -> None:
    from kpolicy.reporters.rendering import one_line

    for note in report.notes:
        where = f"{note.location}: " if note.location else ""
        click.echo(f"note: {one_line(where + note.message)}", err=True)
    if verbose:
        names = ", ".join(policy.id for policy in report.policies)
        click.echo(f"kpolicy: policies run ({len(report.policies)}): {names}", err=True)


def _say_summary(report: Report, outputs: list[Output]) -> None:
    """Say in a line what was found, where every report went to a file."""
    from kpolicy.reporters.rendering import one_line, summary_lines

    for line in summary_lines(report):
        click.echo(one_line(line), err=True)
    click.echo(f"Written: {', '.join(one_line(output.path) for output in outputs)}", err=True)


def _say_baseline(path: str) -> None:
    from kpolicy.reporters.rendering import one_line

    name = one_line(path)
    click.echo(f"Written: {name}; --baseline {name} passes over these findings", err=True)


def _say_stats(report: Report) -> None:
    total = report.timings.get("total", sum(report.timings.values()))
    rate = report.summary.resources / total if total else 0.0
    for stage, seconds in report.timings.items():
        share = f"{seconds / total:5.0%}" if total else ""
        click.echo(f"{stage:<12} {seconds:8.3f} s {share}", err=True)
    click.echo(
        f"{report.summary.resources:,} resources, {report.summary.evaluations:,} evaluations,"
        f" {rate:,.0f} resources/s",
        err=True,
    )


def _status(report: Report, request: ScanRequest) -> int:
    from kpolicy.engine.outcome import FINDINGS, OK, status_of

    assert request.config is not None
    status = status_of(report, request, request.config)
    # Writing a baseline accepts what was found.
    return OK if status == FINDINGS and request.write_baseline else status
