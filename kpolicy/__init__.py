"""kpolicy: a policy-as-code gate for Kubernetes manifests.

Public names are loaded on first use, so that `import kpolicy.cel` loads nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kpolicy.api import PluginWarning, scan
    from kpolicy.engine.outcome import exit_status
    from kpolicy.errors import (
        ConfigError,
        KpolicyError,
        ManifestError,
        PluginError,
        PolicyError,
        UsageError,
    )
    from kpolicy.findings import Finding, Report
    from kpolicy.hookspecs import hookimpl

__version__ = "0.1.0"

_EXPORTS = {
    "ConfigError": "errors",
    "Finding": "findings",
    "KpolicyError": "errors",
    "ManifestError": "errors",
    "PluginError": "errors",
    "PluginWarning": "api",
    "PolicyError": "errors",
    "Report": "findings",
    "UsageError": "errors",
    "exit_status": "engine.outcome",
    "hookimpl": "hookspecs",
    "scan": "api",
}

__all__ = [
    "ConfigError",
    "Finding",
    "KpolicyError",
    "ManifestError",
    "PluginError",
    "PluginWarning",
    "PolicyError",
    "Report",
    "UsageError",
    "__version__",
    "exit_status",
    "hookimpl",
    "scan",
]


def __getattr__(name: str) -> Any:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module 'kpolicy' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"kpolicy.{module}"), name)
