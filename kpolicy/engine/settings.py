"""The configuration that a scan goes by, and the world outside its input."""

from __future__ import annotations

from collections.abc import Mapping

from kpolicy.config.model import Config
from kpolicy.engine.local import Tally
from kpolicy.engine.request import ScanRequest
from kpolicy.errors import ConfigError, Problem, UsageError
from kpolicy.manifests.model import ManifestFile
from kpolicy.snapshot.kinds import Kinds
from kpolicy.snapshot.world import Outside, Unread, World, unread_from_text


def effective_config(request: ScanRequest) -> Config:
    """Return the configuration of a scan: the caller's, the named file's, or the discovered one.

    Raises `ConfigError` for a bad file, or for one of the scanned tree's own that names a program;
    `UsageError` where the targets belong to different ones.
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
    return _trusting_no_program(_discovered(request))


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
    from pathlib import Path

    from kpolicy.config.loader import load
    from kpolicy.policy.catalogue import shown

    return load(paths[0], shown(Path(paths[0])))


def world_of(
    config: Config, tally: Tally, kinds: Kinds, files: Mapping[str, ManifestFile] | None = None
) -> World:
    """Return what exists outside the input, and what could not be read in it.

    `files` gives the scopes of unreadable files, whose text tells what they might define.
    """
    outside = [
        Outside(kind, namespace, name, rule.within)
        for rule in config.outside
        for kind in rule.kinds or ("*",)
        for namespace in rule.namespaces or ("*",)
        for name in rule.names or ("*",)
    ]
    known = files or {}
    unread = [
        Unread(i.location.path, kinds=i.kinds, reason="could not be read")
        if i.kinds
        else _unread(i.location.path, i.location.line, known, "could not be parsed")
        for i in tally.invalid
    ]
    unread += [
        _unread(skipped.path, 0, known, "is a template that was not rendered")
        for skipped in tally.skipped
        if skipped.reason == "helm-template"
    ]
    return World(outside, unread, kinds)


def _unread(path: str, line: int, files: Mapping[str, ManifestFile], reason: str) -> Unread:
    """Return what an unreadable file might define, as far as its text tells."""
    file = files.get(path)
    scope = file.scope if file is not None else ""
    try:
        if file is not None and file.data is not None:
            data = file.data
        else:
            with open(file.filename if file is not None else path, "rb") as stream:  # noqa: PTH123
                data = stream.read(_LOOKED_INTO)
    except OSError:
        return Unread(path, line, scope=scope, reason=reason)
    text = data[:_LOOKED_INTO].decode("utf-8", "replace")
    return unread_from_text(path, text, line, scope, reason)


#: How much of an unreadable file is searched for names.
_LOOKED_INTO = 4 * 1024 * 1024
