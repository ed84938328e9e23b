"""`kpolicy scan --repositories`: every repository of a list, in one report."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from kpolicy.engine.request import ScanRequest, Toolbox
    from kpolicy.repositories import Scanned

#: What is about one tree, or changes files.
ONE_TREE = (
    "fix", "diff", "write_baseline", "baseline", "base", "watch", "live", "expect_digest",
)  # fmt: skip


def scan_listed(request: ScanRequest, toolbox: Toolbox, options: Mapping[str, Any]) -> Scanned:
    """Scan the repositories of the list that `--repositories` names; `-` is standard input.

    Raises `UsageError` for a list that cannot be read or names a directory twice.
    """
    from kpolicy.cli.outputs import is_terminal
    from kpolicy.cli.progress import Progress
    from kpolicy.engine.cores import cores_available
    from kpolicy.repositories import (
        on_a_cluster,
        one_by_one,
        read_list,
        scan_repositories,
        side_by_side,
    )

    repositories = read_list(*_read(options["repositories"]))
    jobs = min(request.jobs or cores_available(), len(repositories))
    if request.cluster:
        scanner = on_a_cluster(request, toolbox)
    elif jobs > 1 and sys.platform == "linux":
        scanner = side_by_side(request, toolbox, jobs)
    else:
        scanner = one_by_one(replace(request, progress=None), toolbox)
    with Progress(is_terminal(sys.stderr) and not options["quiet"]) as progress:
        return scan_repositories(repositories, scanner, progress)


def refuse_others(paths: tuple[str, ...], options: Mapping[str, Any]) -> None:
    """Raise `click.UsageError` for what makes no sense with a list."""
    if paths:
        raise click.UsageError("--repositories names what is scanned; leave out PATH.")
    for name in ONE_TREE:
        if options.get(name):
            flag = name.replace("_", "-")
            raise click.UsageError(f"--repositories does not go with --{flag}.")


def _read(path: str) -> tuple[str, str]:
    from kpolicy.errors import Problem, UsageError
    from kpolicy.location import SourceLocation

    try:
        if path == "-":
            return "<stdin>", sys.stdin.read()
        return path, Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = getattr(error, "strerror", None) or "not UTF-8 text"
        at = SourceLocation(path)
        raise UsageError(Problem(f"the list of repositories cannot be read: {what}", at)) from None
