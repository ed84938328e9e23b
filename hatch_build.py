"""Compiles the built-in policies into the wheel: a first scan need not (docs/performance.md).

An editable install reads them from the checkout and gets none. Where kpolicy cannot be imported, as
in a build without isolation that lacks a dependency, the wheel is made without; it works, slower.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompilePolicies(BuildHookInterface):  # type: ignore[type-arg]
    """Adds `kpolicy/policies/compiled.bin`."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and have the file included. Raises `ValueError` for a broken policy."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        try:
            from kpolicy.engine.shipped import compile_shipped
            from kpolicy.plugins.manager import make_plugin_manager
        except ImportError as error:
            self.app.display_warning(f"the built-in policies are not compiled: {error}")
            return
        finally:
            sys.path.remove(self.root)
        self.directory_made = tempfile.TemporaryDirectory()
        file = Path(self.directory_made.name, "compiled.bin")
        file.write_bytes(compile_shipped(make_plugin_manager(entry_points=False).toolbox()))
        build_data["force_include"][str(file)] = "kpolicy/policies/compiled.bin"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Delete what `initialize` made."""
        made = getattr(self, "directory_made", None)
        if made is not None:
            made.cleanup()
