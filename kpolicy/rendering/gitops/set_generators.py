"""The parameters that an ApplicationSet's generators yield, as far as the repository holds them.

`list`, `git` (directories and files), `matrix` and `merge`, with `values` and post selectors. What
asks a cluster, a forge or a plugin (`clusters`, `scmProvider`, `pullRequest` ...) is not known.
Source: docs/operator-manual/applicationset/Generators-*.md of Argo CD.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from posixpath import dirname
from typing import Any

from kpolicy.frozen import FrozenDict, thaw
from kpolicy.manifests.model import Limits
from kpolicy.manifests.yaml_documents import Parsed, parse
from kpolicy.records import dataclass
from kpolicy.rendering.gitops.globs import matches
from kpolicy.rendering.gitops.go_functions import normalize
from kpolicy.rendering.gitops.repository import Repository
from kpolicy.rendering.reading import maps
from kpolicy.rendering.tree import FileTree, Unreadable, below

__all__ = ["Generators", "NotKnown", "flattened"]

Parameters = dict[str, Any]
#: Fills the templates in a generator's own fields: (value, parameters) -> value.
Fill = Callable[[Any, Mapping[str, Any]], Any]

_NESTED = ("matrix", "merge")
_DEEPEST = 3
_MOST = 10_000


class NotKnown(Exception):
    """What a generator yields cannot be told from the repository; the message says why."""


@dataclass(frozen=True, slots=True)
class Generators:
    """Reads generators against a tree."""

    tree: FileTree
    repository: Repository
    fill: Fill
    go: bool
    """Whether parameters are nested (`goTemplate: true`) or have dotted names."""

    def sets(self, generators: Any) -> list[tuple[Parameters, Mapping[str, Any]]]:
        """Return the parameters of all generators of a set, each with its generator's template.

        Raises `NotKnown`.
        """
        found: list[tuple[Parameters, Mapping[str, Any]]] = []
        for generator in maps(generators):
            own = next((b.get("template") for b in generator.values() if isinstance(b, dict)), None)
            template = own if isinstance(own, dict) else {}
            found += [(parameters, template) for parameters in self.of(generator, {}, 0)]
        if len(found) > _MOST:
            raise NotKnown(f"its generators yield more than {_MOST} applications")
        return found

    def of(
        self, generator: Mapping[str, Any], given: Mapping[str, Any], depth: int
    ) -> list[Parameters]:
        """Return what one generator yields; `given` = parameters for templates in its fields."""
        kinds = [key for key in generator if key not in ("selector", "template")]
        if len(kinds) != 1:
            raise NotKnown("one of its generators has no kind, or several")
        kind = kinds[0]
        body = generator[kind]
        body = body if isinstance(body, dict) else {}
        if kind == "matrix":
            found = self._matrix(body, given, depth)
        elif kind == "merge":
            found = self._merge(body, given, depth)
        elif kind in ("list", "git"):
            body = self.fill(thaw(body), given) if given else thaw(body)
            found = self._list(body) if kind == "list" else self._git(body)
        else:
            raise NotKnown(f"the generator {kind} asks what is outside the repository")
        selector = generator.get("selector")
        return [p for p in found if _is_selected(selector, p)]

    def _list(self, body: Mapping[str, Any]) -> list[Parameters]:
        elements = [e for e in body.get("elements") or () if isinstance(e, dict)]
        text = body.get("elementsYaml")
        if isinstance(text, str) and text.strip():
            for parsed in parse(text.encode(), Limits()):
                if isinstance(parsed, Parsed) and isinstance(parsed.body, list):
                    elements += [e for e in thaw(parsed.body) if isinstance(e, dict)]
        return [dict(e) if self.go else dict(flattened(e)) for e in elements]

    def _git(self, body: Mapping[str, Any]) -> list[Parameters]:
        url = body.get("repoURL")
        if not (isinstance(url, str) and self.repository.is_at(url)):
            raise NotKnown(f"the git generator reads another repository ({url})")
        prefix = body.get("pathParamPrefix") or ""
        found: list[Parameters] = []
        if body.get("directories"):
            paths = self._directories(body["directories"])
            found += [self._with_path({}, path, "", prefix) for path in paths]
        for pattern in maps(body.get("files")):
            for name in self._files(str(pattern.get("path") or "")):
                found += [
                    self._with_path(content, dirname(name), name.rpartition("/")[2], prefix)
                    for content in self._contents(name)
                ]
        values = body.get("values")
        if isinstance(values, dict):
            for parameters in found:
                filled = self.fill(values, parameters)
                if self.go:
                    parameters["values"] = filled
                else:
                    parameters.update({f"values.{k}": str(v) for k, v in filled.items()})
        return found

    def _directories(self, entries: Any) -> Iterator[str]:
        taken = [e for e in maps(entries) if not e.get("exclude")]
        left = [e for e in maps(entries) if e.get("exclude")]
        for directory in _all_directories(self.tree):
            if any(matches(str(e.get("path")), directory) for e in taken) and not any(
                matches(str(e.get("path")), directory) for e in left
            ):
                yield directory

    def _files(self, pattern: str) -> list[str]:
        names = [name for name in below(self.tree, "") if matches(pattern, name, stars=True)]
        if not names and "**" not in pattern:
            # Without the option for new globs, a `*` of git's goes through directories.
            names = [n for n in below(self.tree, "") if matches(pattern, n, crossing=True)]
        return sorted(names)

    def _contents(self, name: str) -> list[Parameters]:
        try:
            data = self.tree.read(name)
        except Unreadable as error:
            raise NotKnown(f"{error.name} {error}") from None
        found: list[Parameters] = []
        for parsed in parse(data, Limits(), name.endswith(".json")):
            if not isinstance(parsed, Parsed):
                raise NotKnown(f"{self.tree.shown(name)} cannot be read: {parsed.message}")
            bodies = parsed.body if isinstance(parsed.body, list) else [parsed.body]
            found += [
                thaw(body) if self.go else dict(flattened(body))
                for body in bodies
                if isinstance(body, FrozenDict)
            ]
        return found

    def _with_path(self, content: Parameters, path: str, file: str, prefix: str) -> Parameters:
        segments = path.split("/") if path else []
        base = segments[-1] if segments else ""
        facts: dict[str, Any] = {
            "path": path,
            "basename": base,
            "basenameNormalized": normalize(base),
            "segments": segments,
        }
        if file:
            facts |= {"filename": file, "filenameNormalized": normalize(file)}
        if self.go:
            place: Parameters = {"path": facts}
            return {**content, **({prefix: place} if prefix else place)}
        named = f"{prefix}.path" if prefix else "path"
        flat = {named: path}
        flat |= {f"{named}[{n}]": segment for n, segment in enumerate(segments)}
        flat |= {f"{named}.segments[{n}]": segment for n, segment in enumerate(segments)}
        flat |= {f"{named}.{k}": v for k, v in facts.items() if k != "segments"}
        return {**content, **flat}

    def _children(self, body: Mapping[str, Any], depth: int) -> Sequence[Mapping[str, Any]]:
        children = maps(body.get("generators"))
        if depth >= _DEEPEST:
            raise NotKnown("its generators are nested too deep")
        return children

    def _matrix(
        self, body: Mapping[str, Any], given: Mapping[str, Any], depth: int
    ) -> list[Parameters]:
        found: list[Parameters] = [dict(given)]
        for child in self._children(body, depth):
            found = [
                _deep(inner, outer) if self.go else {**outer, **inner}
                for outer in found
                for inner in self.of(child, outer, depth + 1)
            ]
            if len(found) > _MOST:
                raise NotKnown(f"its generators yield more than {_MOST} applications")
        return found

    def _merge(
        self, body: Mapping[str, Any], given: Mapping[str, Any], depth: int
    ) -> list[Parameters]:
        keys = [k for k in body.get("mergeKeys") or () if isinstance(k, str)]
        children = self._children(body, depth)
        if not children or not keys:
            raise NotKnown("its merge generator has no mergeKeys or no generators")
        base = self.of(children[0], given, depth + 1)
        for child in children[1:]:
            changes = {_key(p, keys): p for p in self.of(child, given, depth + 1)}
            base = [_deep(p, changes.get(_key(p, keys), {})) for p in base]
        return base


def flattened(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield (dotted name, text) of the scalars in a mapping."""
    for key, child in value.items():
        name = f"{prefix}{key}"
        if isinstance(child, Mapping):
            yield from flattened(child, f"{name}.")
        elif isinstance(child, (list, tuple)):
            for number, item in enumerate(child):
                if isinstance(item, Mapping):
                    yield from flattened(item, f"{name}.{number}.")
                else:
                    yield f"{name}.{number}", _text(item)
        else:
            yield name, _text(child)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _all_directories(tree: FileTree) -> list[str]:
    """Return the directories of a tree that hold files, and those above them; no hidden ones."""
    found: set[str] = set()
    for name in below(tree, ""):
        directory = dirname(name)
        while directory and directory not in found:
            found.add(directory)
            directory = dirname(directory)
    return sorted(d for d in found if not any(p.startswith(".") for p in d.split("/")))


