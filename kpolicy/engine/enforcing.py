"""Who owns the gate: policies that the scanned tree's own configuration cannot weaken.

The author of a violation also writes the tree's configuration. Against a policy that a plugin
enforces, what is found there does not count; each attempt becomes a note, and so does one against a
policy that a configuration given by `-c` enforces, which is read instead of the tree's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from kpolicy.config.model import Config
from kpolicy.location import SourceLocation


def enforced_against(config: Config, patterns: Sequence[str]) -> Config:
    """Return the tree's configuration as it counts where plugins enforce `patterns`."""
    if not patterns:
        return config
    render = config.render
    if render.mode == "never":
        render = replace(render, mode="auto")
    return replace(
        config,
        enforced_by_plugins=tuple(patterns),
        trusted=False,
        render=render,
        notes=(*config.notes, *attempts(config, patterns, " by a plugin")),
    )


def attempts(config: Config, patterns: Sequence[str], by: str = "") -> tuple[str, ...]:
    """Return a note for each setting of a tree's configuration that would weaken a policy."""
    if not patterns:
        return ()
    found = []
    for setting, at, given in _weakening(config):
        hit = next((p for p in patterns if any(_meet(p, g) for g in given)), None)
        if hit is not None:
            place = at or config.path
            what = f'"{hit}" is enforced{by}: `{setting}` does not count against it'
            found.append(f"{place}: {what}" if place else what)
    return tuple(dict.fromkeys(found))


#: A setting as it is written, its place, and the policies that it is about.
_Weakening = tuple[str, SourceLocation | None, Iterable[str]]


def _weakening(config: Config) -> Iterator[_Weakening]:
    """Yield the settings that weaken policies."""
    origins = config.origins
    everything = ("*",)
    for number, pattern in enumerate(config.exclude):
        yield "exclude", origins.get(f"exclude.{number}") or origins.get("exclude"), (pattern,)
    for pattern, severity in config.severity.items():
        if severity != "error":
            yield "severity", origins.get(f"severity.{pattern}"), (pattern,)
    for policy in config.params:
        yield "params", origins.get(f"params.{policy}"), (policy,)
    for rule in config.suppressions:
        yield "suppressions", rule.location, rule.policies or everything
    for override in config.overrides:
        lower = (p for p, severity in override.severity.items() if severity != "error")
        yield "overrides", override.location, (*override.exclude, *lower)
    if config.paths_exclude:
        yield "paths.exclude", origins.get("paths.exclude.0"), everything
    if config.render.mode == "never":
        yield "render.mode", origins.get("render.mode"), everything
    if config.fail_on in ("error", "never"):
        yield "failOn", origins.get("failOn"), everything


def _meet(enforced: str, given: str) -> bool:
    """Return whether two ids or globs can mean one policy, as far as globs tell."""
    return fnmatchcase(enforced, given) or fnmatchcase(given, enforced)
