"""From the text of policy files to policies, with everything that is wrong in them at once.

This step knows structure only; `kpolicy.policy.compiled` checks the CEL.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from kpolicy.errors import Problem
from kpolicy.location import SourceLocation
from kpolicy.policy.formats import NATIVE, Loaded, Part, PolicyFormat
from kpolicy.policy.model import Policy
from kpolicy.policy.packs import SUFFIXES, Defaults, is_policy_file
from kpolicy.policy.source import SourceNode, compose
from kpolicy.strict.suggest import did_you_mean

if TYPE_CHECKING:
    from kpolicy.relations.declared import RelationDeclaration

__all__ = [
    "SUFFIXES", "Defaults", "LoadedPolicies", "duplicates", "is_policy_file", "load_file",
]  # fmt: skip

#: What `load_file` returns; the name that docs/architecture.md uses.
LoadedPolicies = Loaded


_NO_DEFAULTS = Defaults()
#: The plugin that reads an engine's policies, by their group.
_PLUGINS = {
    "kyverno.io": "kpolicy-kyverno",
    "policies.kyverno.io": "kpolicy-kyverno",
    "cli.kyverno.io": "kpolicy-kyverno",
    "templates.gatekeeper.sh": "kpolicy-gatekeeper",
    "constraints.gatekeeper.sh": "kpolicy-gatekeeper",
}


def load_file(
    path: str,
    text: str,
    formats: Sequence[PolicyFormat] = (NATIVE,),
    defaults: Defaults = _NO_DEFAULTS,
) -> LoadedPolicies:
    """Return the policies of all documents of a file and all problems of all documents.

    `path` is as shown to the user. Two policies with one id in the file are a problem; ids of
    several files are compared by `duplicates`.
    """
    documents, problems = compose(path, text)
    policies: list[Policy] = []
    relations: list[RelationDeclaration] = []
    drafts: list[Policy] = []
    parts: list[Part] = []
    mutating: list[Policy] = []
    for document in _unlisted(documents):
        loaded = _load_document(document, formats)
        parts.extend(loaded.parts)
        problems.extend(loaded.problems)
        policies.extend(settle(policy, defaults) for policy in loaded.policies)
        relations.extend(loaded.relations)
        drafts.extend(loaded.drafts)
        mutating.extend(loaded.mutating)
    if not documents and not problems:
        problems.append(
            Problem("the file holds no policy", SourceLocation(path), "remove it, or write one")
        )
    problems.extend(duplicates(policies))
    return Loaded(
        tuple(policies), tuple(problems), tuple(relations), tuple(drafts), tuple(parts),
        tuple(mutating),
    )  # fmt: skip


def _unlisted(documents: Iterable[SourceNode]) -> Iterable[SourceNode]:
    """Yield the documents, and of a `kind: List` (as kubectl prints it) its items."""
    for document in documents:
        kind = document.get("kind") if document.kind == "mapping" else None
        items = document.get("items") if kind is not None else None
        if (
            kind is not None
            and str(kind.value).endswith("List")
            and items is not None
            and items.kind == "sequence"
        ):
            yield from _unlisted(items.elements())
        else:
            yield document


def duplicates(policies: Iterable[Policy]) -> list[Problem]:
    """Return a problem for each policy whose id an earlier one has."""
    first: dict[str, Policy] = {}
    problems = []
    for policy in policies:
        other = first.setdefault(policy.id, policy)
        if other is not policy:
            where = f" at {other.location}" if other.location else _of_plugin(other)
            problems.append(
                Problem(
                    f'policy id "{policy.id}" is taken by another policy{where}',
                    policy.location,
                    f"rename one of the two{_of_plugin(policy)}",
                )
            )
    return problems


def _of_plugin(policy: Policy) -> str:
    return f" (of plugin {policy.plugin})" if policy.plugin else ""


def settle(policy: Policy, defaults: Defaults) -> Policy:
    """Return a policy with what its surroundings decide, where it says nothing itself."""
    given = policy.metadata.get("default-given", False)
    return replace(
        policy,
        pack=policy.pack or defaults.pack,
        default=policy.default if given else defaults.default,
        plugin=policy.plugin or defaults.plugin,
    )


def _version_of(document: SourceNode, formats: Sequence[PolicyFormat]) -> SourceNode | None:
    """Return the apiVersion; without one, a version of a format that has it under another key."""
    given = document.get("apiVersion")
    for format_ in formats:
        if given is None and format_.version_field != "apiVersion":
            other = document.get(format_.version_field)
            group = format_.api_version.rpartition("/")[0]
            if other is not None and str(other.value).rpartition("/")[0] == group:
                return other
    return given


def _load_document(document: SourceNode, formats: Sequence[PolicyFormat]) -> Loaded:
    path = document.source.path
    if document.kind != "mapping":
        return Loaded((), (Problem("a policy must be a mapping", document.location),))
    api_node, kind_node = _version_of(document, formats), document.get("kind")
    api_version = str(api_node.value) if api_node is not None and api_node.value else ""
    kind = str(kind_node.value) if kind_node is not None and kind_node.value else ""
    for format_ in formats:
        if format_.claims(api_version, kind):
            return format_.load(document)
    place = document.location if document.location.line else SourceLocation(path)
    if not api_version or not kind:
        missing = "apiVersion" if not api_version else "kind"
        hint = f"a policy begins with apiVersion: {NATIVE.api_version} and kind: Policy"
        return Loaded((), (Problem(f'the document lacks "{missing}"', place, hint),))
    for format_ in formats:
        if format_.claims(api_version, format_.kinds[0]):
            near = did_you_mean(kind, format_.kinds)
            hint = near or f"kinds of this apiVersion: {', '.join(format_.kinds)}"
            at = kind_node.location if kind_node is not None else place
            return Loaded((), (Problem(f'"{kind}" is no kind of policy', at, hint),))
    known = sorted({format_.api_version for format_ in formats})
    at = api_node.location if api_node is not None else place
    plugin = _PLUGINS.get(api_version.rpartition("/")[0])
    hint = f"the plugin {plugin} reads it: pip install {plugin}" if plugin else ""
    hint = hint or did_you_mean(api_version, known) or f"known: {', '.join(known)}"
    problem = Problem(f'no policy format reads "{api_version}"', at, hint)
    part = Part("resource", {"body": document.value}, place, problem)
    return Loaded((), (problem,), parts=(part,))
