"""Options that several commands share, and their types."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from kpolicy.policy.catalogue import Catalogue

F = TypeVar("F", bound=Callable[..., Any])
Completer = Callable[[click.Context, click.Parameter, str], list[Any]]


class Words(click.ParamType[tuple[str, ...]]):
    """`a,b`: one or more words; with `multiple=True` the option's value is a tuple of tuples."""

    name = "words"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Split at commas; an empty word is a mistake."""
        if isinstance(value, tuple):
            return value
        words = tuple(word.strip() for word in str(value).split(","))
        if not all(words):
            self.fail(f"{value!r} has an empty name", param, ctx)
        return words


def flat(words: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Return all words of a repeated option in order, each once."""
    return tuple(dict.fromkeys(word for group in words for word in group))


def _apply(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def words(
    name: str, metavar: str, text: str, complete: Completer | None = None
) -> Callable[[F], F]:
    """Return an option that is repeatable and comma-separated."""
    return click.option(
        name, type=Words(), multiple=True, metavar=metavar, help=text, shell_complete=complete
    )


def complete_policies(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Return the ids that a half-typed one may mean, the part after the last comma of a list."""
    return _completed(incomplete, lambda: list(_catalogue().policies))


def complete_packs(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Return the packs that a half-typed name may mean."""
    return _completed(incomplete, lambda: list(_catalogue().packs))


def complete_formats(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Return the output formats that a half-typed name may mean."""
    from kpolicy.plugins.manager import make_plugin_manager

    return _completed(incomplete, lambda: [r.name for r in make_plugin_manager().reporters()])


def _completed(incomplete: str, known: Callable[[], list[str]]) -> list[str]:
    done, comma, last = incomplete.rpartition(",")
    try:
        found = sorted(name for name in known() if name.startswith(last))
    except Exception:  # Completion has no place for messages; the command itself will tell.
        return []
    return [f"{done}{comma}{name}" for name in found]


def _catalogue() -> Catalogue:
    from kpolicy.config.model import Config
    from kpolicy.engine.plan import catalogue_of
    from kpolicy.engine.request import ScanRequest
    from kpolicy.plugins.manager import make_toolbox

    return catalogue_of(make_toolbox(), ScanRequest(), Config())


#: Which plugins take part.
plugin_options: Callable[[F], F] = _apply(
    click.option(
        "--disable-plugin",
        "disabled",
        type=Words(),
        multiple=True,
        metavar="NAME",
        envvar="KPOLICY_DISABLE_PLUGINS",
        help="Go without this plugin (repeatable; or KPOLICY_DISABLE_PLUGINS).",
    )
)

#: Where policies and configuration come from.
loading_options: Callable[[F], F] = _apply(
    click.option(
        "-c", "--config", "config_path", metavar="FILE", default="",
        help="Use this configuration instead of the one that is found.",
    ),
    click.option("--isolated", is_flag=True, help="Ignore the scanned tree's configuration."),
    click.option(
        "-p", "--policies", "policy_paths", metavar="PATH", multiple=True,
        help="Load policies from this file, directory or archive (.zip, .tar, .tar.gz) too"
        " (repeatable); it is not scanned.",
    ),
    click.option("--no-builtin", is_flag=True, help="Leave out the policies that kpolicy ships."),
    plugin_options,
)  # fmt: skip

#: Which policies run.
selection_options: Callable[[F], F] = _apply(
    words("--pack", "NAME", "Add a pack to the default set.", complete_packs),
    words("--select", "ID", "Run exactly these policies (ids or globs).", complete_policies),
    words(
        "--include",
        "ID",
        "Add policies to the default set (ids or globs).",
        complete_policies,
    ),
    words(
        "--exclude",
        "ID",
        "Leave out policies (ids or globs); wins over every other choice.",
        complete_policies,
    ),
    click.option("--all", "all_", is_flag=True, help="Run every loaded policy."),
)
