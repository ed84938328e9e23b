"""The libraries of CEL functions and macros, one file each.

`kubernetes_libraries()` has everything that the API server enables (1.34 to 1.37) and what
cel-go's extensions offer beside it (`math`, `regex.*`, `base64`, `json`, `isMask`). A library is
data (`kpolicy.cel.declarations.Library`); its file is imported when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Final

from kpolicy.cel.declarations import Library

_MODULES: Final = (
    "optionals",
    "comprehensions",
    "bindings",
    "strings",
    "math",
    "lists",
    "sets",
    "regex",
    "encoders",
    "url",
    "quantity",
    "ip",
    "cidr",
    "format",
    "semver",
    "authorizer",
    "jsonpatch",
)


@cache
def kubernetes_libraries() -> tuple[Library, ...]:
    """Return all libraries, in a fixed order; the standard functions are always there."""
    return tuple(_library(name) for name in _MODULES)


def _library(name: str) -> Library:
    module = import_module(f"{__name__}.{name}")
    library = module.library() if hasattr(module, "library") else module.LIBRARY
    assert isinstance(library, Library)
    return library


@cache
def refusals() -> Mapping[str, str]:
    """Return the variables that no gate can have, with the reason (`Library.refused`)."""
    refused = [library.refused for library in kubernetes_libraries()]
    return MappingProxyType({name: why for each in refused for name, why in each.items()})
