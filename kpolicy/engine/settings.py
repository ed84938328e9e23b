"""The configuration that a scan goes by, and the world outside its input."""

from __future__ import annotations

from kpolicy.config.model import Config
from kpolicy.engine.local import Tally
from kpolicy.engine.request import ScanRequest
from kpolicy.errors import Problem, UsageError
from kpolicy.snapshot.kinds import Kinds
from kpolicy.snapshot.world import Outside, Unread, World


def effective_config(request: ScanRequest) -> Config:
    """Return the configuration of a scan: the caller's, the named file's, or the discovered one.

    Raises `ConfigError` for a bad file, `UsageError` where the targets belong to different ones.
    """
    if request.config is not None:
        return request.config
    if request.config_path:
        from pathlib import Path

        from kpolicy.config.loader import load
        from kpolicy.policy.catalogue import shown

        return load(request.config_path, shown(Path(request.config_path)))
    if request.isolated:
        return Config()
    from kpolicy.config.discovery import discover

    found = {target: discover(target) for target in request.targets}
    paths = sorted({str(path) for path in found.values() if path is not None})
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
    from pathlib import Path

    from kpolicy.config.loader import load
    from kpolicy.policy.catalogue import shown

    return load(paths[0], shown(Path(paths[0])))


def world_of(config: Config, tally: Tally, kinds: Kinds) -> World:
    """Return what exists outside the input, and what could not be read in it."""
    outside = [
        Outside(kind, namespace, name)
        for rule in config.outside
        for kind in rule.kinds or ("*",)
        for namespace in rule.namespaces or ("*",)
        for name in rule.names or ("*",)
    ]
    unread = [Unread(invalid.location.path, invalid.location.line) for invalid in tally.invalid]
    return World(outside, unread, kinds)
