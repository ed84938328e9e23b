"""`kpolicy scan --watch`: a report now, and another one whenever something is saved."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kpolicy.cli.changes import changes
from kpolicy.cli.outputs import is_terminal
from kpolicy.errors import KpolicyError, Problem, UsageError
from kpolicy.records import dataclass
from kpolicy.reporters.rendering import one_line, plural

if TYPE_CHECKING:
    from kpolicy.cli.files import SourceLines
    from kpolicy.engine.cached.session import Prepare, Session
    from kpolicy.engine.request import ScanRequest, Toolbox
    from kpolicy.findings import Report

FAILED = 2


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched, and what is done with each report."""

    prepare: Prepare
    publish: Callable[[Report, ScanRequest], int]
    """Writes a report and returns the exit status that it stands for."""
    lines: SourceLines
    targets: tuple[str, ...]
    files: tuple[str, ...]
    """Files that options name: they are settings, too."""
    quiet: bool


def watch(work: Watch) -> int:
    """Report until Ctrl-C; return the exit status of the last report. Raises `UsageError`."""
    from kpolicy.engine.cached.session import Session

    for target in work.targets:
        if not os.path.exists(target):  # noqa: PTH110
            what = f"there is nothing to watch: {target} does not exist"
            raise UsageError(Problem(what, None, "--watch takes files and directories"))
    requests: list[ScanRequest] = []

    def prepare() -> tuple[ScanRequest, Toolbox]:
        request, toolbox = work.prepare()
        requests[:] = [request]
        return request, toolbox

    say = _sayer(work.quiet)
    reporting = _Reporting(work, Session(prepare), requests, say)
    reporting.report(None)
    # What is there now stays; looking for cycles in it each time would take longer than a report.
    gc.collect()
    gc.freeze()
    try:
        for changed in changes(work.targets, lambda: _settings(work, requests), say):
            work.lines.forget(changed)
            reporting.report(changed)
            gc.collect()
    except KeyboardInterrupt:
        say("ended")
    return reporting.status


class _Reporting:
    """Makes reports and publishes them."""

    def __init__(
        self,
        work: Watch,
        session: Session,
        requests: list[ScanRequest],
        say: Callable[[str], None],
    ) -> None:
        self.work, self.session, self.requests, self.say = work, session, requests, say
        self.status = FAILED
        """What the last report stands for."""
        self._last: Report | None = None

    def report(self, changed: frozenset[str] | None) -> None:
        """Report on what is there now; what is wrong with the settings is said instead.

        Where nothing is known to have changed, and nothing has, there is no new report.
        """
        began = time.perf_counter()
        try:
            report = self.session.report(changed)
        except KpolicyError as error:
            from kpolicy.cli.problems import report_error

            report_error(error)
            self.say("waiting for a change")
            self.status, self._last = FAILED, None
            return
        last, self._last = self._last, replace(report, timings={})
        if changed is None and self._last == last:
            return
        if is_terminal(sys.stdout):
            click.clear()
        self.status = self.work.publish(report, self.requests[0])
        took = time.perf_counter() - began
        resources = plural(report.summary.resources, "resource")
        self.say(f"{_named(changed)}{resources}, {took:.2f} s; Ctrl-C ends")
        self.session.keep()


def _named(changed: frozenset[str] | None) -> str:
    """Return which files have changed, for people."""
    if not changed:
        return ""
    here = os.getcwd()  # noqa: PTH109
    first = os.path.relpath(min(changed), here)
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return one_line(f"{first}{more} changed;") + " "


def _sayer(quiet: bool) -> Callable[[str], None]:
    def say(text: str) -> None:
        if not quiet:
            click.echo(f"kpolicy: watch: {text}", err=True)

    return say


def _settings(work: Watch, requests: list[ScanRequest]) -> Iterable[str]:
    """Yield the files that settings come from, whether they are there or not."""
    yield from work.files
    request = requests[0] if requests else None
    config = None if request is None else request.config
    if request is None or config is None:
        return
    yield from request.policy_paths
    for path in config.policies:
        yield os.path.join(config.root, path)  # noqa: PTH118
    if not request.isolated and not request.config_path:
        yield from _config_files(work.targets)
    elif request.config_path:
        yield request.config_path


def _config_files(targets: Iterable[str]) -> Iterable[str]:
    """Yield every name under which the configuration of the targets could be."""
    from kpolicy.config.discovery import KUBE_LINTER_NAMES, NAMES, repository_root

    for target in targets:
        path = Path(target).absolute()
        start = repository_root(path) or (path if path.is_dir() else path.parent)
        for directory in (start, *start.parents):
            for name in (*NAMES, *KUBE_LINTER_NAMES):
                yield str(directory / name)
