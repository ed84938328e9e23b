"""The built-in policies as they were compiled when kpolicy was built: a first scan is a warm one.

The file lies beside the packs in the wheel and is data only, as in the cache of checked policies
(`kpolicy.engine.policy_cache`). It counts for the very version and texts that it was made from,
and where the built-in files are all there are; else, as in a checkout, policies are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kpolicy import __version__
from kpolicy.policy.catalogue import Catalogue, PolicyFile, build
from kpolicy.policy.model import Policy

if TYPE_CHECKING:
    from kpolicy.engine.request import Toolbox
    from kpolicy.policy.compiled import CompiledPolicy

#: Changes whenever the shape of the file does.
FORMAT = 1


def load_shipped(
    files: Sequence[PolicyFile], python: Iterable[Policy], at: Path
) -> Catalogue | None:
    """Return the catalogue that the wheel holds for these files, with the given Python policies.

    None where `at` is no such file, or one that was made from other texts or by another version.
    """
    try:
        content = at.read_bytes()
    except OSError:
        return None
    places = _names(files)
    if places is None:
        return None
    import msgspec

    from kpolicy.policy.stored import restore_policy

    shape = tuple[int, str, str, list[tuple[bytes, bytes]]]
    policies: dict[str, Policy] = {policy.id: policy for policy in python}
    stored: dict[str, bytes] = {}
    try:
        format_, version, digest, pairs = msgspec.msgpack.decode(content, type=shape)
        if (format_, version, digest) != (FORMAT, __version__, _digest(places)):
            return None
        paths = {name: file.path for name, file in places.items()}
        for data, compiled in pairs:
            policy = restore_policy(data)
            if policy.id in policies:
                return None
            _place(policy, paths)
            policies[policy.id] = policy
            stored[policy.id] = compiled
    except (msgspec.MsgspecError, TypeError, ValueError, KeyError):
        return None
    return Catalogue(
        MappingProxyType(policies),
        (),
        MappingProxyType({file.path: file.text for file in files}),
        stored=MappingProxyType(stored),
    )


def compile_shipped(toolbox: Toolbox) -> bytes:
    """Return the content of the file for the packs of `toolbox`, which are the built-in ones.

    Raises `ValueError` for a policy with a problem: such a wheel is not to be made.
    """
    import msgspec

    from kpolicy.policy.stored import store_compiled, store_policy

    places, compiled = _compiled(toolbox)
    pairs = [(store_policy(each.policy), store_compiled(each)) for each in compiled]
    return msgspec.msgpack.encode((FORMAT, __version__, _digest(places), pairs))


def write_expressions(toolbox: Toolbox, build: str) -> str:
    """Return the text of the module of `kpolicy.policy.prepared`: code for the built-in policies.

    It counts for a build: kpolicy's version for a wheel, the `build_digest` of a checkout. Raises
    `ValueError` for a policy with a problem.
    """
    from kpolicy.cel.prepared import written

    _, compiled = _compiled(toolbox)
    programs = [(p.program, p.names) for each in compiled for p in each.programs()]
    head = '"""Generated when kpolicy is built: the code of the built-in policies\' expressions."""'
    return f"{head}\n\nBUILD = {build!r}\n\n\n{written(programs)}"


def _compiled(toolbox: Toolbox) -> tuple[Mapping[str, PolicyFile], list[CompiledPolicy]]:
    """Return the policy files by name, and their policies compiled, those of Python left out."""
    from kpolicy.policy.catalogue import read_pack
    from kpolicy.policy.compiled import CompileContext, compile_policy
    from kpolicy.relations.index import directory
    from kpolicy.snapshot.kinds import Kinds

    read = [file for pack in toolbox.packs for file in read_pack(pack)]
    places = _names(read)
    if places is None:
        raise ValueError("two policy files have one name, or one belongs to a plugin")
    named = [PolicyFile(name, file.text, file.defaults) for name, file in places.items()]
    catalogue = build(named, (), toolbox.formats)
    relations = frozenset(directory(toolbox.relations))
    kinds = Kinds.of(toolbox.workload_kinds)
    context = CompileContext(toolbox.libraries, relations, kinds, catalogue.texts)
    problems = list(catalogue.problems)
    made: list[CompiledPolicy] = []
    for policy in catalogue.policies.values():
        compiled, found = compile_policy(policy, context)
        problems.extend(found)
        if compiled is not None:
            made.append(compiled)
    if problems or catalogue.relations:
        raise ValueError("; ".join(str(problem) for problem in problems) or "relations declared")
    return places, made


def _names(files: Sequence[PolicyFile]) -> Mapping[str, PolicyFile] | None:
    """Return the files by a name that holds wherever the packs are: `PACK/FILE`.

    None where some file is not a pack's, or names are not unique.
    """
    named: dict[str, PolicyFile] = {}
    for file in files:
        pack = file.defaults.pack
        rest = f"/{file.path}".rpartition(f"/{pack}/")[2]
        if not pack or file.defaults.plugin not in ("", "builtin") or file.defaults.default:
            return None
        named[f"{pack}/{rest}"] = file
    return named if len(named) == len(files) else None


def _digest(places: Mapping[str, PolicyFile]) -> str:
    parts = hashlib.blake2b(digest_size=20)
    for name, file in places.items():
        parts.update(f"{name}\0{len(file.text)}\0{file.text}".encode("utf-8", "surrogatepass"))
    return parts.hexdigest()


def _place(policy: Policy, paths: Mapping[str, str]) -> None:
    """Give the places in a policy, which nobody else has seen yet, the paths of this machine."""
    named = (*policy.match_conditions, *policy.filters, *policy.variables)
    expressions: list[Any] = [policy, *(each.expression for each in named)]
    for v in policy.validations:
        expressions += [v.expression, v.message_expression, v.at, v.related]
        if v.for_each is not None:
            expressions.append(v.for_each.items)
        expressions += [e for s in v.fix for e in (s.value, s.when, s.base)]
    for expression in expressions:
        location = None if expression is None else expression.location
        if location is not None:
            object.__setattr__(location, "path", paths[location.path])
