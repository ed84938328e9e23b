"""kube-linter's configuration file, read when a repository has no `.kpolicy.yaml`.

Source: kube-linter's documented configuration (`checks:` and `customChecks:`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from kpolicy.config.model import Config
from kpolicy.errors import ConfigError
from kpolicy.location import SourceLocation
from kpolicy.strict.node import SourceNode, SourceText
from kpolicy.strict.reader import Reader
from kpolicy.strict.suggest import did_you_mean

#: The pack that holds kube-linter's checks.
PACK = "kube-linter"

_CHECKS = ("addAllBuiltIn", "doNotAutoAddDefaults", "include", "exclude", "ignorePaths")
_CUSTOM = ("name", "description", "remediation", "scope", "template", "params")

_TEXTS = ("name", "description", "remediation", "template")


#: What kube-linter takes for a boolean besides `true` and `false` (Go's strconv.ParseBool).
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"", "0", "f", "F", "FALSE", "false", "False"})


class _LenientReader(Reader):
    """Reads as kube-linter does: a file that it accepts is accepted, with a remark.

    It passes over keys that it does not know, takes known ones in any case, and converts
    single values (viper's defaults, with which it reads its file).
    """

    def __init__(self, source: SourceText) -> None:
        super().__init__(source)
        self.remarks: list[str] = []

    def known_as(self, key: str, names: Sequence[str]) -> str | None:
        """Return the known name that a key is but for its case."""
        return next((name for name in names if name.lower() == key.lower()), None)

    def unknown(self, key: str, at: SourceLocation, what: str, names: Sequence[str]) -> None:
        """Remark on an unknown key."""
        near = did_you_mean(key, names)
        said = f'{at}: kube-linter passes over the unknown key "{key}" in {what}'
        self.remarks.append(f"{said}; {near}" if near else said)

    def boolean(self, node: SourceNode | None, what: str, default: bool = False) -> bool:
        """Return a boolean, also of a text or number that Go takes for one."""
        if node is not None and node.kind == "scalar" and not isinstance(node.value, bool):
            if node.text in _TRUE | _FALSE:
                return node.text in _TRUE
            if isinstance(node.value, (int, float)):
                return node.value != 0
        return super().boolean(node, what, default)

    def located_strings(
        self, node: SourceNode | None, what: str
    ) -> list[tuple[str, SourceLocation]]:
        """Return a list of strings, also of one text that is divided by commas."""
        if node is not None and node.kind == "scalar" and isinstance(node.value, str):
            return [(text, node.location) for text in node.value.split(",") if text]
        return super().located_strings(node, what)


def parse_kube_linter(document: SourceNode, path: str, root: str) -> Config:
    """Return a `.kube-linter.yaml` as a configuration. Raises `ConfigError` with every problem."""
    reader = _LenientReader(document.source)
    origins: dict[str, SourceLocation] = {}
    top = reader.fields(document, "kube-linter's configuration", ("checks", "customChecks"))
    checks = {}
    if "checks" in top:
        checks = reader.fields(top["checks"], "checks", _CHECKS)
    lists: dict[str, tuple[str, ...]] = {}
    for ours, theirs in (
        ("include", "include"),
        ("exclude", "exclude"),
        ("paths.exclude", "ignorePaths"),
    ):
        found = reader.located_strings(checks.get(theirs), f"checks.{theirs}")
        if theirs in checks:
            origins[ours] = checks[theirs].location
        for number, (_, at) in enumerate(found):
            origins[f"{ours}.{number}"] = at
        lists[ours] = tuple(text for text, _ in found)
    for ours, theirs in (("packs", "addAllBuiltIn"), ("defaults", "doNotAutoAddDefaults")):
        if theirs in checks:
            origins[ours] = checks[theirs].location
    custom: list[MappingProxyType[str, Any]] = []
    for number, element in enumerate(reader.sequence(top.get("customChecks"), "customChecks")):
        what = f"customChecks[{number}]"
        fields = reader.fields(element, what, _CUSTOM, ("name", "template"))
        custom.append(MappingProxyType(_custom_check(reader, fields, what, element.location)))
    add_all = reader.boolean(checks.get("addAllBuiltIn"), "checks.addAllBuiltIn")
    config = Config(
        path=path,
        root=root,
        defaults=not reader.boolean(
            checks.get("doNotAutoAddDefaults"), "checks.doNotAutoAddDefaults"
        ),
        packs=(PACK,) if add_all else (),
        include=lists["include"],
        exclude=lists["exclude"],
        paths_exclude=lists["paths.exclude"],
        checks=tuple(custom),
        notes=tuple(reader.remarks),
        origins=MappingProxyType(origins),
    )
    if reader.problems:
        raise ConfigError(*reader.problems)
    return config


def _custom_check(
    reader: Reader, fields: Mapping[str, SourceNode], what: str, at: SourceLocation
) -> dict[str, Any]:
    """Return a custom check as written; `places` says where its parts stand, by dotted key."""
    places = {key: node.location for key, node in fields.items()}
    given: dict[str, Any] = {"location": at, "places": places}
    for key in _TEXTS:
        if key in fields:
            given[key] = reader.string(fields[key], f"{what}.{key}")
    if "scope" in fields:
        scope = reader.fields(fields["scope"], f"{what}.scope", ("objectKinds",))
        found = reader.located_strings(scope.get("objectKinds"), f"{what}.scope.objectKinds")
        given["objectKinds"] = tuple(text for text, _ in found)
        for number, (_, place) in enumerate(found):
            places[f"objectKinds.{number}"] = place
    params: dict[str, Any] = {}
    for key, node in reader.entries(fields.get("params"), f"{what}.params"):
        params[key] = node.value
        places[f"params.{key}"] = node.location
    given["params"] = params
    return given
