"""The hooks of Acme's plugin. Each imports what it returns when it is called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from kpolicy import hookimpl

if TYPE_CHECKING:
    from kpolicy.cel.declarations import Library
    from kpolicy.findings import Finding
    from kpolicy.policy.model import Policy
    from kpolicy.policy.packs import PolicyPack
    from kpolicy.relations.model import Relation
    from kpolicy.reporters.model import Reporter
    from kpolicy.snapshot.kinds import WorkloadKind

#: The version of kpolicy's plugin API that this was written for.
kpolicy_api = 1


@hookimpl
def kpolicy_workload_kinds() -> Iterable[WorkloadKind]:
    """Make policies for workloads meet Acme's WebApp."""
    from kpolicy_acme.webapps import WEB_APP

    return [WEB_APP]


@hookimpl
def kpolicy_cel_libraries() -> Iterable[Library]:
    """Add `acme.team(labels)`."""
    from kpolicy_acme.teams import library

    return [library()]


@hookimpl
def kpolicy_relations() -> Iterable[Relation]:
    """Add `object.related('acme-runbook')`."""
    from kpolicy_acme.runbooks import RUNBOOK

    return [RUNBOOK]


@hookimpl
def kpolicy_policy_packs() -> Iterable[PolicyPack]:
    """Add the pack `acme`."""
    from importlib.resources import files

    from kpolicy.policy.packs import PolicyPack

    return [PolicyPack("acme", files("kpolicy_acme") / "policies", doc="Acme's rules.")]


@hookimpl
def kpolicy_policies() -> Iterable[Policy]:
    """Add the policy that is made in Python."""
    from kpolicy_acme.names import POLICY

    return [POLICY]


@hookimpl
def kpolicy_process_findings(findings: Sequence[Finding]) -> Sequence[Finding]:
    """Say which team owns each finding."""
    from kpolicy_acme.teams import owned

    return [owned(finding) for finding in findings]


@hookimpl
def kpolicy_reporters() -> Iterable[Reporter]:
    """Add `--format acme-teams`."""
    from kpolicy.reporters.model import Reporter

    from kpolicy_acme.team_report import render

    return [Reporter("acme-teams", render, doc="How many findings each team has.")]
