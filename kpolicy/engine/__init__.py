"""Plan, evaluate, join: from documents and policies to findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kpolicy.engine.outcome import exit_status
    from kpolicy.engine.request import ScanRequest, Selection, Toolbox, ToolboxFactory
    from kpolicy.engine.scanner import scan

_EXPORTS = {
    "ScanRequest": "kpolicy.engine.request",
    "Selection": "kpolicy.engine.request",
    "Toolbox": "kpolicy.engine.request",
    "ToolboxFactory": "kpolicy.engine.request",
    "exit_status": "kpolicy.engine.outcome",
    "scan": "kpolicy.engine.scanner",
}

__all__ = [
    "ScanRequest",
    "Selection",
    "Toolbox",
    "ToolboxFactory",
    "exit_status",
    "scan",
]


def __getattr__(name: str) -> Any:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module 'kpolicy.engine' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(module), name)
