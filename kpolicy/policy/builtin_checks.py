"""Policies that CEL cannot say, made in Python: what is wrong with a manifest as a manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kpolicy.policy.key_order import SORTED_KEYS
from kpolicy.policy.model import Edit, Match, Policy, Violation
from kpolicy.policy.schema_policies import schema_policies

if TYPE_CHECKING:
    from kpolicy.snapshot.resource import Resource
    from kpolicy.snapshot.snapshot import Snapshot

PACK = "manifest"

_LOCAL = MappingProxyType({"local": True})
#: Has something to say only of resources that are defined more than once.
_COPIES = MappingProxyType({"copies": True})


def _duplicate_key(
    resource: Resource, snapshot: Snapshot, params: Mapping[str, Any]
) -> Iterable[Violation]:
    for problem in resource.problems:
        if problem.kind == "duplicate-key":
            # What stands there first takes no effect: without it the object is the same.
            fix = (Edit("deduplicate", problem.pointer),) if problem.pointer else ()
            place = (problem.line, problem.column)
            yield Violation(problem.message, place, problem.pointer, fix=fix)


def _invalid_field_type(
    resource: Resource, snapshot: Snapshot, params: Mapping[str, Any]
) -> Iterable[Violation]:
    for problem in resource.problems:
        if problem.kind == "invalid-field-type":
            # Kubernetes refuses the object as it is; the text that was meant is the one written.
            is_text = ": expected a string, found " in problem.message
            plain = is_text and isinstance(_value(resource.body, problem.pointer), (int, float))
            fix = (Edit("quote", problem.pointer),) if plain else ()
            yield Violation(problem.message, problem.pointer, fix=fix)


def _value(body: Any, pointer: str) -> Any:
    value = body
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        try:
            value = value[int(key) if isinstance(value, list) else key]
        except (LookupError, TypeError, ValueError):
            return None
    return value


def _directory(path: str) -> str:
    return path.rpartition("/")[0]


def _duplicate_resource(
    resource: Resource, snapshot: Snapshot, params: Mapping[str, Any]
) -> Iterable[Violation]:
    """Report every copy but the first among those in one directory of one scope.

    Copies in several directories are environments, as a rule; the scan's note names the setting.
    """
    if not resource.name:
        return
    same = [
        other
        for other in snapshot.copies(resource.key)
        if other.scope == resource.scope and _directory(other.path) == _directory(resource.path)
    ]
    if len(same) > 1 and same[0] is not resource:
        first = same[0]
        yield Violation(
            f"{resource.kind} {resource.name} is defined already at {first.location}; "
            "whichever is applied last wins",
            None,
            "",
            (first,),
        )


def builtin_policies() -> tuple[Policy, ...]:
    """Return the policies made in Python: packs `manifest` and `schema`, and `sorted-keys`."""
    return (
        SORTED_KEYS,
        *schema_policies(),
        Policy(
            id="duplicate-key",
            severity="error",
            title="A key stands twice in one mapping",
            pack=PACK,
            category="manifest",
            default=True,
            description=(
                "YAML forbids two equal keys in one mapping. Kubernetes takes the last one and "
                "drops the others without a word: that part of the manifest never takes effect."
            ),
            remediation="Remove one of the two, or rename the one that was meant otherwise.",
            references=("https://yaml.org/spec/1.2.2/#3213-node-comparison",),
            check=_duplicate_key,
            metadata=_LOCAL,
        ),
        Policy(
            id="invalid-field-type",
            severity="error",
            title="A field has the wrong JSON type",
            pack=PACK,
            category="manifest",
            default=True,
            description=(
                "A field of a built-in kind holds a value of another JSON type than its API says: "
                "a string for a number, a mapping for a list, an unquoted `yes` or `1.0` for a "
                "string. The API server refuses the whole object."
            ),
            remediation="Write the type that the message names; quote what is to be a string.",
            references=("https://kubernetes.io/docs/reference/kubernetes-api/",),
            check=_invalid_field_type,
            metadata=_LOCAL,
        ),
        Policy(
            id="duplicate-resource",
            severity="warning",
            title="One resource is defined twice",
            pack=PACK,
            category="manifest",
            default=True,
            description=(
                "Two manifests of one directory define the same resource (group, kind, namespace "
                "and name). Whichever is applied last wins, and a GitOps controller reports the "
                "application as out of step."
            ),
            remediation="Delete one of the two, or give it another name or namespace.",
            references=(
                "https://argo-cd.readthedocs.io/en/stable/user-guide/diffing/",
                "https://kubernetes.io/docs/concepts/overview/working-with-objects/names/",
            ),
            match=Match(kinds=("*",)),
            check=_duplicate_resource,
            metadata=_COPIES,
        ),
    )
