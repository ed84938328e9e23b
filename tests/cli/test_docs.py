"""docs/cli.md says what `--help` says, and names every command."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kpolicy.cli.main import main

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
_BLOCK = re.compile(r"<!-- help: (kpolicy[a-z ]*?) -->\n(.*?)<!-- end -->", re.S)


def help_of(name: str) -> str:
    """Return what a command's `--help` prints, as the page shows it."""
    arguments = [*name.split()[1:], "--help"]
    result = CliRunner().invoke(
        main, arguments, prog_name="kpolicy", terminal_width=100, max_content_width=100
    )
    assert result.exit_code == 0
    return f"```text\n{result.output.rstrip()}\n```\n"


def names(group: click.Group = main, prefix: str = "kpolicy") -> list[str]:
    """Return the full names of all commands."""
    found = [prefix]
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            found += names(command, f"{prefix} {name}")
        else:
            found.append(f"{prefix} {name}")
    return found


def test_the_page_names_every_command_once() -> None:
    shown = [match[1] for match in _BLOCK.finditer(PAGE.read_text("utf-8"))]
    assert sorted(shown) == sorted(names())


def test_the_page_shows_what_help_prints() -> None:
    """`KPOLICY_UPDATE_GOLDEN=1` brings the page up to date."""
    text = PAGE.read_text("utf-8")
    fresh = _BLOCK.sub(lambda m: f"<!-- help: {m[1]} -->\n{help_of(m[1])}<!-- end -->", text)
    if os.environ.get("KPOLICY_UPDATE_GOLDEN"):
        PAGE.write_text(fresh, "utf-8")
    assert text == fresh or os.environ.get("KPOLICY_UPDATE_GOLDEN")


@pytest.mark.parametrize("page", ["cli.md", "output.md", "plugins.md"])
def test_links_of_the_pages_lead_somewhere(page: str) -> None:
    text = (PAGE.parent / page).read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (PAGE.parent / target).exists(), f"{page}: {target}"
