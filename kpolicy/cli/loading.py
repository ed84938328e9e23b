"""What the commands about policies share: the catalogue that a scan of this place would have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kpolicy.records import dataclass

if TYPE_CHECKING:
    from kpolicy.config.model import Config
    from kpolicy.engine.request import ScanRequest, Toolbox
    from kpolicy.plugins.manager import PluginHost
    from kpolicy.policy.catalogue import Catalogue
    from kpolicy.policy.model import Policy


@dataclass(frozen=True, slots=True)
class Loaded:
    """Plugins, configuration and all policies."""

    host: PluginHost
    toolbox: Toolbox
    request: ScanRequest
    config: Config
    catalogue: Catalogue

    def policy(self, id_: str) -> Policy:
        """Return a policy by id. Raises `UsageError` with a suggestion."""
        found = self.catalogue.policies.get(id_)
        if found is None:
            from kpolicy.errors import Problem, UsageError

            raise UsageError(Problem(f'no policy "{id_}"', None, self.catalogue.unknown(id_)))
        return found


def load(
    options: Mapping[str, Any], targets: tuple[str, ...] = (".",), *, strict: bool = True
) -> Loaded:
    """Return what `loading_options` mean for `targets`.

    Raises `ConfigError`, `UsageError` or, when `strict`, `PolicyError`, with all problems.
    """
    from dataclasses import replace

    from kpolicy.cli.plugins import host_of
    from kpolicy.compat import configured
    from kpolicy.engine.plan import catalogue_of
    from kpolicy.engine.request import ScanRequest
    from kpolicy.errors import PolicyError

    host = host_of(options["disabled"])
    request = ScanRequest(
        targets=targets or (".",),
        config_path=options["config_path"],
        isolated=options["isolated"],
        policy_paths=options["policy_paths"],
        builtin=not options["no_builtin"],
    )
    toolbox, config = configured(request, host.toolbox())
    request = replace(request, config=config)
    catalogue = catalogue_of(toolbox, request, config)
    if strict and catalogue.problems:
        raise PolicyError(*catalogue.problems)
    return Loaded(host, toolbox, request, config, catalogue)
