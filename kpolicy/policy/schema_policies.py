"""Pack `schema`: every resource held against the schema of its kind, offline.

Built-in kinds against the bundled schemas of a Kubernetes release, custom resources against the
CustomResourceDefinitions of the input. Made in Python: a schema is data, not an expression.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kpolicy.policy.defined_schemas import schemas_in
from kpolicy.policy.model import Param, Policy, Violation

if TYPE_CHECKING:
    from kpolicy.schemas.model import Schema, SchemaSet
    from kpolicy.schemas.validation import Violation as Fault
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot

PACK = "schema"

_VERSION = Param(
    "kubernetesVersion", "string", "",
    "The Kubernetes release whose schemas count, such as 1.34; empty = the newest bundled one.",
)  # fmt: skip


@lru_cache(maxsize=4)
def _release(version: str) -> SchemaSet:
    from kpolicy.schemas import load

    return load(version)


def _schema_of(resource: Resource, snapshot: Snapshot, version: str) -> Schema | None:
    group, kind = resource.group, resource.kind
    known = _release(version).schema_for(group, resource.version, kind)
    if known is not None or not group:
        return known
    return schemas_in(snapshot).schema_for(group, resource.version, kind)


@lru_cache(maxsize=1)
def _faults(resource: Resource, snapshot: Snapshot, version: str) -> tuple[Fault, ...]:
    """Return what is wrong with a resource; two policies in a row ask for it."""
    from kpolicy.schemas.defaulting import defaulted
    from kpolicy.schemas.validation import validate

    schema = _schema_of(resource, snapshot, version)
    if schema is None:
        return ()
    reported = {p.pointer for p in resource.problems if p.kind == "invalid-field-type"}
    # The bundled schemas have no defaults; a server fills in those of definitions first.
    found = validate(defaulted(resource.body, schema), schema)
    # The policy `invalid-field-type`, of the default set, has said so already.
    return tuple(fault for fault in found if fault.pointer not in reported)


def _violations(
    resource: Resource, snapshot: Snapshot, params: Mapping[str, Any]
) -> Iterable[Violation]:
    for fault in _faults(resource, snapshot, params["kubernetesVersion"]):
        if fault.fault != "unknown-field":
            where = f"{fault.path}: " if fault.path else ""
            yield Violation(f"{where}{fault.message}", _present(resource.body, fault.pointer))


def _unknown_fields(
    resource: Resource, snapshot: Snapshot, params: Mapping[str, Any]
) -> Iterable[Violation]:
    for fault in _faults(resource, snapshot, params["kubernetesVersion"]):
        if fault.fault == "unknown-field":
            at = _present(resource.body, fault.pointer)
            yield Violation(f"{fault.path}: {fault.message}", at)


def _present(body: Any, pointer: str) -> str:
    """Return the longest part of `pointer` that `body` has."""
    value, way = body, ""
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            break
        way += f"/{token}"
    return way


def _minor(version: str) -> int:
    return _release(version).minor


def _removed(
    resource: Resource, snapshot: Snapshot, params: Mapping[str, Any]
) -> Iterable[Violation]:
    from kpolicy.policy.api_fixes import renaming_of
    from kpolicy.schemas.api_versions import retirement_of

    end = retirement_of(resource.api_version, resource.kind)
    if end is None or not end.removed or _minor(params["kubernetesVersion"]) < end.removed:
        return
    yield Violation(
        f"Kubernetes 1.{end.removed} removed {resource.api_version} {resource.kind}"
        f"{_instead(end.replacement)}",
        "/apiVersion",
        fix=renaming_of(resource, end.replacement),
    )


def _deprecated(
    resource: Resource, snapshot: Snapshot, params: Mapping[str, Any]
) -> Iterable[Violation]:
    from kpolicy.policy.api_fixes import renaming_of
    from kpolicy.schemas.api_versions import retirement_of

    end = retirement_of(resource.api_version, resource.kind)
    minor = _minor(params["kubernetesVersion"])
    if end is None or minor < end.deprecated or (end.removed and minor >= end.removed):
        return
    if not end.deprecated and end.removed:
        return
    goes = f"; 1.{end.removed} removes it" if end.removed else ""
    yield Violation(
        f"{resource.api_version} {resource.kind} is deprecated since Kubernetes 1.{end.deprecated}"
        f"{goes}{_instead(end.replacement)}",
        "/apiVersion",
        fix=renaming_of(resource, end.replacement),
    )


def _instead(replacement: str) -> str:
    return f"; use {replacement}" if replacement else "; nothing takes its place"


def _rules(
    resource: Resource, snapshot: Snapshot, params: Mapping[str, Any], old: Any = None
) -> Iterable[Violation]:
    from kpolicy.policy.crd_rules import broken_rules
    from kpolicy.schemas.defaulting import defaulted

    schema = schemas_in(snapshot).schema_for(resource.group, resource.version, resource.kind)
    if schema is None or not resource.group:
        return
    body = defaulted(resource.body, schema)
    before = None if old is None else defaulted(old, schema)
    for pointer, message in broken_rules(body, schema, before):
        yield Violation(message, _present(resource.body, pointer))


_DEPRECATION_GUIDE = "https://kubernetes.io/docs/reference/using-api/deprecation-guide/"


def schema_policies() -> tuple[Policy, ...]:
    """Return the policies of pack `schema`."""
    return (
        Policy(
            id="schema-violation",
            severity="error",
            title="A resource that breaks the schema of its kind",
            pack=PACK,
            category="schema",
            description=(
                "A required field is missing, or a value has a type, form or size that the schema "
                "of the kind does not allow: the OpenAPI schema of a built-in kind, or the "
                "structural schema of a CustomResourceDefinition in the input."
            ),
            remediation="Mend the field that the message names; `kubectl explain` shows its type.",
            references=("https://kubernetes.io/docs/reference/kubernetes-api/",),
            params=(_VERSION,),
            check=_violations,
        ),
        Policy(
            id="unknown-field",
            severity="error",
            title="A field that the kind does not have",
            pack=PACK,
            category="schema",
            description=(
                "The API server drops a field that it does not know, with a warning at most, so "
                "what was meant never takes effect. Mostly a spelling or a wrong indentation."
            ),
            remediation="Spell the field as the API does, or move it to where it belongs.",
            references=(
                "https://kubernetes.io/docs/reference/using-api/api-concepts/#field-validation",
            ),
            params=(_VERSION,),
            check=_unknown_fields,
        ),
        Policy(
            id="removed-api-version",
            severity="error",
            title="An API version that is no longer served",
            pack=PACK,
            category="schema",
            description="The chosen Kubernetes release does not serve this API version any more.",
            remediation="Move to the API version that the message names; its fields may differ.",
            references=(_DEPRECATION_GUIDE,),
            params=(_VERSION,),
            check=_removed,
            metadata={"local": True},
        ),
        Policy(
            id="deprecated-api-version",
            severity="warning",
            title="An API version on its way out",
            pack=PACK,
            category="schema",
            description="The chosen release still serves this API version; a later one will not.",
            remediation="Move to the API version that the message names before the next upgrade.",
            references=(_DEPRECATION_GUIDE,),
            params=(_VERSION,),
            check=_deprecated,
            metadata={"local": True},
        ),
        Policy(
            id="custom-resource-rule",
            severity="error",
            title="A custom resource that breaks a rule of its definition",
            pack=PACK,
            category="schema",
            description=(
                "A CustomResourceDefinition of the input carries CEL rules "
                "(`x-kubernetes-validations`), and the resource breaks one. Rules about a change "
                "(`oldSelf`) are held against the base revision where there is one."
            ),
            remediation="Change the resource as the rule's message says.",
            references=(
                "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/"
                "custom-resource-definitions/#validation-rules",
            ),
            check=_rules,
            metadata={"old": True},
        ),
    )
