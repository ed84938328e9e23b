"""Manifests in hidden places: what git tracks there is applied like any other file.

`kubectl apply -R` and Argo CD read hidden directories, so a gate must. Beside what is tracked they
hold caches and environments of tools, and most of what is tracked there is about tools as well: so
only what git tracks counts, and of that what may be a Kubernetes object.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kpolicy.errors import ManifestError, UsageError
from kpolicy.manifests.files import is_manifest_name, is_visited_name
from kpolicy.manifests.paths import is_kustomization

#: A key may be written with escapes, or in UTF-16.
_KUBERNETES = re.compile(rb"apiVersion|\\[uUx\r\n]|\0")
#: More names than this are not handed to git one by one.
_MOST_NAMES = 500


def is_hidden(path: str) -> bool:
    """Return whether a path, from the target, leads through something that is not visited."""
    return not all(map(is_visited_name, path.split("/")))


def may_be_kubernetes(path: str, data: bytes) -> bool:
    """Return whether a hidden file may hold a Kubernetes object, or is an overlay's."""
    return is_kustomization(path) or _KUBERNETES.search(data) is not None


def tracked_manifests(directory: str, entries: Sequence[str]) -> tuple[list[str], str]:
    """Return the manifests that git tracks at or below hidden entries of a directory.

    Paths start from `directory`. The second value says why git could not be asked, where it could
    not.
    """
    from kpolicy.manifests.git import tracked

    try:
        names = tracked(directory, entries if len(entries) <= _MOST_NAMES else ())
    except (UsageError, ManifestError) as error:
        said = error.problems[0].message
        return [], "" if "not a git repository" in said else said
    return [name for name in names if is_manifest_name(name) and is_hidden(name)], ""
