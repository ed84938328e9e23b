"""A baseline: the findings of today by fingerprint, so that a gate stops only what comes after."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kpolicy.errors import Problem, UsageError
from kpolicy.findings import Finding
from kpolicy.location import SourceLocation

VERSION = 1


def read_baseline(path: str, content: bytes | None = None) -> frozenset[str]:
    """Return the fingerprints in a baseline file, or in `content` as if that stood there.

    Raises `UsageError` where it is none.
    """
    at = SourceLocation(path)
    hint = "`kpolicy scan --write-baseline FILE` makes one"
    try:
        data: Any = json.loads(Path(path).read_bytes() if content is None else content)
    except OSError as error:
        raise UsageError(Problem(f"cannot be read: {error.strerror}", at, hint)) from error
    except ValueError as error:
        raise UsageError(Problem("is no baseline: not JSON", at, hint)) from error
    if not isinstance(data, dict) or data.get("kpolicyBaseline") != VERSION:
        raise UsageError(Problem(f"is no baseline of version {VERSION}", at, hint))
    findings = data.get("findings")
    if not isinstance(findings, list):
        raise UsageError(Problem("is no baseline: findings must be a list", at, hint))
    found = set()
    for entry in findings:
        fingerprint = entry.get("fingerprint") if isinstance(entry, dict) else None
        if not isinstance(fingerprint, str):
            raise UsageError(Problem("is no baseline: a finding lacks its fingerprint", at, hint))
        found.add(fingerprint)
    return frozenset(found)


def baseline_text(findings: Iterable[Finding]) -> str:
    """Return a baseline of `findings`: sorted, one a line, with what people need to review it."""
    entries = sorted(
        {
            f.fingerprint: {
                "fingerprint": f.fingerprint,
                "policy": f.policy,
                "resource": str(f.resource),
                "path": f.place.location.path,
            }
            for f in findings
            if f.outcome in ("fail", "error")
        }.values(),
        key=lambda e: (e["path"], e["policy"], e["resource"], e["fingerprint"]),
    )
    lines = ",\n".join("    " + json.dumps(entry, ensure_ascii=False) for entry in entries)
    body = f"[\n{lines}\n  ]" if entries else "[]"
    return f'{{\n  "kpolicyBaseline": {VERSION},\n  "findings": {body}\n}}\n'


def write_baseline(path: str, findings: Iterable[Finding]) -> None:
    """Write a baseline file, atomically. Raises `UsageError` where it cannot be written."""
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=target.absolute().parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(baseline_text(findings))
            # mkstemp makes it private; a baseline is committed like any other file.
            Path(name).chmod(0o644)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(
            Problem(f"cannot be written: {error.strerror}", SourceLocation(path))
        ) from error
