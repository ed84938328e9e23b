"""The plugin host: finds plugins, calls their hooks one by one, and outlives any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kpolicy.plugins.manager import PluginHost, make_plugin_manager, make_toolbox

_EXPORTS = {
    "PluginHost": "kpolicy.plugins.manager",
    "make_plugin_manager": "kpolicy.plugins.manager",
    "make_toolbox": "kpolicy.plugins.manager",
}

__all__ = ["PluginHost", "make_plugin_manager", "make_toolbox"]


def __getattr__(name: str) -> Any:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module 'kpolicy.plugins' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(module), name)
