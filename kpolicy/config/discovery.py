"""Which configuration file belongs to a scanned path."""

from __future__ import annotations

from pathlib import Path

NAMES = (".kpolicy.yaml", ".kpolicy.yml")
KUBE_LINTER_NAMES = (".kube-linter.yaml", ".kube-linter.yml")


def repository_root(path: Path) -> Path | None:
    """Return the nearest directory at or above `path` that holds `.git`, or None."""
    start = path if path.is_dir() else path.parent
    for directory in (start, *start.parents):
        if (directory / ".git").exists():
            return directory
    return None


def discover(target: str) -> Path | None:
    """Return the configuration file for a scanned path, or None.

    The search begins at the repository's root (for a path outside any repository: at the path) and
    goes up. `.kube-linter.yaml` counts only where the whole way has no `.kpolicy.yaml`; it is
    looked for at the beginning of the way alone, since kube-linter never looks further up.
    """
    path = Path.cwd() if target == "-" else Path(target).absolute()
    root = repository_root(path)
    start = root or (path if path.is_dir() else path.parent)
    for directory in (start, *start.parents):
        for name in NAMES:
            if (directory / name).is_file():
                return directory / name
    for name in KUBE_LINTER_NAMES:
        if (start / name).is_file():
            return start / name
    return None
