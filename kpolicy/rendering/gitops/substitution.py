"""Flux's variables in built manifests: `${name}`, with a default, and `$$` for a dollar.

Source: "Post build variable substitution" of kustomize.toolkit.fluxcd.io, which takes the part of
envsubst that its names allow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["substituted"]

_VARIABLE = re.compile(
    r"\$\$\{|\$\{(?P<name>[_a-zA-Z]\w*)(?:(?P<operator>:?[-=])(?P<default>[^}]*))?\}"
)
_DISABLED = "kustomize.toolkit.fluxcd.io/substitute: disabled"


def substituted(text: str, variables: Mapping[str, str], all_known: bool) -> str:
    """Return built manifests with variables replaced.

    A variable without value and default becomes nothing, as in Flux; where not all variables are
    known (`all_known` false: some come from the cluster) it stays as it is. A manifest that says so
    is left alone.
    """
    documents = text.split("\n---\n")
    return "\n---\n".join(
        document if _DISABLED in document else _one(document, variables, all_known)
        for document in documents
    )


def _one(text: str, variables: Mapping[str, str], all_known: bool) -> str:
    def value(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return "${"
        given = variables.get(name)
        if given is not None and not (given == "" and (match["operator"] or "").startswith(":")):
            return given
        if match["operator"]:
            return str(match["default"])
        return "" if all_known else match[0]

    return _VARIABLE.sub(value, text)
