"""The world outside the input of a scan, and what could not be read in it."""

from __future__ import annotations

from collections.abc import Mapping

from kpolicy.config.model import Config
from kpolicy.engine.tally import Tally
from kpolicy.manifests.model import ManifestFile
from kpolicy.snapshot.kinds import Kinds
from kpolicy.snapshot.world import Outside, Unread, World, unread_from_text


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
