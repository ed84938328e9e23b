"""CEL, the Common Expression Language, compiled to Python; knows no Kubernetes resource.

`compile(source).evaluate({"object": body})` is the short way; an `Environment` declares variables
and libraries. Public names are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kpolicy.cel.declarations import Function, Library, Macro, Overload
    from kpolicy.cel.environment import Environment
    from kpolicy.cel.errors import CelError, CelErrors
    from kpolicy.cel.library import kubernetes_libraries
    from kpolicy.cel.program import Program
    from kpolicy.cel.types import BOOL, DYN, INT, STRING, Type
    from kpolicy.cel.values import Duration, Optional, Timestamp, UInt

_EXPORTS = {
    "BOOL": "types", "DYN": "types", "INT": "types", "STRING": "types", "Type": "types",
    "CelError": "errors", "CelErrors": "errors", "Duration": "values", "Environment": "environment",
    "Function": "declarations", "Library": "declarations", "Macro": "declarations",
    "Optional": "values", "Overload": "declarations", "Program": "program",
    "Timestamp": "values", "UInt": "values", "kubernetes_libraries": "library",
}  # fmt: skip

__all__ = [
    "BOOL", "DYN", "INT", "STRING", "CelError", "CelErrors", "Duration", "Environment", "Function",
    "Library", "Macro", "Optional", "Overload", "Program", "Timestamp", "Type", "UInt", "compile",
    "kubernetes_libraries",
]  # fmt: skip


def compile(
    source: str,
    *,
    variables: Mapping[str, Type | str] | Iterable[str] | None = None,
    container: str = "",
    functions: Iterable[Function | Library] = (),
    check: bool = True,
) -> Program:
    """Return the program of a CEL expression, with all libraries that Kubernetes enables.

    - `variables`: types by name, also as text (`map(string, int)`), or names alone (`dyn`); None:
      any name, dotted too, is `dyn` and looked up at evaluation.
    - `container`: the namespace in which names are looked up first.
    - `functions`: functions or libraries beside the built-in ones.
    - `check`: False skips the type checker; unknown functions then fail at evaluation.

    Raises `CelError` with phase, line and column.
    """
    from kpolicy.cel.environment import environment_of

    given = tuple(functions)
    declared: tuple[tuple[str, Type | str], ...] | None = None
    if variables is not None:
        named = variables if isinstance(variables, dict) else _by_name(variables)
        declared = tuple(named.items())
    try:
        environment = environment_of(declared, container, given)
    except TypeError:
        # A declaration that cannot be hashed: made anew instead of kept.
        environment = environment_of.__wrapped__(declared, container, given)
    return environment.compile(source, check=check)


def _by_name(variables: Mapping[str, Type | str] | Iterable[str]) -> dict[str, Type | str]:
    """Return types by name; a name alone is `dyn`."""
    from collections.abc import Mapping

    return dict(variables) if isinstance(variables, Mapping) else dict.fromkeys(variables, "dyn")


def __getattr__(name: str) -> Any:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module 'kpolicy.cel' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"kpolicy.cel.{module}"), name)
