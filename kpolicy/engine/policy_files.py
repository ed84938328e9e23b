"""The files that policies come from: packs, `-p` and the configuration's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kpolicy.config.model import Config
from kpolicy.engine.request import ScanRequest, Toolbox
from kpolicy.errors import Problem
from kpolicy.location import SourceLocation
from kpolicy.policy.archives import ArchiveError
from kpolicy.policy.catalogue import Pin, PolicyFile, read_pack, read_paths
from kpolicy.policy.model import Policy

if TYPE_CHECKING:
    from kpolicy.policy.packs import PolicyPack


def policy_sources(
    toolbox: Toolbox, request: ScanRequest, config: Config
) -> tuple[list[PolicyFile], list[Policy], list[Problem]]:
    """Return the policy files, the policies made in Python, and what could not be read."""
    root = Path(config.root) if config.root else Path.cwd()
    own = [str(root / path) for path in config.policies]
    pins = {
        own[number]: Pin(config.policy_pins[path], config.origins.get(f"policies.{number}"))
        for number, path in enumerate(config.policies)
        if path in config.policy_pins
    }
    given, problems = read_paths([*request.policy_paths, *own], pins)
    # By path: `-p` may name a pack's own directory, and a file read twice is one file. Of two
    # policies with one id the first stays: a plugin displaces nothing.
    files: dict[str, PolicyFile] = {}
    if request.builtin:
        for pack in toolbox.packs:
            if pack.plugin in BUILTIN:
                files.update((file.path, file) for file in _pack_files(pack, problems))
    files.update((file.path, file) for file in given)
    for pack in toolbox.packs:
        if pack.plugin not in BUILTIN:
            for file in _pack_files(pack, problems):
                files.setdefault(file.path, file)
    python = [p for p in toolbox.policies if request.builtin or p.plugin not in BUILTIN]
    return list(files.values()), python, problems


#: How what ships with kpolicy is marked.
BUILTIN = ("", "builtin")


def _pack_files(pack: PolicyPack, problems: list[Problem]) -> list[PolicyFile]:
    """Return the files of a pack; one that cannot be read is a problem and has none."""
    try:
        return list(read_pack(pack))
    except (OSError, UnicodeDecodeError, ArchiveError) as error:
        what = getattr(error, "strerror", None) or "not UTF-8 text"
        if isinstance(error, ArchiveError):
            what = str(error)
        of = f' of plugin "{pack.plugin}"' if pack.plugin else ""
        at = SourceLocation(str(pack.directory))
        problems.append(Problem(f'pack "{pack.name}"{of} cannot be read: {what}', at))
        return []
