"""`.kpolicy.yaml`, read strictly: each unknown key, wrong type and bad value has its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from kpolicy.config.model import (
    Config,
    ConfigSuppression,
    FailOn,
    OutsideRule,
    Override,
    Severity,
)
from kpolicy.config.rendering import read_render
from kpolicy.errors import ConfigError, Problem
from kpolicy.location import SourceLocation
from kpolicy.strict.node import SourceNode, compose
from kpolicy.strict.reader import Reader

API_VERSION = "kpolicy.dev/v1"
KIND = "Config"

SEVERITIES = ("error", "warning", "info")
FAIL_ON = (*SEVERITIES, "never")
SCOPE_WORDS = ("tree", "directory", "file")

KEYS = (
    "apiVersion", "kind", "defaults", "all", "packs", "include", "exclude", "enforced", "severity",
    "params", "policies", "paths", "outside", "scopes", "suppressions", "overrides", "failOn",
    "requireReasons", "plugins", "render",
)  # fmt: skip
#: Suffixes of archives, which need a checksum (`kpolicy.policy` reads them).
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}\Z")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


def load(path: str | Path, shown: str = "") -> Config:
    """Return the configuration in a file.

    `shown` is the path for messages. A file named `.kube-linter.yaml` (or `.yml`) is read as
    kube-linter's. Raises `ConfigError` with every problem.
    """
    file = Path(path)
    name = shown or str(path)
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(Problem("not UTF-8 text", SourceLocation(name))) from error
    except OSError as error:
        raise ConfigError(
            Problem(f"cannot be read: {error.strerror}", SourceLocation(name),
                    "`-c FILE` names a configuration file")
        ) from error  # fmt: skip
    return parse(name, text, str(file.absolute().parent), kube_linter=is_kube_linter(file.name))


def is_kube_linter(name: str) -> bool:
    """Return whether a file of this name is kube-linter's configuration."""
    return name in (".kube-linter.yaml", ".kube-linter.yml")


def parse(path: str, text: str, root: str = "", *, kube_linter: bool = False) -> Config:
    """Return the configuration that `text` holds; relative paths in it start from `root`.

    Raises `ConfigError` with every problem.
    """
    documents, problems = compose(path, text)
    if problems:
        raise ConfigError(*problems)
    if not documents:
        return Config(path=path, root=root)
    if len(documents) > 1:
        raise ConfigError(
            Problem("a configuration is one document", documents[1].location, "remove the others")
        )
    if kube_linter:
        from kpolicy.config.kube_linter import parse_kube_linter

        return parse_kube_linter(documents[0], path, root)
    reading = _Reading(documents[0], path, root)
    config = reading.config()
    if reading.reader.problems:
        raise ConfigError(*reading.reader.problems)
    return config


@dataclass(slots=True)
class _Globs:
    """The globs that several sections share."""

    paths: tuple[str, ...]
    kinds: tuple[str, ...]
    namespaces: tuple[str, ...]
    names: tuple[str, ...]


