"""The key of kept results: everything that they follow from, but for the scanned files."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path

from kpolicy import __version__
from kpolicy.config.model import Config
from kpolicy.engine.request import ScanRequest, Toolbox
from kpolicy.policy.catalogue import PolicyFile
from kpolicy.policy.model import Policy

#: Parts of the configuration that say which files are read (they are found anew each time), or what
#: becomes of findings after the policies have spoken.
CONFIG_APART = frozenset(
    {
        "path", "paths_exclude", "suppressions", "overrides", "fail_on", "require_reasons",
        "plugins", "notes", "origins",
    }
)  # fmt: skip

#: Parts of the request for which the same holds, and those that a cached scan does not have.
REQUEST_APART = frozenset(
    {
        "config", "config_path", "isolated", "policy_paths", "param_paths", "jobs", "cache",
        "verify_cache", "skip_invalid", "fail_on", "fail_if_nothing_scanned", "base", "baseline",
        "write_baseline", "suppressions", "progress",
    }
)  # fmt: skip


def results_key(
    request: ScanRequest,
    toolbox: Toolbox,
    config: Config,
    files: Iterable[PolicyFile],
    python: Iterable[Policy],
) -> str:
    """Return the key of the results of a scan: of this tree, with these policies, by this kpolicy.

    `files` and `python` are all policies that could run.
    """
    key = hashlib.blake2b(digest_size=20)
    for part in _parts(request, toolbox, config, files, python):
        data = part.encode("utf-8", "surrogatepass")
        key.update(b"%d:" % len(data))
        key.update(data)
    return key.hexdigest()


def _parts(
    request: ScanRequest,
    toolbox: Toolbox,
    config: Config,
    files: Iterable[PolicyFile],
    python: Iterable[Policy],
) -> Iterator[str]:
    yield from installation()
    yield toolbox.digest
    yield os.getcwd()  # noqa: PTH109 - paths are shown from here
    for field in fields(request):
        if field.name not in REQUEST_APART:
            yield f"{field.name}={getattr(request, field.name)!r}"
    for field in fields(config):
        if field.name not in CONFIG_APART:
            yield f"{field.name}={getattr(config, field.name)!r}"
    for file in files:
        d = file.defaults
        yield f"{file.path}\0{d.pack}\0{d.default}\0{d.plugin}"
        yield file.text
    for policy in python:
        check = policy.check
        yield f"{policy.id}\0{policy.plugin}\0{getattr(check, '__qualname__', '')}"


def installation() -> Iterator[str]:
    """Yield what changes with kpolicy's own code, with Python, and with what is installed beside.

    An installed wheel is known by its RECORD, which has the digest of each file and is the same
    wherever that wheel is installed; a checkout by the sizes and times of its files.
    """
    yield f"{__version__} {sys.implementation.cache_tag} {sys.version_info[:3]} {sys.platform}"
    package = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120
    record = _record(package)
    if record:
        yield record
    else:
        yield from sorted(_tree(package))
    for entry in dict.fromkeys(sys.path):
        try:
            with os.scandir(entry or ".") as found:
                yield from sorted(d.name for d in found if d.name.endswith(".dist-info"))
        except OSError:
            continue


def _record(package: str) -> str:
    """Return the files of the wheel that `package` came in, with their digests; "" where it came in
    none. What an installer writes beside them, as the script and its own notes, is left out."""
    beside = Path(package).parent / f"kpolicy-{__version__}.dist-info" / "RECORD"
    try:
        text = beside.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    lines = [line for line in text.splitlines() if line.startswith("kpolicy/")]
    known = sorted(line for line in lines if ",sha256=" in line)
    return "\n".join(known) if any(_THIS in line for line in known) else ""


#: A file that a wheel of this kpolicy has.
_THIS = "kpolicy/engine/cached/keys.py,"


def _tree(directory: str) -> Iterator[str]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name != "__pycache__":
                    yield from _tree(entry.path)
            else:
                status = entry.stat()
                yield f"{entry.path} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def results_path(directory: Path, key: str) -> Path:
    """Return where the results with this key are kept."""
    return directory / f"results-{key}.bin"
