"""Errors as a user sees them: `file:line:column: message`, the line itself, and the next step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from kpolicy.errors import KpolicyError, Problem
from kpolicy.reporters.excerpt import excerpt
from kpolicy.reporters.rendering import clean, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

#: After so many problems of one error the rest is only counted.
SHOWN = 50


def report_error(error: KpolicyError) -> None:
    """Print an error's problems to standard error."""
    from kpolicy.cel.errors import CelError

    if isinstance(error, CelError):
        for one in getattr(error, "errors", (error,)):
            click.echo(cel_text(one), err=True)
        return
    report_problems(error.problems)


def report_problems(problems: Iterable[Problem]) -> None:
    """Print problems to standard error."""
    from kpolicy.cli.files import SourceLines

    lines = SourceLines()
    everything = list(problems)
    for problem in everything[:SHOWN]:
        click.echo(problem_text(problem, lines), err=True)
    if len(everything) > SHOWN:
        click.echo(f"... and {len(everything) - SHOWN} more", err=True)


def problem_text(problem: Problem, read_lines: Callable[[str], list[str]]) -> str:
    """Return one problem as text, with the line it is about where that can be read."""
    location = problem.location
    parts = [f"{one_line(str(location)) if location else 'error'}: {clean(problem.message)}"]
    # Some loaders put the excerpt into the hint themselves.
    if location is not None and location.line and "^" not in problem.hint:
        shown = excerpt(read_lines(location.path), location.line, location.column)
        parts += [f"  {line}" for line in shown or ()]
    if problem.hint:
        parts += [f"  {line}" for line in clean(problem.hint).splitlines()]
    return "\n".join(parts)


def cel_text(error: CelError) -> str:  # type: ignore[name-defined]  # noqa: F821
    """Return an error of an expression given on the command line."""
    where = f"{error.line}:{error.column}: " if error.line else ""
    parts = [f"expression:{where or ' '}{clean(error.message)}"]
    if error.line:
        shown = excerpt(error.source.splitlines(), error.line, error.column, point=True)
        parts += [f"  {line}" for line in shown or ()]
    if error.hint:
        parts.append(f"  {clean(error.hint)}")
    return "\n".join(parts)
