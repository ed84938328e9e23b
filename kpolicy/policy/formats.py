"""What a reader of policy documents is: the API it claims and what makes policies of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from kpolicy.policy.model import Policy
from kpolicy.records import dataclass

if TYPE_CHECKING:
    from kpolicy.errors import Problem
    from kpolicy.location import SourceLocation
    from kpolicy.policy.source import SourceNode
    from kpolicy.relations.declared import RelationDeclaration


@dataclass(frozen=True, slots=True)
class Part:
    """What a document gives that is no policy by itself, but part of one in any of the files.

    `kind` says what `data` is: a format's name (see `PolicyFormat.assemble`), "vap-binding",
    "map-binding", "admission-exception" (see `vap_parts`), "note" (`text` is to be said once), or
    "resource" for a document that no format reads, which may be a parameter of a policy or define
    its kind. `problem` is what is wrong with it unless somebody takes it.
    """

    kind: str
    data: dict[str, Any]
    location: SourceLocation
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one document, or one file, gave: policies and everything that is wrong."""

    policies: tuple[Policy, ...] = ()
    problems: tuple[Problem, ...] = ()
    relations: tuple[RelationDeclaration, ...] = ()
    """Relations declared beside policies (`kind: Relation`)."""
    drafts: tuple[Policy, ...] = ()
    """Policies with problems, as far as they could be read: never run, but their CEL is checked,
    so that an author sees all that is wrong at once."""
    parts: tuple[Part, ...] = ()
    mutating: tuple[Policy, ...] = ()
    """Policies that change objects (`Policy.mutations`): checked, and never part of a scan."""


@dataclass(frozen=True, slots=True)
class PolicyFormat:
    """A reader of policy documents.

    - `name`: shown in messages and `plugin list`.
    - `api_version`: the apiVersion it claims, whole (`kpolicy.dev/v1`) or as a group with its slash
      (`admissionregistration.k8s.io/`), which claims every version of that group.
    - `kinds`: the kinds it claims; "*" claims all.
    - `version_field`: the key of a document that holds this apiVersion; other than `apiVersion` for
      documents that are no Kubernetes resources.
    - `load(document) -> Loaded`: `document` is a `SourceNode`, which knows its file and the
      position of every key and value. It reports what is wrong as problems and never raises for a
      bad document. CEL is checked afterwards, for all formats alike.
    - `assemble(parts) -> Loaded`: for policies that need several documents. It is called once, when
      all files are read, with the parts of all documents whose `kind` is the format's `name`.
    """

    name: str
    api_version: str
    kinds: tuple[str, ...]
    load: Callable[[SourceNode], Loaded]
    doc: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    version_field: str = "apiVersion"
    assemble: Callable[[Sequence[Part]], Loaded] | None = None

    def claims(self, api_version: str, kind: str) -> bool:
        """Return whether a document of this apiVersion and kind is this format's."""
        named = kind in self.kinds or "*" in self.kinds
        if self.api_version.endswith("/"):
            return api_version.startswith(self.api_version) and named
        return api_version == self.api_version and named


def _load_native(document: SourceNode) -> Loaded:
    from kpolicy.policy.native import load_native

    return load_native(document)


#: The API of kpolicy's own documents.
API_VERSION = "kpolicy.dev/v1"

#: kpolicy's own format; its reader is imported when a document is to be read.
NATIVE = PolicyFormat(
    name="native",
    api_version=API_VERSION,
    kinds=("Policy", "Relation"),
    load=_load_native,
    doc="kpolicy's own format",
)


def _load_validating(document: SourceNode) -> Loaded:
    from kpolicy.policy.vap import load_validating

    return load_validating(document)


#: Kubernetes' own policies; their Bindings are brought to them by `kpolicy.policy.vap_parts`.
VALIDATING = PolicyFormat(
    name="validating-admission-policy",
    api_version="admissionregistration.k8s.io/",
    kinds=(
        "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
        "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding",
    ),
    load=_load_validating,
    doc="Kubernetes' ValidatingAdmissionPolicy with its Bindings and parameters",
)  # fmt: skip
