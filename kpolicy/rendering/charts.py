"""Helm charts among the files of a tree."""

from __future__ import annotations

from collections.abc import Iterable
from posixpath import dirname

from kpolicy.frozen import FrozenDict
from kpolicy.records import dataclass
from kpolicy.rendering.reading import mapping_in, text
from kpolicy.rendering.tree import FileTree

__all__ = ["CHART", "Chart", "chart_in", "charts_among", "is_of_chart"]

CHART = "Chart.yaml"


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart that can be installed."""

    directory: str
    name: str

    @property
    def file(self) -> str:
        """The name of its Chart.yaml."""
        return f"{self.directory}/{CHART}" if self.directory else CHART


def chart_in(tree: FileTree, directory: str) -> Chart | None:
    """Return the chart in a directory; None where there is none, or only a library.

    A library chart (`type: library`) defines templates for others and cannot be installed.
    """
    name = f"{directory}/{CHART}" if directory else CHART
    if tree.kind(name) != "file":
        return None
    body = mapping_in(tree, name)
    if body is None:
        body = FrozenDict()
    if body.get("type") == "library":
        return None
    return Chart(directory, text(body.get("name")) or directory.rpartition("/")[2] or "chart")


def charts_among(tree: FileTree, names: Iterable[str]) -> tuple[Chart, ...]:
    """Return the charts among files that are rendered for themselves: no library, no subchart."""
    found = (dirname(name) for name in names if name.rpartition("/")[2] == CHART)
    charts = (chart_in(tree, directory) for directory in found if not _is_sub(tree, directory))
    return tuple(chart for chart in charts if chart is not None)


def _is_sub(tree: FileTree, directory: str) -> bool:
    """Return whether a chart is vendored in another one, whose rendering it is a part of."""
    parts = directory.split("/")
    for at in range(len(parts) - 1, -1, -1):
        if parts[at] == "charts":
            above = "/".join(parts[:at])
            if tree.kind(f"{above}/{CHART}" if above else CHART) == "file":
                return True
    return False


def is_of_chart(chart: str, name: str) -> bool:
    """Return whether a file is one that rendering the chart in directory `chart` takes in.

    Those are its templates, definitions, subcharts and values; an example beside them is not.
    """
    inner = name[len(chart) + 1 :] if chart and name.startswith(f"{chart}/") else name
    if chart and inner == name:
        return False
    first, _, rest = inner.partition("/")
    if rest:
        return first in ("templates", "crds", "charts")
    return first == CHART or first.startswith("values")
