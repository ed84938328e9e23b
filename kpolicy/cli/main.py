"""The `kpolicy` program: finds the command, and turns every failure into a message and a status.

Commands are imported when they are called; the table below is all that `kpolicy --help` needs.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from kpolicy import __version__

#: Exit status of a command that could not do what it was asked to do.
FAILED = 2
#: Exit status after Ctrl-C, as shells have it (128 + SIGINT).
INTERRUPTED = 130

CommandTable = Mapping[str, tuple[str, str]]

#: Command -> (module:attribute, short help).
# fmt: off
COMMANDS: CommandTable = {
    "scan": ("kpolicy.cli.scan:scan", "Scan manifests: files, directories, or standard input (-)."),
    "lint": ("kpolicy.cli.lint:lint", "Stand in for kube-linter: its flags, checks and output."),
    "init": ("kpolicy.cli.init:init", "Write configuration, CI and hooks for a repository."),
    "explain": (
        "kpolicy.cli.explain:explain", "Say what a policy is for, and what to do about a finding.",
    ),
    "policies": ("kpolicy.cli.policies:policies", "List, show, check and begin policies."),
    "test": ("kpolicy.cli.testing:test", "Run the tests that stand beside policies."),
    "eval": ("kpolicy.cli.evaluate:evaluate", "Evaluate one CEL expression on a document."),
    "trace": ("kpolicy.cli.trace:trace", "Show why a policy decided as it did for one resource."),
    "relations": ("kpolicy.cli.relations:relations", "Show a resource's relations and their keys."),
    "export": (
        "kpolicy.cli.export:export",
        "Write policies in the form in which an API server takes them.",
    ),
    "suppressions": (
        "kpolicy.cli.suppressions:suppressions",
        "List all suppressions in use, with their reasons.",
    ),
    "config": ("kpolicy.cli.config:config", "Show the effective configuration."),
    "cache": ("kpolicy.cli.cache:cache", "Show or clear what is kept between scans."),
    "plugin": ("kpolicy.cli.plugin:plugin", "List installed plugins, or begin a new one."),
    "completion": ("kpolicy.cli.completion:completion", "Print the completion script for a shell."),
}
# fmt: on


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def __init__(self, *args: Any, table: CommandTable | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table: CommandTable = table or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the table: the main job first."""
        return [*self.table, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in self.table:
            return super().get_command(ctx, cmd_name)
        from importlib import import_module

        module, _, attribute = self.table[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        rows = [(name, text) for name, (_, text) in self.table.items()]
        for name, command in self.commands.items():
            rows.append((name, command.get_short_help_str(80)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for one that is none, name the nearest."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in self.list_commands(ctx):
            from kpolicy.strict.suggest import did_you_mean

            near = did_you_mean(name, self.list_commands(ctx))
            raise click.UsageError(f'"{name}" is no command{f"; {near}" if near else "."}', ctx)
        return super().resolve_command(ctx, args)


class Program(LazyGroup):
    """The outermost group: no failure leaves it as a traceback, unless `KPOLICY_DEBUG=1`."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the program and exit with its status."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        status: int
        try:
            answer = super().main(args, prog_name, complete_var, False, **extra)
            status = answer if isinstance(answer, int) else 0
            if sys.stdout is not None:
                sys.stdout.flush()
        except click.ClickException as error:
            error.show()
            status = FAILED
        except (click.Abort, KeyboardInterrupt):
            _say("\nkpolicy: interrupted")
            status = INTERRUPTED
        except BrokenPipeError:
            # The reader of our output went away (`| head`): nobody is left to tell.
            _close_stdout()
            status = FAILED
        except Exception as error:
            status = _failed(error)
        sys.exit(status)


def _failed(error: Exception) -> int:
    from kpolicy.errors import KpolicyError

    debug = os.environ.get("KPOLICY_DEBUG", "0") not in ("", "0")
    if isinstance(error, KpolicyError) and not debug:
        from kpolicy.cli.problems import report_error

        report_error(error)
        return FAILED
    if isinstance(error, MemoryError) and not debug:
        _say("kpolicy: out of memory; fewer --jobs need less")
        return FAILED
    if debug:
        import traceback

        traceback.print_exception(error)
        return FAILED
    _say(
        f"kpolicy: internal error: {type(error).__name__}: {error}\n"
        "  This is a fault of kpolicy. Please report it with what\n"
        "  `KPOLICY_DEBUG=1 kpolicy ...` prints."
    )
    return FAILED


def _say(text: str) -> None:
    from kpolicy.reporters.rendering import clean

    click.echo(clean(text), err=True)


def _close_stdout() -> None:
    """Let the interpreter's last flush go nowhere instead of failing."""
    try:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
    except (OSError, ValueError):
        pass


def _version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"kpolicy {__version__}")
        ctx.exit()


@click.group(
    cls=Program,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Print the version and exit.",
)
def main() -> None:
    """Policy-as-code gate for Kubernetes manifests.

    Exit status: 0 nothing found at or above --fail-on; 1 findings; 2 usage, configuration or policy
    error, or input that could not be read.
    """


def run() -> None:
    """Run the program as a process of its own: what `kpolicy` and `python -m kpolicy` call.

    When all is said the process ends at once: taking the interpreter down piece by piece costs a
    tenth of a small scan and frees nothing that the system does not free.
    """
    # A process as short as this one has no use for the cycles that a collection would find.
    gc.disable()
    try:
        main(prog_name="kpolicy")
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        import threading

        if threading.active_count() > 1 or "coverage" in sys.modules:
            raise
        for stream in (sys.stdout, sys.stderr):
            try:
                if stream is not None:
                    stream.flush()
            except (OSError, ValueError):
                pass
        os._exit(status)
