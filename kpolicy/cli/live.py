"""`kpolicy scan --live`: a cluster in place of files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from kpolicy.config.model import Config
    from kpolicy.engine.request import ScanRequest, Toolbox
    from kpolicy.findings import Finding
    from kpolicy.live import LiveInput, Owner

F = TypeVar("F", bound=Callable[..., Any])

#: What makes sense with --live alone, and what does not go with it.
_ONLY = {
    "context": "--context",
    "kubeconfig": "--kubeconfig",
    "live_namespaces": "--live-namespace",
}
_NOT = {"base": "--base", "fix": "--fix", "diff": "--diff", "scope": "--scope"}


def live_options(function: F) -> F:
    """Add the options that are about a cluster."""
    for option in reversed((
        click.option(
            "--live",
            is_flag=True,
            help="Scan what runs in a cluster instead of files (extra kpolicy[live]).",
        ),
        click.option(
            "--context",
            metavar="NAME",
            default="",
            help="With --live: the kubeconfig's context (default: the current one).",
        ),
        click.option(
            "--kubeconfig",
            metavar="FILE",
            default="",
            help="With --live: the kubeconfig (default: as kubectl finds it, else the pod's own"
            " account).",
        ),
        click.option(
            "--live-namespace",
            "live_namespaces",
            metavar="NAME",
            multiple=True,
            help="With --live: read this namespace (repeatable) instead of all.",
        ),
    )):  # fmt: skip
        function = option(function)
    return function


def check_live(paths: Sequence[str], options: Mapping[str, Any]) -> None:
    """Raise `click.UsageError` for what does not go together."""
    if not options["live"]:
        for name, spelled in _ONLY.items():
            if options[name]:
                raise click.UsageError(f"{spelled} goes with --live only.")
        return
    if paths:
        raise click.UsageError("--live reads a cluster: it takes no PATH.")
    for name, spelled in _NOT.items():
        if options[name]:
            raise click.UsageError(f"{spelled} does not go with --live.")


def with_cluster(
    request: ScanRequest, toolbox: Toolbox, config: Config, options: Mapping[str, Any]
) -> tuple[ScanRequest, Toolbox]:
    """Return request and toolbox of a scan of the cluster. Raises `UsageError`."""
    from kpolicy.cli.outputs import is_terminal
    from kpolicy.cli.progress import Progress
    from kpolicy.live import TARGET, LiveSource, connect, read

    cluster = connect(options["kubeconfig"], options["context"])
    namespaces = tuple(part for text in options["live_namespaces"] for part in text.split(","))
    with Progress(is_terminal(sys.stderr) and not options["quiet"]) as progress:
        given = read(cluster, namespaces, progress)
    config = replace(config, outside=(*config.outside, *_outside(given, namespaces)))
    before = toolbox.process_findings

    def processed(findings: Sequence[Finding]) -> Sequence[Finding]:
        once = once_per_controller(findings, given.controllers)
        return once if before is None else before(once)

    return (
        replace(request, targets=(TARGET,), config=config, cache=False),
        replace(toolbox, sources=(LiveSource(given),), process_findings=processed),
    )


def _outside(given: LiveInput, namespaces: tuple[str, ...]) -> list[Any]:
    """Return what exists, but was not to be read."""
    from kpolicy.config.model import OutsideRule

    rules = [OutsideRule(within=namespaces)] if namespaces else []
    return rules + [OutsideRule(kinds=(kind,)) for kind in given.not_listed]


def once_per_controller(
    findings: Sequence[Finding], controllers: Mapping[Owner, Owner]
) -> Sequence[Finding]:
    """Return the findings without those that say again of an object what its controller shows.

    A Deployment, its ReplicaSet and its Pods have one pod template. A finding stays at the topmost
    that has it; of alike ones below a controller that has none (what an admission webhook added to
    every Pod), the first stays.
    """

    def chain(finding: Finding) -> list[Owner]:
        """The controllers of the finding's object, outwards."""
        at = finding.resource
        me: Owner = (at.kind, at.namespace, at.name)
        found: list[Owner] = []
        while (above := controllers.get(me)) is not None and above not in found:
            found.append(above)
            me = above
        return found

    known = {
        (f.policy, f.validation, f.item, (f.resource.kind, f.resource.namespace, f.resource.name))
        for f in findings
    }
    kept: list[Finding] = []
    # The object that says it first, of those below one controller.
    told: dict[tuple[Any, ...], Owner] = {}
    for finding in sorted(findings, key=lambda f: f.sort_key):
        owners = chain(finding)
        what = (finding.policy, finding.validation, finding.item)
        if any((*what, owner) in known for owner in owners):
            continue
        me = (finding.resource.kind, finding.resource.namespace, finding.resource.name)
        if owners and told.setdefault((*what, finding.message, owners[-1]), me) != me:
            continue
        kept.append(finding)
    return kept
