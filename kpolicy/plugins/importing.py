"""Importing a plugin and taking it in, or saying what is wrong with it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from kpolicy.engine.deadline import DidNotReturn
from kpolicy.engine.supervision import Ended
from kpolicy.errors import Problem
from kpolicy.hookspecs import API_VERSION, Hooks

if TYPE_CHECKING:
    from kpolicy.engine.supervision import PluginCalls
    from kpolicy.plugins.discovery import Candidate

DEBUG_HINT = "KPOLICY_DEBUG=1 shows the traceback; --disable-plugin NAME goes without the plugin"


def import_unit(candidate: Candidate, calls: PluginCalls) -> int:
    """Return the number of a plugin's import among the calls of plugins' code."""
    return calls.unit(f"{_label(candidate)} cannot be imported: it", loading=True)


def _label(candidate: Candidate) -> str:
    return f'plugin "{candidate.name}" ({candidate.distribution} {candidate.version})'


def register(
    manager: pluggy.PluginManager, candidate: Candidate, calls: PluginCalls
) -> Problem | None:
    """Import and register one plugin; return what is wrong, leaving the manager without it."""
    label = _label(candidate)
    unit = import_unit(candidate, calls)
    try:
        with calls.call(unit):
            plugin = candidate.load()
    except (Ended, DidNotReturn) as error:
        what = f"{label} cannot be imported: it {error}"
        return calls.told.get(unit) or Problem(what, None, DEBUG_HINT)
    except (Exception, SystemExit) as error:
        if os.environ.get("KPOLICY_DEBUG"):
            import traceback

            traceback.print_exception(error)
        return Problem(f"{label} cannot be imported: {describe(error)}", None, DEBUG_HINT)
    return adopt(manager, plugin, candidate.name, label)


def adopt(manager: pluggy.PluginManager, plugin: Any, name: str, label: str) -> Problem | None:
    """Register a plugin that is at hand; return what is wrong, leaving the manager without it."""
    api = getattr(plugin, "kpolicy_api", API_VERSION)
    if api != API_VERSION:
        hint = "upgrade kpolicy" if isinstance(api, int) and api > API_VERSION else "upgrade it"
        return Problem(
            f"{label} needs plugin API {api!r}; this kpolicy has {API_VERSION}", None, hint
        )
    try:
        manager.register(plugin, name)
        wrong = _misfits(manager, name)
        if not wrong:
            manager.check_pending()
            return None
    except (pluggy.PluginValidationError, ValueError, TypeError) as error:
        wrong = " ".join(str(error).split())
    if manager.get_plugin(name) is not None:
        manager.unregister(name=name)
    return Problem(f"{label} does not fit the hooks: {wrong}", None, "docs/plugins.md lists them")


def _misfits(manager: pluggy.PluginManager, name: str) -> str:
    """Return what a plugin implements that no hook is, or in a way that is not part of the API."""
    known = {hook for hook in vars(Hooks) if hook.startswith("kpolicy_")}
    plugin = manager.get_plugin(name)
    for caller in manager.get_hookcallers(plugin) or ():
        if caller.name not in known:
            from kpolicy.strict.suggest import did_you_mean

            near = did_you_mean(caller.name, known)
            return f'"{caller.name}" is no hook{f", {near}" if near else ""}'
        for implementation in caller.get_hookimpls():
            if implementation.plugin is plugin and (
                implementation.wrapper or implementation.hookwrapper
            ):
                return f'"{caller.name}" is a hook wrapper; wrappers are not part of the API'
    return ""


def describe(error: BaseException) -> str:
    """Return `ValueError: what` with the innermost place in the code that raised it."""
    import traceback

    if isinstance(error, DidNotReturn):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    text = str(error).splitlines()[0] if str(error) else ""
    return f"{type(error).__name__}{f': {text}' if text else ''}{where}"