def _key(parameters: Mapping[str, Any], keys: Sequence[str]) -> tuple[Any, ...]:
    return tuple(_text(_lookup(parameters, key)) for key in keys)


def _lookup(parameters: Mapping[str, Any], key: str) -> Any:
    if key in parameters:
        return parameters[key]
    value: Any = parameters
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _deep(base: Parameters, changes: Mapping[str, Any]) -> Parameters:
    made = dict(base)
    for key, value in changes.items():
        inner = made.get(key)
        both = isinstance(inner, dict) and isinstance(value, Mapping)
        made[key] = _deep(inner, value) if both and isinstance(inner, dict) else value
    return made


def _is_selected(selector: Any, parameters: Mapping[str, Any]) -> bool:
    """Return whether parameters pass a post selector, by their flattened names."""
    if not isinstance(selector, Mapping):
        return True
    flat = dict(flattened(parameters))
    labels = selector.get("matchLabels")
    if isinstance(labels, Mapping) and any(flat.get(k) != v for k, v in labels.items()):
        return False
    return all(_holds(e, flat) for e in maps(selector.get("matchExpressions")))


def _holds(expression: Mapping[str, Any], flat: Mapping[str, str]) -> bool:
    key, operator = str(expression.get("key")), expression.get("operator")
    values: Iterable[Any] = expression.get("values") or ()
    if operator == "Exists":
        return key in flat
    if operator == "DoesNotExist":
        return key not in flat
    return (flat.get(key) in values) == (operator == "In")
