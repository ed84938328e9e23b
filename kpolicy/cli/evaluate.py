"""`kpolicy eval`: one CEL expression, tried out on a document."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from kpolicy.cli.options import plugin_options

if TYPE_CHECKING:
    from kpolicy.cel import Environment, Program
    from kpolicy.cli.workspace import Workspace
    from kpolicy.engine.request import Toolbox

#: What an expression can read, as in a policy.
NAMES = ("object", "oldObject", "request", "params", "namespaceObject")

#: Options that mean something for policies alone.
_OF_MUTATE = {
    "param_paths": "--params", "operation": "--operation", "user": "--user",
    "output_format": "--format",
}  # fmt: skip


@click.command("eval")
@click.argument("expression", required=False, metavar="[EXPR]")
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="FILE",
    help="The document that `object` is; - is standard input. Several, or a directory: relations"
    " see all of it.",
)
@click.option(
    "--resource",
    metavar="KIND/[NS/]NAME",
    default="",
    help="Which resource `object` is, where the files hold several.",
)
@click.option(
    "--var",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    help="Declare a variable; VALUE is YAML (repeatable).",
)
@click.option(
    "--trace",
    "traced",
    is_flag=True,
    help="Print the sub-expressions that decided the value, and the relations asked for.",
)
@click.option("--show-python", is_flag=True, help="Print the Python that the expression becomes.")
@click.option(
    "--mutate",
    "policy_paths",
    multiple=True,
    metavar="PATH",
    help="Instead of an expression, run the MutatingAdmissionPolicies in these files on the "
    "documents, and print these as they are then (repeatable).",
)
@click.option(
    "--params",
    "param_paths",
    multiple=True,
    metavar="PATH",
    help="With --mutate: files with the policies' parameter resources (repeatable).",
)
@click.option(
    "--operation",
    type=click.Choice(["CREATE", "UPDATE", "DELETE", "CONNECT"]),
    default=None,
    help="With --mutate: request.operation; CREATE if not given.",
)
@click.option(
    "--user",
    metavar="FILE",
    default="",
    help="With --mutate: who request.userInfo is: YAML with username, groups, uid, extra.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["yaml", "json"]),
    default=None,
    help="With --mutate: how the documents are printed; yaml if not given.",
)
@plugin_options
def evaluate(expression: str | None, **options: Any) -> int:
    """Evaluate one CEL expression on a document.

    Its value is printed as JSON. Without EXPR, expressions are read line by line. Variables are
    those of a policy: object, oldObject, request, params, namespaceObject, and what --var declares.

    With --mutate, MutatingAdmissionPolicies are run instead, as an API server would; exit status 1:
    it would refuse a document.
    """
    if options["policy_paths"]:
        from kpolicy.cli.mutating import run_policies

        return run_policies(expression, options)
    for name, flag in _OF_MUTATE.items():
        if options[name]:
            raise click.UsageError(f"{flag} needs --mutate PATH.")
    from kpolicy.cel import DYN, Environment
    from kpolicy.cli.plugins import host_of, report_plugin_problems

    host = host_of(options["disabled"])
    toolbox = host.toolbox()
    given = _variables(options["variables"])
    environment = Environment(
        variables=dict.fromkeys([*NAMES, *given], DYN),
        libraries=toolbox.libraries,
        lenient_presence=True,
    )
    subjects = list(_subjects(toolbox, options["files"], options["resource"]))
    if expression is None:
        _converse(environment, subjects, given, options)
        return report_plugin_problems(host)
    program = environment.compile(expression)
    if options["show_python"]:
        from kpolicy.cli.files import write_stdout

        write_stdout(program.python_source().rstrip("\n") + "\n")
        return report_plugin_problems(host)
    say = _print_trace if options["traced"] else _print
    say(program, subjects, given)
    return report_plugin_problems(host)


def _variables(given: tuple[str, ...]) -> dict[str, Any]:
    from kpolicy.cli.params import yaml_value
    from kpolicy.errors import Problem, UsageError
    from kpolicy.frozen import freeze

    found = {}
    for word in given:
        name, equals, text = word.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(Problem(f'--var: cannot read "{word}"', None, "write NAME=VALUE"))
        found[name] = freeze(yaml_value("--var", word, text))
    return found


def _subjects(
    toolbox: Toolbox, files: tuple[str, ...], resource: str
) -> Iterable[tuple[str, dict[str, Any], Any]]:
    """Yield (label, bindings, context) of every document to evaluate on."""
    empty = dict.fromkeys(NAMES)
    if not files:
        if resource:
            raise click.UsageError("--resource needs -f FILE.")
        yield "", {**empty, "params": {}}, None
        return
    workspace = _workspace(toolbox, files)
    from kpolicy.relations.context import JoinContext

    chosen = [workspace.only(resource)] if resource else list(workspace.snapshot.resources)
    for one in chosen:
        context = JoinContext(workspace.snapshot, one, relations=workspace.relations)
        label = f"{one.kind}/{one.name} ({one.location})" if len(chosen) > 1 else ""
        yield label, {**empty, "params": {}, **_bindings(workspace, one)}, context
    if not chosen:
        yield from _plain_documents(workspace, empty)


def _workspace(toolbox: Toolbox, files: tuple[str, ...]) -> Workspace:
    from kpolicy.cli.workspace import open_workspace
    from kpolicy.config.model import Config
    from kpolicy.engine.request import ScanRequest

    return open_workspace(toolbox, ScanRequest(targets=files), Config())


def _bindings(workspace: Workspace, resource: Any) -> Mapping[str, Any]:
    from kpolicy.engine.request_object import request_of
    from kpolicy.snapshot.resource import ResourceKey

    namespace = workspace.snapshot.get(ResourceKey("", "Namespace", "", resource.key.namespace))
    return {
        "object": resource.body,
        "request": request_of(resource, workspace.snapshot.kinds, "CREATE", {}),
        "namespaceObject": namespace.body if namespace is not None else None,
    }


def _plain_documents(
    workspace: Workspace, empty: Mapping[str, Any]
) -> Iterable[tuple[str, dict[str, Any], Any]]:
    """Yield the documents of files that hold no Kubernetes object (a values file, any JSON)."""
    from kpolicy.errors import ManifestError, Problem
    from kpolicy.location import SourceLocation
    from kpolicy.manifests.loader import read_bytes
    from kpolicy.manifests.model import Limits
    from kpolicy.manifests.yaml_documents import Parsed, parse

    count = 0
    for file in workspace.files:
        data = read_bytes(file, Limits())
        documents: Iterable[Any] = parse(data, Limits()) if isinstance(data, bytes) else ()
        for document in documents:
            if isinstance(document, Parsed) and document.body is not None:
                count += 1
                label = f"{file.path} document {count}" if count > 1 else ""
                yield label, {**empty, "params": {}, "object": document.body}, None
    if not count:
        at = SourceLocation(workspace.files[0].path) if workspace.files else None
        raise ManifestError(Problem("no document to evaluate on", at))


def _print(program: Program, subjects: Iterable[Any], given: Mapping[str, Any]) -> None:
    from kpolicy.cli.files import write_stdout
    from kpolicy.cli.values import as_json
    from kpolicy.reporters.rendering import clean

    for label, bindings, context in subjects:
        value = as_json(program.evaluate({**bindings, **given}, context))
        head = f"{label}: " if label else ""
        write_stdout(clean(f"{head}{value}") + "\n")


def _print_trace(program: Program, subjects: Iterable[Any], given: Mapping[str, Any]) -> None:
    from kpolicy.cli.files import write_stdout
    from kpolicy.cli.tracing import event_lines, lookup_lines, questions, trace_program
    from kpolicy.reporters.rendering import clean

    for label, bindings, context in subjects:
        lines = [label] if label else []
        traced = trace_program(program, {**bindings, **given}, context)
        lines += event_lines(traced.decisive)
        if context is not None:
            lines += lookup_lines(questions([traced], context))
        write_stdout(clean("\n".join(lines)) + "\n")


def _converse(
    environment: Environment, subjects: list[Any], given: Mapping[str, Any], options: Any
) -> None:
    """Read expressions until the end of input; a mistake in one does not end the conversation."""
    from kpolicy.cel.errors import CelError
    from kpolicy.cli.outputs import is_terminal
    from kpolicy.cli.problems import report_error

    if "-" in options["files"]:
        raise click.UsageError("-f - takes standard input; give EXPR as an argument.")
    prompt = ""
    if is_terminal(sys.stdin):
        prompt = "cel> "
        with suppress(ImportError):
            import readline  # noqa: F401  (line editing and history for input())
        click.echo("CEL expressions, one a line; an empty line or Ctrl-D ends.", err=True)
    while True:
        try:
            line = input(prompt)
        except EOFError:
            break
        if not line.strip():
            if prompt:
                break
            continue
        try:
            program = environment.compile(line)
            if options["show_python"]:
                click.echo(program.python_source())
            (_print_trace if options["traced"] else _print)(program, subjects, given)
        except CelError as error:
            report_error(error)
