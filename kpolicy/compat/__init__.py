"""What stands in for other tools: kube-linter's command line, configuration and output."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kpolicy.config.model import Config
    from kpolicy.engine.request import ScanRequest, Toolbox

__all__ = ["configured", "with_custom_checks"]


def configured(request: ScanRequest, toolbox: Toolbox) -> tuple[Toolbox, Config]:
    """Return the toolbox and the configuration of a scan, customChecks made policies that run.

    Raises as `effective_config` and `with_custom_checks` do.
    """
    from kpolicy.engine.settings import effective_config

    return with_custom_checks(toolbox, effective_config(request, toolbox))


def with_custom_checks(toolbox: Toolbox, config: Config) -> tuple[Toolbox, Config]:
    """Return both with a `.kube-linter.yaml`'s customChecks made policies that run.

    Raises `ConfigError` with everything that is wrong in them. Nothing is imported without any.
    """
    if not config.checks:
        return toolbox, config
    from kpolicy.compat.kube_linter_checks import with_custom_checks as run

    return run(toolbox, config)
