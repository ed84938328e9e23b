"""Bringing Bindings, parameters and definitions to the ValidatingAdmissionPolicies they belong to.

They may stand in any of the files that hold policies. What is in the scanned input is not asked for
Bindings: a change under review could take the force from a policy with one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from kpolicy.location import SourceLocation
from kpolicy.policy.admission import severity_of_actions
from kpolicy.policy.model import Expression, NamedExpression, Policy
from kpolicy.snapshot.kinds import Kinds, custom_kind_of, split_api_version

if TYPE_CHECKING:
    from kpolicy.errors import Problem
    from kpolicy.policy.formats import Part


def assemble(
    policies: Iterable[Policy],
    parts: Sequence[Part],
    problems: Sequence[Problem],
    binding: str = "vap-binding",
) -> tuple[list[Policy], list[Problem]]:
    """Return the policies with their parts, and the problems that are left.

    `binding` is the kind of part that binds these policies.

    A resource that a policy takes as a parameter, a CustomResourceDefinition and a Namespace are no
    longer documents that no format reads.
    """
    bindings: dict[str, list[dict[str, Any]]] = {}
    first: dict[str, SourceLocation] = {}
    twice: list[Problem] = []
    for part in parts:
        if part.kind == binding:
            at = first.setdefault(part.data["name"], part.location)
            if at is not part.location:
                twice.append(_same_name(part, at))
                continue
            bindings.setdefault(part.data["policy"], []).append(part.data)
    exceptions = [part.data for part in parts if part.kind == "admission-exception"]
    resources = [part for part in parts if part.kind == "resource"]
    taken: set[int] = set()
    definitions, namespaces = [], []
    for part in resources:
        body = part.data["body"]
        if custom_kind_of(body) is not None:
            definitions.append(body)
            taken.add(id(part.problem))
        elif (body.get("apiVersion"), body.get("kind")) == ("v1", "Namespace"):
            namespaces.append(body)
            taken.add(id(part.problem))
    found: list[Policy] = []
    known: set[str] = set()
    for policy in policies:
        vap = policy.metadata.get("vap")
        if vap is None:
            found.append(policy)
            continue
        known.add(policy.id)
        own = bindings.get(policy.id, [])

        def assembled(
            policy: Policy,
            own: Sequence[dict[str, Any]] = own,
            definitions: Any = definitions,
            namespaces: Any = namespaces,
        ) -> Policy:
            vap = policy.metadata["vap"]
            # A format may bring the bindings of a rule of its own.
            bound = [*vap["bindings"], *own]
            params = []
            wanted = vap["paramKind"]
            for part in resources if wanted else ():
                body = part.data["body"]
                named = (body.get("apiVersion"), body["kind"])
                if named == (wanted["apiVersion"], wanted["kind"]):
                    params.append(body)
                    taken.add(id(part.problem))
            actions = [action for binding in bound for action in binding["actions"]]
            full = {
                **vap,
                "bindings": bound,
                "params": params,
                "definitions": definitions,
                "namespaces": namespaces,
                "notes": [*vap["notes"], *(note for binding in bound for note in binding["notes"])],
            }
            return replace(
                policy,
                match_conditions=(*policy.match_conditions, *_excepted(policy, exceptions)),
                severity=severity_of_actions(actions),
                metadata={**policy.metadata, "vap": full},
                rules=tuple(assembled(rule) for rule in policy.rules),
            )

        found.append(assembled(policy))
    left = [problem for problem in problems if id(problem) not in taken]
    return found, [*left, *twice]


def _same_name(part: Part, first: SourceLocation) -> Problem:
    """Return that a second Binding of one name is left out: a cluster has one of a name."""
    from kpolicy.errors import Problem

    text = f'binding "{part.data["name"]}" is taken by another one at {first}'
    return Problem(text, part.location, "rename one of the two")


def bystanders(
    parts: Sequence[Part], problems: Sequence[Problem]
) -> tuple[list[str], list[Problem]]:
    """Return notes of resources beside admission policies that none of them uses, and the problems
    that are left.

    A parameter file may well hold more than one policy takes. Kinds that nobody knows stay a
    problem: they may be policies that no format reads.
    """
    resources = [part for part in parts if part.kind == "resource"]
    defined = [custom_kind_of(part.data["body"]) for part in resources]
    kinds = Kinds.of((), tuple(kind for kind in defined if kind is not None))
    open_ = {id(problem) for problem in problems}
    notes: list[str] = []
    told: set[int] = set()
    for part in resources:
        body = part.data["body"]
        group, _ = split_api_version(str(body.get("apiVersion")))
        kind = str(body.get("kind"))
        if id(part.problem) in open_ and kinds.knows(group, kind):
            told.add(id(part.problem))
            notes.append(f"{part.location}: no policy takes this {kind} as a parameter: left aside")
    return notes, [problem for problem in problems if id(problem) not in told]


def _excepted(policy: Policy, exceptions: Sequence[dict[str, Any]]) -> Iterator[NamedExpression]:
    """Yield the conditions under which exceptions leave a policy, or one of its rules, in force.

    An exception (a part of kind "admission-exception") names `policies` and perhaps their `rules`,
    by globs, and the `conditions`, (CEL, place) each, that must all hold; without any it always
    does.
    """
    rule = policy.metadata["vap"].get("rule", "")
    for data in exceptions:
        if policy.id not in data["policies"]:
            continue
        if data["rules"] and not any(fnmatchcase(rule, pattern) for pattern in data["rules"]):
            continue
        source = " && ".join(f"({text})" for text, _ in data["conditions"]) or "true"
        places = [at for _, at in data["conditions"]]
        at = places[0] if places else policy.location or SourceLocation(policy.id)
        yield NamedExpression(f"exception {data['name']}", Expression(f"!({source})", at))