class _Reading:
    """One pass over a document; remembers where each setting stands."""

    def __init__(self, document: SourceNode, path: str, root: str) -> None:
        self.document = document
        self.path = path
        self.root = root
        self.reader = Reader(document.source)
        self.origins: dict[str, SourceLocation] = {}

    def config(self) -> Config:
        reader = self.reader
        top = reader.fields(self.document, "the configuration", KEYS)
        self._header(top)
        for key, node in top.items():
            self.origins[key] = node.location
        paths = {}
        if "paths" in top:
            paths = reader.fields(top["paths"], "paths", ("exclude",))
        policies, pins = self._policies(top.get("policies"))
        return Config(
            path=self.path,
            root=self.root,
            defaults=reader.boolean(top.get("defaults"), "defaults", True),
            all=reader.boolean(top.get("all"), "all"),
            packs=self._strings(top.get("packs"), "packs"),
            include=self._strings(top.get("include"), "include"),
            exclude=self._strings(top.get("exclude"), "exclude"),
            enforced=self._strings(top.get("enforced"), "enforced"),
            severity=self._severities(top.get("severity"), "severity"),
            params=self._params(top.get("params")),
            policies=policies,
            policy_pins=MappingProxyType(pins),
            paths_exclude=self._strings(paths.get("exclude"), "paths.exclude"),
            outside=self._outside(top.get("outside")),
            scopes=self._scopes(top.get("scopes")),
            suppressions=self._suppressions(top.get("suppressions")),
            overrides=self._overrides(top.get("overrides")),
            fail_on=cast(FailOn, reader.choice(top.get("failOn"), "failOn", FAIL_ON, "warning")),
            require_reasons=reader.boolean(top.get("requireReasons"), "requireReasons"),
            plugins=MappingProxyType(
                {
                    name: reader.string(node, f"plugins.{name}")
                    for name, node in reader.entries(top.get("plugins"), "plugins")
                }
            ),
            render=read_render(reader, top.get("render"), self._note),
            origins=MappingProxyType(self.origins),
        )

    def _note(self, key: str, node: SourceNode) -> None:
        self.origins[key] = node.location

    def _header(self, top: Mapping[str, SourceNode]) -> None:
        for key, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
            node = top.get(key)
            if node is not None and node.value != wanted:
                self.reader.problem(f"{key} of a configuration is {wanted}", node.location)

    def _strings(self, node: SourceNode | None, what: str) -> tuple[str, ...]:
        found = self.reader.located_strings(node, what)
        for number, (_, at) in enumerate(found):
            self.origins[f"{what}.{number}"] = at
        return tuple(text for text, _ in found)

    def _severities(self, node: SourceNode | None, what: str) -> Mapping[str, Severity]:
        found: dict[str, Severity] = {}
        for name, value in self.reader.entries(node, what):
            self.origins[f"{what}.{name}"] = value.location
            choice = self.reader.choice(value, f"{what}.{name}", SEVERITIES, "warning")
            found[name] = cast(Severity, choice)
        return MappingProxyType(found)

    def _params(self, node: SourceNode | None) -> Mapping[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        for policy, values in self.reader.entries(node, "params"):
            given = {}
            for name, value in self.reader.entries(values, f"params.{policy}"):
                self.origins[f"params.{policy}.{name}"] = value.location
                given[name] = value.value
            self.origins[f"params.{policy}"] = values.location
            found[policy] = MappingProxyType(given)
        return MappingProxyType(found)

    def _globs(self, fields: Mapping[str, SourceNode], what: str) -> _Globs:
        strings = self.reader.strings
        return _Globs(
            strings(fields.get("paths"), f"{what}.paths"),
            strings(fields.get("kinds"), f"{what}.kinds"),
            strings(fields.get("namespaces"), f"{what}.namespaces"),
            strings(fields.get("names"), f"{what}.names"),
        )

    def _outside(self, node: SourceNode | None) -> tuple[OutsideRule, ...]:
        """Read `outside`: one mapping of lists that each open something, or a list of rules.

        The mapping form opens each of its words on its own; a rule opens what all its fields match.
        """
        reader, known = self.reader, ("kinds", "namespaces", "names")
        if node is None:
            return ()
        if node.kind == "mapping":
            fields = reader.fields(node, "outside", known)
            globs = self._globs(fields, "outside")
            rules = []
            if globs.kinds:
                rules.append(OutsideRule(kinds=globs.kinds))
            if globs.namespaces:
                rules.append(OutsideRule(namespaces=globs.namespaces))
            if globs.names:
                rules.append(OutsideRule(names=globs.names))
            return tuple(rules)
        rules = []
        for number, element in enumerate(reader.sequence(node, "outside")):
            here = f"outside[{number}]"
            fields = reader.fields(element, here, known)
            globs = self._globs(fields, here)
            if element.kind == "mapping" and not fields:
                reader.problem(f"{here} opens nothing", element.location, "give kinds or names")
            rules.append(OutsideRule(globs.kinds, globs.namespaces, globs.names))
        return tuple(rules)

    def _scopes(self, node: SourceNode | None) -> tuple[str, ...]:
        if node is not None and node.kind == "scalar":
            return (self.reader.choice(node, "scopes", SCOPE_WORDS, "tree"),)
        return self._strings(node, "scopes")

    def _policies(self, node: SourceNode | None) -> tuple[tuple[str, ...], dict[str, str]]:
        """Read `policies`: paths, or mappings of a path and its checksum.

        Returns the paths and the checksums by path. An archive needs one: its contents are not
        seen in a review of the tree.
        """
        reader = self.reader
        paths: list[str] = []
        pins: dict[str, str] = {}
        for number, element in enumerate(reader.sequence(node, "policies")):
            here, before = f"policies[{number}]", len(reader.problems)
            pin = None
            if element.kind == "mapping":
                entry = reader.fields(element, here, ("path", "sha256"), ("path",))
                path = reader.string(entry.get("path"), f"{here}.path")
                pin = entry.get("sha256")
            else:
                path = reader.string(element, here)
            if len(reader.problems) > before:
                continue
            if pin is not None:
                digest = pin.text if pin.kind == "scalar" else ""
                if not _SHA256.match(digest):
                    reader.problem(
                        f"{here}.sha256 must be 64 hexadecimal digits", pin.location,
                        "`sha256sum FILE` prints them",
                    )  # fmt: skip
                    continue
                pins[path] = digest.lower()
            elif path.lower().endswith(ARCHIVES):
                reader.problem(
                    f'the archive "{path}" has no checksum', element.location,
                    f'write {{path: {path}, sha256: "..."}}; `sha256sum {path}` prints it',
                )  # fmt: skip
                continue
            self.origins[f"policies.{len(paths)}"] = element.location
            paths.append(path)
        return tuple(paths), pins

    def _suppressions(self, node: SourceNode | None) -> tuple[ConfigSuppression, ...]:
        reader = self.reader
        known = ("policies", "paths", "kinds", "namespaces", "names", "reason", "until")
        found = []
        for number, element in enumerate(reader.sequence(node, "suppressions")):
            here = f"suppressions[{number}]"
            fields = reader.fields(element, here, known)
            globs = self._globs(fields, here)
            policies = reader.strings(fields.get("policies"), f"{here}.policies")
            if element.kind == "mapping" and not any(
                (policies, globs.paths, globs.kinds, globs.namespaces, globs.names)
            ):
                reader.problem(
                    f"{here} would suppress everything", element.location,
                    "name policies, paths, kinds, namespaces or names",
                )  # fmt: skip
            until = fields.get("until")
            day = until.text if until is not None else ""
            if until is not None and not _is_date(day):
                reader.problem(f"{here}.until must be a date, YYYY-MM-DD", until.location)
            found.append(
                ConfigSuppression(
                    policies=policies,
                    paths=globs.paths,
                    kinds=globs.kinds,
                    namespaces=globs.namespaces,
                    names=globs.names,
                    reason=reader.string(fields.get("reason"), f"{here}.reason"),
                    until=day,
                    location=element.location,
                )
            )
        return tuple(found)

    def _overrides(self, node: SourceNode | None) -> tuple[Override, ...]:
        reader = self.reader
        found = []
        for number, element in enumerate(reader.sequence(node, "overrides")):
            here = f"overrides[{number}]"
            fields = reader.fields(element, here, ("paths", "exclude", "severity"), ("paths",))
            found.append(
                Override(
                    paths=reader.strings(fields.get("paths"), f"{here}.paths"),
                    exclude=reader.strings(fields.get("exclude"), f"{here}.exclude"),
                    severity=self._severities(fields.get("severity"), f"{here}.severity"),
                    location=element.location,
                )
            )
        return tuple(found)


def _is_date(text: str) -> bool:
    from datetime import date

    if not _DATE.match(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
