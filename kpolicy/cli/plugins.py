"""The plugin host of a command, and what it has to say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kpolicy.plugins.manager import PluginHost


def host_of(disabled: Iterable[tuple[str, ...]]) -> PluginHost:
    """Return the plugin host for a command's `--disable-plugin` options."""
    from kpolicy.cli.options import flat
    from kpolicy.plugins.manager import make_plugin_manager

    return make_plugin_manager(flat(tuple(disabled)))


def report_plugin_problems(host: PluginHost) -> int:
    """Print what plugins did wrong; return the exit status that this stands for."""
    if not host.problems:
        return 0
    from kpolicy.cli.problems import report_problems

    report_problems(host.problems)
    return 2
