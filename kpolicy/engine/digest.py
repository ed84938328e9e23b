"""The digest of what is scanned: two scans with one digest had the same resources.

It is taken over the rendered resources and not over files, so that the gate of a repository and a
hook before a sync, which see the same resources in other files, agree. What kpolicy itself is told
in annotations is left out, since the digest travels in one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from kpolicy.engine.intake import intake
from kpolicy.engine.request import ScanRequest, Toolbox
from kpolicy.engine.settings import effective_config
from kpolicy.errors import Problem
from kpolicy.findings import Report

#: Annotations that are kpolicy's own, by the beginning of their keys.
OWN = ("kpolicy.dev/", "ignore.kpolicy.dev/")
_ALGORITHM = "sha256"


def digest_of(bodies: Iterable[Any]) -> str:
    """Return `sha256:...` over resources, in whatever order they come."""
    parts = sorted(hashlib.sha256(_canonical(_without_own(body))).digest() for body in bodies)
    return f"{_ALGORITHM}:{hashlib.sha256(b''.join(parts)).hexdigest()}"


def _canonical(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text.encode("ascii")


def _without_own(value: Any) -> Any:
    """Return a value without kpolicy's own annotations, at any depth: templates carry them too."""
    if isinstance(value, dict):
        found = {}
        for key, item in value.items():
            if key == "annotations" and isinstance(item, dict):
                item = {k: v for k, v in item.items() if not str(k).startswith(OWN)}
                if not item:
                    continue
            found[key] = _without_own(item)
        return found
    if isinstance(value, list):
        return [_without_own(item) for item in value]
    return value


def with_digest(report: Report, request: ScanRequest, toolbox: Toolbox) -> Report:
    """Return the report with the digest of its input, and a problem where another is expected."""
    from kpolicy.manifests import load

    found = intake(request, toolbox, effective_config(request))
    bodies = (
        document.body for file in found.files for document in load(file, request.limits).documents
    )
    digest = digest_of(bodies)
    problems = report.problems
    if request.expect_digest and request.expect_digest != digest:
        message = f"the input's digest is {digest}, but {request.expect_digest} was expected"
        hint = "these are not the resources that passed the gate; scan them there"
        problems = (*problems, Problem(message, None, hint))
    return replace(report, digest=digest, problems=problems)
