"""`kpolicy config`: which settings are in effect, and where each was written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import click

from kpolicy.cli.main import LazyGroup

if TYPE_CHECKING:
    from kpolicy.config.model import Config

#: Settings whose name in the file is not the field's in camel case.
_KEYS = {"paths_exclude": "paths.exclude", "policy_pins": "policies.sha256"}
_HIDDEN = ("path", "root", "origins", "checks", "trusted")


@click.group(cls=LazyGroup)
def config() -> None:
    """Show the effective configuration."""


@config.command()
@click.argument("paths", nargs=-1, metavar="[PATH ...]")
@click.option(
    "-c",
    "--config",
    "config_path",
    metavar="FILE",
    default="",
    help="Use this configuration instead of the one that is found.",
)
@click.option("--isolated", is_flag=True, help="Ignore the scanned tree's configuration.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
def show(paths: tuple[str, ...], config_path: str, isolated: bool, format_: str) -> int:
    """Print the configuration that a scan of PATH (this directory without one) goes by.

    Each setting is followed by the place where it was written, or "default".
    """
    from kpolicy.cli.files import write_stdout
    from kpolicy.cli.plugins import host_of, report_plugin_problems
    from kpolicy.engine.request import ScanRequest
    from kpolicy.engine.settings import effective_config
    from kpolicy.reporters.rendering import clean

    request = ScanRequest(targets=paths or (".",), config_path=config_path, isolated=isolated)
    host = host_of(())
    found = effective_config(request, host.toolbox())
    rows = list(settings(found))
    if format_ == "json":
        data = {
            "path": found.path,
            "settings": {key: {"value": value, "origin": at} for key, value, at in rows},
        }
        write_stdout(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
        return report_plugin_problems(host)
    lines = [f"configuration: {found.path or 'none found; these are the defaults'}"]
    width = max(len(f"{key}: {_text(value)}") for key, value, _ in rows)
    for key, value, at in rows:
        lines.append(f"{f'{key}: {_text(value)}'.ljust(min(width, 60))}  # {at}")
    write_stdout(clean("\n".join(lines)) + "\n")
    return report_plugin_problems(host)


def settings(found: Config) -> Iterator[tuple[str, Any, str]]:
    """Yield (key, value, origin) of every setting, single values of mappings and lists apart."""
    for field in fields(found):
        if field.name in _HIDDEN:
            continue
        key = _KEYS.get(field.name, _camel(field.name))
        value = _plain(getattr(found, field.name))
        parts = list(_parts(key, value))
        if value and any(name in found.origins for name, _ in parts):
            yield from ((name, part, _origin(found, name)) for name, part in parts)
        else:
            yield key, value, _origin(found, key)


def _parts(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a value under the names that `Config.origins` uses."""
    if isinstance(value, Mapping) and value:
        for name, part in value.items():
            yield from _parts(f"{key}.{name}", part)
    elif isinstance(value, list) and value and key.count(".") < 2:
        for number, part in enumerate(value):
            yield f"{key}.{number}", part
    else:
        yield key, value


def _origin(found: Config, key: str) -> str:
    if key.startswith("enforcedByPlugins") and found.enforced_by_plugins:
        return "plugins"
    parts = key.split(".")
    for end in range(len(parts), 0, -1):
        at = found.origins.get(".".join(parts[:end]))
        if at is not None:
            return str(at)
    return "default"


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((f.name, getattr(value, f.name)) for f in fields(value) if f.name != "location")
        return {_camel(name): _plain(part) for name, part in pairs if part}
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
