"""kpolicy: a policy-as-code gate for Kubernetes manifests.

Public names are loaded on first use, so that `import kpolicy.cel` loads nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kpolicy.hookspecs import hookimpl

__version__ = "0.1.0"

_EXPORTS = {"hookimpl": "kpolicy.hookspecs"}

__all__ = ["__version__", "hookimpl"]


def __getattr__(name: str) -> Any:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module 'kpolicy' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(module), name)
