"""Everything that ships with kpolicy, registered through the hooks that strangers use too.

Each hook imports what it returns when it is called, so that listing reporters loads no CEL.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kpolicy.hookspecs import API_VERSION, hookimpl

if TYPE_CHECKING:
    from kpolicy.cel.declarations import Library
    from kpolicy.findings import Report
    from kpolicy.manifests.model import Source
    from kpolicy.policy.formats import PolicyFormat
    from kpolicy.policy.model import Policy
    from kpolicy.policy.packs import PolicyPack
    from kpolicy.relations.model import Relation
    from kpolicy.reporters.model import ReportContext, Reporter
    from kpolicy.snapshot.kinds import WorkloadKind

kpolicy_api = API_VERSION

#: The formats in `kpolicy.reporters`, one module each, in the order in which help lists them.
REPORTERS = {
    "text": "For people: by file, with source lines, carets, related places and remediation.",
    "json": "The stable machine-readable shape, with a published JSON Schema.",
    "sarif": "SARIF 2.1.0, for GitHub code scanning and other viewers.",
    "github": "Workflow commands: annotations in a GitHub pull request.",
    "gitlab": "GitLab's code quality report.",
    "junit": "JUnit XML, for Jenkins and most CI systems.",
    "checkstyle": "Checkstyle XML, for reviewdog and others.",
    "html": "One self-contained page: search, filters, source excerpts, graphs of joins.",
    "markdown": "A comment for a pull request.",
    "csv": "One row a finding, for spreadsheets.",
    "policyreport": "PolicyReport resources of the Kubernetes policy working group.",
    "template": "Your own Jinja template (--template FILE), in a sandbox.",
}


@hookimpl
def kpolicy_workload_kinds() -> Iterable[WorkloadKind]:
    """Return the workload kinds known without a plugin."""
    from kpolicy.snapshot.kinds import WORKLOAD_KINDS

    return WORKLOAD_KINDS


@hookimpl
def kpolicy_cel_libraries() -> Iterable[Library]:
    """Return CEL's standard and Kubernetes' libraries and kpolicy's own."""
    from kpolicy.cel import kubernetes_libraries
    from kpolicy.relations import label_selectors, workload_names
    from kpolicy.relations.library import library

    return (
        *kubernetes_libraries(),
        library(),
        label_selectors.library(),
        workload_names.library(),
    )


@hookimpl
def kpolicy_relations() -> Iterable[Relation]:
    """Return the built-in relations."""
    from kpolicy.relations.builtin import relations

    return relations()


@hookimpl
def kpolicy_policy_formats() -> Iterable[PolicyFormat]:
    """Return the native format and ValidatingAdmissionPolicy."""
    from kpolicy.policy.formats import NATIVE, VALIDATING

    return (NATIVE, VALIDATING)


@hookimpl
def kpolicy_policy_packs() -> Iterable[PolicyPack]:
    """Return the packs in the wheel, or in the checkout's `policies/`."""
    from kpolicy.policy.packs import PolicyPack

    root = policies_directory()
    if root is None:
        return ()
    return tuple(
        PolicyPack(folder.name, folder)
        for folder in sorted(root.iterdir())
        if folder.is_dir() and not folder.name.startswith((".", "_"))
    )


@hookimpl
def kpolicy_policies() -> Iterable[Policy]:
    """Return the built-in policies that are made in Python."""
    from kpolicy.policy.builtin_checks import builtin_policies

    return builtin_policies()


@hookimpl
def kpolicy_sources() -> Iterable[Source]:
    """Return files and directories, and standard input."""
    from kpolicy.manifests import builtin_sources

    return builtin_sources()


@hookimpl
def kpolicy_reporters() -> Iterable[Reporter]:
    """Return the built-in output formats."""
    from kpolicy.reporters.model import Reporter

    return tuple(Reporter(name, partial(_render, name), doc) for name, doc in REPORTERS.items())


def _render(name: str, report: Report, context: ReportContext) -> str:
    """Import the one format that is wanted, and render."""
    from importlib import import_module

    text: str = import_module(f"kpolicy.reporters.{name}").render(report, context)
    return text


def policies_directory() -> Path | None:
    """Return the directory of the built-in packs, None where there is none."""
    import kpolicy

    package = Path(kpolicy.__file__).parent
    for directory in (package / "policies", package.parent / "policies"):
        if directory.is_dir():
            return directory
    return None
