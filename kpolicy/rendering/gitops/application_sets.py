"""ApplicationSets to the Applications that Argo CD makes of them.

Source: docs/operator-manual/applicationset/{Template,GoTemplate}.md of Argo CD.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from kpolicy.frozen import FrozenDict, freeze, thaw
from kpolicy.manifests.model import Limits
from kpolicy.manifests.yaml_documents import Parsed, parse
from kpolicy.rendering.gitops.go_templates import TemplateError, render
from kpolicy.rendering.gitops.repository import Repository
from kpolicy.rendering.gitops.set_generators import Generators, NotKnown
from kpolicy.rendering.tree import FileTree

__all__ = ["NotKnown", "applications_of"]

_FAST = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")


def applications_of(
    body: Mapping[str, Any], tree: FileTree, repository: Repository
) -> list[FrozenDict]:
    """Return the Applications that an ApplicationSet stands for.

    Raises `NotKnown` where the repository does not tell.
    """
    spec = body.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    go = spec.get("goTemplate") is True
    strict = "missingkey=error" in (spec.get("goTemplateOptions") or ())
    template = spec.get("template")
    if not isinstance(template, dict):
        raise NotKnown("it has no template")

    def fill(value: Any, parameters: Mapping[str, Any]) -> Any:
        def one(text: str) -> str:
            return render(text, parameters, strict) if go else _fast(text, parameters)

        return _filled(value, one)

    metadata = body.get("metadata")
    namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
    found = []
    try:
        generators = Generators(tree, repository, fill, go)
        for parameters, own_template in generators.sets(spec.get("generators")):
            made = fill(_completed(thaw(own_template), thaw(template)), parameters)
            patch = spec.get("templatePatch")
            if go and isinstance(patch, str):
                made = _patched(made, render(patch, parameters, strict))
            own = {"namespace": namespace} if namespace else {}
            made["metadata"] = {**own, **(made.get("metadata") or {})}
            made |= {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application"}
            found.append(freeze(made))
    except TemplateError as error:
        raise NotKnown(f"its template cannot be filled in here: {error}") from None
    return found


def _filled(value: Any, fill: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return fill(value) if "{{" in value else value
    if isinstance(value, Mapping):
        return {_filled(k, fill): _filled(v, fill) for k, v in value.items()}
    return [_filled(v, fill) for v in value] if isinstance(value, (list, tuple)) else value


def _fast(text: str, parameters: Mapping[str, Any]) -> str:
    """Return `text` with `{{name}}` replaced; a name that is not known stays as it is."""

    def one(match: re.Match[str]) -> str:
        name = match[1].strip()
        return str(parameters[name]) if name in parameters else match[0]

    return _FAST.sub(one, text)


def _completed(own: Any, template: Any) -> Any:
    """Return a generator's template, with what it leaves out taken from that of the set.

    Source: mergeGeneratorTemplate in applicationset/utils of Argo CD.
    """
    if isinstance(own, dict) and isinstance(template, dict):
        return {**template, **{k: _completed(v, template.get(k)) for k, v in own.items()}}
    return template if own in (None, "", [], {}, False, 0) else own


def _patched(body: Any, text: str) -> Any:
    for parsed in parse(text.encode(), Limits()):
        if not isinstance(parsed, Parsed) or not isinstance(parsed.body, (dict, type(None))):
            raise NotKnown("its templatePatch is no mapping")
        if parsed.body is not None:
            body = _merged(body, thaw(parsed.body))
    return body


def _merged(body: Any, patch: Any) -> Any:
    """Return a body with a merge patch (RFC 7386) applied."""
    if not isinstance(patch, dict):
        return patch
    made = dict(body) if isinstance(body, dict) else {}
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = _merged(made.get(key), value)
    return made
