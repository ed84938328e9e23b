"""Helm charts among the files: templates are no YAML until rendered, so they are set aside."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kpolicy.location import SourceLocation
from kpolicy.manifests.loader import read_bytes
from kpolicy.manifests.model import Limits, ManifestFile, Note, Skipped

__all__ = ["set_templates_aside"]


def set_templates_aside(
    files: Sequence[ManifestFile], limits: Limits, exists: Callable[[str], bool]
) -> tuple[tuple[ManifestFile, ...], tuple[Skipped, ...], tuple[Note, ...]]:
    """Return (files to load, templates set aside, one note for each chart that has some).

    A template is a file with `{{` in it below `templates/` beside a `Chart.yaml`; `exists` tells
    whether a file of a name (that of the `filename`s) is there.
    """
    kept: list[ManifestFile] = []
    templates: dict[str, list[str]] = {}
    known: dict[str, bool] = {}
    for file in files:
        name = (file.filename or file.path).replace("\\", "/")
        if "templates/" not in name:
            kept.append(file)
            continue
        chart = _chart_above(name, known, exists)
        if chart is None or not _has_actions(file, limits):
            kept.append(file)
            continue
        depth = name.count("/") - chart.count("/") if chart else name.count("/") + 1
        shown = "/".join(file.path.split("/")[:-depth]) or "."
        templates.setdefault(shown, []).append(file.path)
    skipped = [Skipped(path, "helm-template") for paths in templates.values() for path in paths]
    notes = [
        Note(
            f"Helm chart with {len(paths)} template{'s' if len(paths) > 1 else ''} that "
            f"{'are' if len(paths) > 1 else 'is'} not rendered here; "
            "scan the output of `helm template` to check what it installs",
            SourceLocation(chart),
        )
        for chart, paths in templates.items()
    ]
    return tuple(kept), tuple(skipped), tuple(notes)


def _chart_above(name: str, known: dict[str, bool], exists: Callable[[str], bool]) -> str | None:
    """Return the directory of the innermost chart that has `name` among its templates."""
    parts = name.split("/")
    for at in range(len(parts) - 2, -1, -1):
        if parts[at] != "templates":
            continue
        directory = "/".join(parts[:at])
        if directory not in known:
            prefix = f"{directory}/" if at else ""
            known[directory] = exists(f"{prefix}Chart.yaml")
        if known[directory]:
            return directory
    return None


def _has_actions(file: ManifestFile, limits: Limits) -> bool:
    data = read_bytes(file, limits)
    return isinstance(data, bytes) and b"{{" in data
