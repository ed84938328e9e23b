"""`kpolicy cache`: what is kept between scans, and how to be rid of it."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import click

from kpolicy.cli.main import LazyGroup


@click.group(cls=LazyGroup)
def cache() -> None:
    """Show or clear what is kept between scans."""


@cache.command()
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
def info(format_: str) -> None:
    """Say where the cache is, and how much is in it.

    KPOLICY_CACHE_DIR names another directory; set to nothing it turns the cache off.
    KPOLICY_CACHE_SIZE limits what is kept of scans: 512M by default, 0 = nothing is kept.
    """
    from kpolicy.engine.cached.room import limit_of
    from kpolicy.reporters.rendering import clean, plural

    directory = _directory()
    files = _files(directory)
    size = _size(files)
    results = [file for file in files if file.name.startswith("results-")]
    kept, limit = _size(results), limit_of()
    if format_ == "json":
        data = {
            "directory": str(directory) if directory else "",
            "entries": len(files),
            "bytes": size,
            "results": {"entries": len(results), "bytes": kept, "limit": limit},
        }
        click.echo(json.dumps(data, indent=2))
        return
    if directory is None:
        click.echo("no cache: it is turned off, or its directory is not this user's alone")
        return
    click.echo(clean(f"{directory}\n{len(files)} entries, {size / 1024:,.0f} KiB"))
    if not limit:
        click.echo("results of scans are not kept: KPOLICY_CACHE_SIZE is 0")
        return
    click.echo(
        f"results of {plural(len(results), 'scan')}, {kept / 1024:,.0f} KiB of at most"
        f" {limit / 1024:,.0f} KiB"
    )


@cache.command()
def clear() -> None:
    """Delete what is kept; the next scan makes it again."""
    from kpolicy.reporters.rendering import plural

    files = _files(_directory())
    for file in files:
        file.unlink(missing_ok=True)
    click.echo(f"{plural(len(files), 'file')} deleted")


def _directory() -> Path | None:
    """Return the cache directory where it is one that a scan would use."""
    from kpolicy.engine.cache_directory import cache_directory

    return cache_directory(create=False)


def _size(files: list[Path]) -> int:
    """Return how many bytes files have; one that is gone by now has none."""
    size = 0
    for file in files:
        with suppress(OSError):
            size += file.stat().st_size
    return size


def _files(directory: Path | None) -> list[Path]:
    """Return the files in the cache; a link is not followed."""
    if directory is None:
        return []
    return sorted(p for p in directory.rglob("*") if p.is_file() and not p.is_symlink())
