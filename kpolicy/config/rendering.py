"""The `render` section of `.kpolicy.yaml`: how charts and overlays are rendered."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import cast

from kpolicy.rendering.settings import MODES, ChartSettings, Mode, RenderSettings
from kpolicy.strict.node import SourceNode
from kpolicy.strict.reader import Reader

__all__ = ["read_render"]

_SECTION = ("mode", "seconds", "helm", "kustomize", "charts", "repositories")
_HELM = ("program", "kubeVersion", "apiVersions")
_KUSTOMIZE = ("program", "loadRestrictor")
_CHART = ("path", "release", "namespace", "values", "sets")
_RESTRICTORS = ("root", "none")

Note = Callable[[str, SourceNode], None]


def read_render(reader: Reader, node: SourceNode | None, note: Note) -> RenderSettings:
    """Return the settings in a `render` section; `note` is told where each setting stands."""
    if node is None:
        return RenderSettings()
    top = reader.fields(node, "render", _SECTION)
    helm, kustomize = _part(reader, top, "helm", _HELM), _part(reader, top, "kustomize", _KUSTOMIZE)
    for key, child in top.items():
        note(f"render.{key}", child)
    for section, fields in (("helm", helm), ("kustomize", kustomize)):
        for key, child in fields.items():
            note(f"render.{section}.{key}", child)
    restrictor = reader.choice(
        kustomize.get("loadRestrictor"), "render.kustomize.loadRestrictor", _RESTRICTORS, "root"
    )
    return RenderSettings(
        mode=cast(Mode, reader.choice(top.get("mode"), "render.mode", MODES, "auto")),
        seconds=_seconds(reader, top.get("seconds")),
        helm=reader.string(helm.get("program"), "render.helm.program"),
        kustomize=reader.string(kustomize.get("program"), "render.kustomize.program"),
        unrestricted=restrictor == "none",
        kube_version=reader.string(helm.get("kubeVersion"), "render.helm.kubeVersion"),
        api_versions=reader.strings(helm.get("apiVersions"), "render.helm.apiVersions"),
        charts=_charts(reader, top.get("charts")),
        repositories=reader.strings(top.get("repositories"), "render.repositories"),
    )


def _part(
    reader: Reader, top: dict[str, SourceNode], key: str, known: tuple[str, ...]
) -> dict[str, SourceNode]:
    return reader.fields(top[key], f"render.{key}", known) if key in top else {}


def _seconds(reader: Reader, node: SourceNode | None) -> float:
    if node is None:
        return RenderSettings().seconds
    value = node.value if node.kind == "scalar" else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 3600:
        reader.problem("render.seconds must be a number above 0, at most 3600", node.location)
        return RenderSettings().seconds
    return float(value)


def _charts(reader: Reader, node: SourceNode | None) -> tuple[ChartSettings, ...]:
    found = []
    for number, element in enumerate(reader.sequence(node, "render.charts")):
        here = f"render.charts[{number}]"
        fields = reader.fields(element, here, _CHART, ("path",))
        sets = {
            name: reader.strings(files, f"{here}.sets.{name}")
            for name, files in reader.entries(fields.get("sets"), f"{here}.sets")
        }
        found.append(
            ChartSettings(
                path=reader.string(fields.get("path"), f"{here}.path"),
                release=reader.string(fields.get("release"), f"{here}.release"),
                namespace=reader.string(fields.get("namespace"), f"{here}.namespace"),
                values=reader.strings(fields.get("values"), f"{here}.values"),
                sets=MappingProxyType(sets),
            )
        )
    return tuple(found)
