"""Which policies run: the default set, the configuration's choice, the command line's."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping

from kpolicy.config.model import Config
from kpolicy.engine.request import Selection
from kpolicy.errors import ConfigError, Problem, UsageError
from kpolicy.location import SourceLocation
from kpolicy.policy.catalogue import Catalogue


def choose(catalogue: Catalogue, selection: Selection, config: Config) -> tuple[str, ...]:
    """Return the ids of the policies that run, sorted.

    Raises `UsageError` for an unknown id, glob or pack of `selection`, and `ConfigError`, with its
    place, for one of the configuration; each with a suggestion. `enforced` policies always run.
    """
    wrong: list[Problem] = []
    chosen: set[str]
    if selection.select:
        chosen = _ids(catalogue, selection.select, "--select", wrong)
    else:
        chosen = _of_config(catalogue, config)
        if selection.all:
            chosen |= set(catalogue.policies)
            # What the configuration takes away stays away, unless a flag names it.
            chosen -= _config_ids(catalogue, config.exclude, "exclude", config, [])
    chosen |= _packs(catalogue, selection.packs, "--pack", wrong)
    chosen |= _ids(catalogue, selection.include, "--include", wrong)
    excluded = _ids(catalogue, selection.exclude, "--exclude", wrong)
    if wrong:
        raise UsageError(*wrong)
    chosen -= excluded
    enforced = (*config.enforced, *config.enforced_by_plugins)
    chosen |= _config_ids(catalogue, enforced, "enforced", config, [])
    return tuple(sorted(chosen))


def unknown_enforced(catalogue: Catalogue, config: Config) -> list[Problem]:
    """Return a problem for each policy that a plugin enforces and that there is not."""
    return [
        Problem(f'a plugin enforces "{pattern}", but there is no such policy', None,
                catalogue.unknown(pattern))
        for pattern in config.enforced_by_plugins
        if not catalogue.matching(pattern) and not catalogue.is_broken(pattern)
    ]  # fmt: skip


def _of_config(catalogue: Catalogue, config: Config) -> set[str]:
    wrong: list[Problem] = []
    chosen: set[str] = set()
    if config.defaults:
        chosen |= {id_ for id_, policy in catalogue.policies.items() if policy.default}
    if config.all:
        chosen |= set(catalogue.policies)
    for number, pack in enumerate(config.packs):
        found = _of_pack(catalogue, pack)
        if not found:
            at = _origin(config, f"packs.{number}", "packs")
            wrong.append(Problem(f'no pack "{pack}"', at, catalogue.unknown_pack(pack)))
        chosen |= found
    chosen |= _config_ids(catalogue, config.include, "include", config, wrong)
    # A policy taken away may be one that this installation does not have.
    chosen -= _config_ids(catalogue, config.exclude, "exclude", config, wrong)
    _config_ids(catalogue, config.enforced, "enforced", config, wrong)
    for name in config.severity:
        if not catalogue.matching(name) and not catalogue.is_broken(name):
            at = _origin(config, f"severity.{name}", "severity")
            wrong.append(Problem(f'no policy "{name}"', at, catalogue.unknown(name)))
    for name in config.params:
        if name not in catalogue.policies and not catalogue.is_broken(name):
            at = _origin(config, f"params.{name}", "params")
            wrong.append(Problem(f'no policy "{name}"', at, catalogue.unknown(name)))
    if wrong:
        raise ConfigError(*wrong)
    return chosen


def _origin(config: Config, *keys: str) -> SourceLocation:
    for key in keys:
        if key in config.origins:
            return config.origins[key]
    return SourceLocation(config.path)


def _config_ids(
    catalogue: Catalogue, given: Iterable[str], key: str, config: Config, wrong: list[Problem]
) -> set[str]:
    found: set[str] = set()
    for number, pattern in enumerate(given):
        ids = catalogue.matching(pattern)
        if not ids and not catalogue.is_broken(pattern):
            at = _origin(config, f"{key}.{number}", key)
            wrong.append(Problem(f'no policy "{pattern}"', at, catalogue.unknown(pattern)))
        found.update(ids)
    return found


def _of_pack(catalogue: Catalogue, pattern: str) -> set[str]:
    return {
        id_
        for id_, policy in catalogue.policies.items()
        if policy.pack and fnmatch.fnmatchcase(policy.pack, pattern)
    }


def _packs(catalogue: Catalogue, given: Iterable[str], flag: str, wrong: list[Problem]) -> set[str]:
    found: set[str] = set()
    for pattern in given:
        ids = _of_pack(catalogue, pattern)
        if not ids:
            wrong.append(
                Problem(f'{flag}: no pack "{pattern}"', None, catalogue.unknown_pack(pattern))
            )
        found |= ids
    return found


def _ids(catalogue: Catalogue, given: Iterable[str], flag: str, wrong: list[Problem]) -> set[str]:
    found: set[str] = set()
    for pattern in given:
        ids = catalogue.matching(pattern)
        if not ids and not catalogue.is_broken(pattern):
            wrong.append(
                Problem(f'{flag}: no policy "{pattern}"', None, catalogue.unknown(pattern))
            )
        found.update(ids)
    return found


def severity_of(id_: str, default: str, rules: Mapping[str, str]) -> str:
    """Return a policy's severity under the configuration's rules: an exact id wins over globs."""
    if id_ in rules:
        return rules[id_]
    for pattern, severity in rules.items():
        if fnmatch.fnmatchcase(id_, pattern):
            default = severity
    return default
