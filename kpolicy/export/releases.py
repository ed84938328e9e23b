"""Which Kubernetes release brought which part of CEL, and what a release accepts in a new policy.

Source: k8s.io/apiserver, pkg/cel/environment/base.go, `baseOpts`. A server checks a new expression
against its *minimum compatibility version*, one minor release before its own, so that the policy
still works after a rollback: what release N brought is accepted from N+1 on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from kpolicy.cel.library import kubernetes_libraries
from kpolicy.cel.nodes import Bind, Call, Comprehension, Node, OptionalMap, Select, children

Release = tuple[int, int]

#: The language itself and what was there from the beginning.
_ALWAYS: Release = (1, 0)
#: Stands for what no API server has.
_NEVER: Release = (99, 0)

#: By library, as `kpolicy.cel.library` names them.
_LIBRARIES: Mapping[str, Release] = {
    "optional": (1, 28),
    "twovar": (1, 32),
    "bindings": _NEVER,
    "cel.lib.ext.strings": _ALWAYS,
    "cel.lib.ext.math": _NEVER,
    "lists": (1, 34),
    "cel.lib.ext.sets": (1, 29),
    "regex": _ALWAYS,
    "cel.lib.ext.encoders": _NEVER,
    "kubernetes.urls": _ALWAYS,
    "kubernetes.quantity": (1, 28),
    "kubernetes.net.ip": (1, 30),
    "kubernetes.net.cidr": (1, 30),
    "kubernetes.format": (1, 31),
    "kubernetes.Semver": (1, 33),
    "kubernetes.authz": (1, 27),
    "kubernetes.jsonpatch": _NEVER,
}
#: Functions that came at another time than their library.
_FUNCTIONS: Mapping[str, Release] = {
    # Kubernetes' own list functions, older than cel-go's.
    **dict.fromkeys(("isSorted", "sum", "min", "max", "indexOf", "lastIndexOf"), _ALWAYS),
    # Version 2 of the string library replaced version 0.
    **dict.fromkeys(("format", "strings.quote"), (1, 29)),
    "reverse": (1, 34),
    "includes": (1, 37),
    "string": _ALWAYS,
    "regex.extract": _NEVER,
    "regex.extractAll": _NEVER,
    "regex.replace": _NEVER,
    "isMask": _NEVER,
}


@cache
def _introduced() -> Mapping[str, Release]:
    """Return the release of each function that is not part of the language."""
    found: dict[str, Release] = {}
    for library in kubernetes_libraries():
        for function in library.functions:
            release = _FUNCTIONS.get(function.name, _LIBRARIES[library.name])
            known = found.get(function.name)
            found[function.name] = release if known is None else min(known, release)
    return found


def needs(node: Node) -> Iterator[tuple[str, Release, int]]:
    """Yield (what, the release that brought it, offset) of all that an expression uses."""
    pending = [node]
    while pending:
        part = pending.pop()
        pending += children(part)
        match part:
            case Select(optional=True) | OptionalMap() | Call(function="_[?_]"):
                yield "optional values", _LIBRARIES["optional"], part.offset
            case Bind():
                yield "cel.bind", _NEVER, part.offset
            case Comprehension(kind="sortBy"):
                yield "sortBy", _LIBRARIES["lists"], part.offset
            case Comprehension() if part.variable2 is not None or part.kind.startswith("transform"):
                yield "macros with two variables", _LIBRARIES["twovar"], part.offset
            case Call(function=function):
                name = _namespaced(part) or function
                release = _introduced().get(name, _introduced().get(function, _ALWAYS))
                yield name, release, part.offset


def _namespaced(call: Call) -> str:
    """Return `sets.contains` for a call of a function in a namespace, "" for any other."""
    from kpolicy.cel.checker import qualified_name

    head = qualified_name(call.target) if call.target is not None else None
    name = f"{head}.{call.function}" if head else ""
    return name if name in _introduced() else ""


def refused_by(node: Node, release: Release) -> tuple[str, int] | None:
    """Return why an API server of `release` refuses a new expression, and at which offset."""
    for what, introduced, offset in needs(node):
        if introduced == _NEVER:
            return f"{what}: no API server has it", offset
        if introduced >= release and introduced != _ALWAYS:
            since = f"{introduced[0]}.{introduced[1]}"
            first = f"{introduced[0]}.{introduced[1] + 1}"
            return (
                f"{what}: Kubernetes has it since {since} and takes it in new policies from "
                f"{first} on",
                offset,
            )
    return None
