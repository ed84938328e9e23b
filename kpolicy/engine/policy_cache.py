"""Checked policies on disk, so that a warm start neither reads YAML nor parses nor checks CEL.

An entry holds every policy of one set of files, and what compiling gave for those that were ever
chosen. It is data only (see `kpolicy.policy.stored`); its key covers the files' text, kpolicy's own
build and all plugins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from kpolicy.engine.cache_directory import cache_directory, prune, read_entry, write_entry
from kpolicy.policy.build_digest import build_digest
from kpolicy.policy.catalogue import Catalogue, PolicyFile
from kpolicy.policy.model import Policy

#: Changes whenever the shape of an entry does.
FORMAT = 1
#: How many sets of files are remembered.
_KEPT = 24


def key_of(files: Iterable[PolicyFile], plugins: str) -> str:
    """Return the key of a set of policy files under these plugins."""
    parts = hashlib.blake2b(f"{FORMAT}\0{build_digest()}\0{plugins}\0".encode(), digest_size=20)
    for file in files:
        d = file.defaults
        head = f"{file.path}\0{d.pack}\0{d.default}\0{d.plugin}\0{len(file.text)}\0"
        parts.update(head.encode("utf-8", "surrogatepass"))
        parts.update(file.text.encode("utf-8", "surrogatepass"))
    return parts.hexdigest()


def load_catalogue(
    key: str, files: Sequence[PolicyFile], python: Iterable[Policy]
) -> Catalogue | None:
    """Return the catalogue that an entry holds, with the given Python policies; None for a miss."""
    directory = cache_directory()
    if directory is None:
        return None
    content = read_entry(directory / f"policies-{key}.bin")
    if content is None:
        return None
    import msgspec

    from kpolicy.policy.stored import restore_policy

    policies: dict[str, Policy] = {policy.id: policy for policy in python}
    own = len(policies)
    stored: dict[str, bytes] = {}
    try:
        pairs = msgspec.msgpack.decode(content, type=list[tuple[bytes, bytes | None]])
        for data, compiled in pairs:
            policy = restore_policy(data)
            policies[policy.id] = policy
            if compiled is not None:
                stored[policy.id] = compiled
    except (msgspec.MsgspecError, TypeError, ValueError):
        return None
    if len(policies) != own + len(pairs):
        # A Python policy took the id of one in a file since: let the loader say so.
        return None
    texts = {file.path: file.text for file in files}
    return Catalogue(
        MappingProxyType(policies),
        (),
        MappingProxyType(texts),
        stored=MappingProxyType(stored),
        key=key,
    )


def is_kept(policy: Policy) -> bool:
    """Return whether a policy is kept: it is data, and it was read from the set of files."""
    return policy.check is None and "derived" not in policy.metadata


def save_catalogue(catalogue: Catalogue, compiled: Mapping[str, Any]) -> None:
    """Write an entry with the policies of `catalogue` and what compiling gave by id.

    A policy that holds what is no data (a plugin's) keeps the whole set from being cached.
    """
    directory = cache_directory()
    if directory is None or not catalogue.key:
        return
    import msgspec

    from kpolicy.policy.stored import store_compiled, store_policy

    pairs: list[tuple[bytes, bytes | None]] = []
    try:
        for id_, policy in catalogue.policies.items():
            if not is_kept(policy):
                continue
            made = compiled.get(id_)
            data = catalogue.stored.get(id_) if made is None else store_compiled(made)
            pairs.append((store_policy(policy), data))
        content = msgspec.msgpack.encode(pairs)
    except (TypeError, ValueError, AttributeError, OverflowError):
        return
    write_entry(directory / f"policies-{catalogue.key}.bin", content)
    prune(directory, "policies-*.bin", _KEPT)
