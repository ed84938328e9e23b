"""The configuration that a scan goes by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kpolicy.config.model import Config
from kpolicy.engine.enforcing import attempts, enforced_against
from kpolicy.engine.request import ScanRequest, Toolbox
from kpolicy.errors import ConfigError, Problem, UsageError


def effective_config(request: ScanRequest, toolbox: Toolbox) -> Config:
    """Return the configuration of a scan: the caller's, the named file's, or the discovered one.

    Raises `ConfigError` for a bad file, or for one of the scanned tree's own that names a program;
    `UsageError` where the targets belong to different ones.
    """
    enforced = toolbox.enforced
    if request.config is not None:
        return replace(request.config, enforced_by_plugins=enforced)
    if request.config_path:
        from kpolicy.config.loader import load
        from kpolicy.policy.catalogue import shown

        config = load(request.config_path, shown(Path(request.config_path)))
        notes = _attempts_of_the_tree(request, config)
        return replace(config, enforced_by_plugins=enforced, notes=(*config.notes, *notes))
    if request.isolated:
        return Config(enforced_by_plugins=enforced)
    return enforced_against(_trusting_no_program(_discovered(request)), enforced)


def _attempts_of_the_tree(request: ScanRequest, config: Config) -> tuple[str, ...]:
    """Return what the tree's configuration, which is not read, would do to enforced policies."""
    if not config.enforced or request.isolated:
        return ()
    try:
        own = _discovered(request)
    except (ConfigError, UsageError):
        return ()
    same = own.path and Path(own.path).resolve() == Path(request.config_path).resolve()
    return () if same else attempts(own, config.enforced)


def _trusting_no_program(config: Config) -> Config:
    """Return a configuration that was found in the tree. Raises `ConfigError`.

    Its author is who is checked: it must not say which program runs, or what one may do.
    """
    from kpolicy.rendering.settings import TRUSTED

    problems = [
        Problem(
            f"{key} counts only in a configuration that is given by -c",
            config.origins[key],
            "the scanned tree decides neither which program runs nor what it may do",
        )
        for key in TRUSTED
        if key in config.origins
    ]
    if problems:
        raise ConfigError(*problems)
    return config


def _discovered(request: ScanRequest) -> Config:
    """Return the configuration of the scanned tree."""
    from kpolicy.config.discovery import discover

    found = {target: discover(target) for target in request.targets}
    paths = sorted({str(path) for path in found.values() if path is not None})
    if request.base and len(paths) < 2:
        from kpolicy.engine.base_config import config_of_base

        return config_of_base(request, next((p for p in found.values() if p is not None), None))
    if not paths:
        return Config()
    if len(paths) > 1:
        raise UsageError(
            Problem(
                "the paths belong to different configurations: " + ", ".join(paths),
                None,
                "scan them one after the other, or name one configuration with -c",
            )
        )
    from kpolicy.config.loader import load
    from kpolicy.policy.catalogue import shown

    return load(paths[0], shown(Path(paths[0])))
