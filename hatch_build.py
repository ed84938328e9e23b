"""Compiles the built-in policies when kpolicy is built: a first scan need not.

A wheel gets them checked (`kpolicy/policies/compiled.bin`), and the code of their expressions as a
module. An editable install gets the code alone, in the checkout, and reads the policies there.
Where kpolicy cannot be imported, as in a build without isolation that lacks a dependency, nothing
is made; it works, slower. docs/performance.md has the figures.
"""

from __future__ import annotations

import py_compile
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompilePolicies(BuildHookInterface):  # type: ignore[type-arg]
    """Adds `kpolicy/policies/compiled.bin` and `kpolicy/policy/prepared_expressions.py`."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and have the files included. Raises `ValueError` for a broken policy."""
        sys.path.insert(0, self.root)
        try:
            from kpolicy import __version__
            from kpolicy.engine.shipped import compile_shipped, write_expressions
            from kpolicy.plugins.manager import make_plugin_manager
            from kpolicy.policy.build_digest import GENERATED, build_digest
        except ImportError as error:
            self.app.display_warning(f"the built-in policies are not compiled: {error}")
            return
        finally:
            sys.path.remove(self.root)
        toolbox = make_plugin_manager(entry_points=False).toolbox()
        if version == "editable":
            module = Path(self.root, "kpolicy", "policy", GENERATED)
            module.write_text(write_expressions(toolbox, build_digest()), "utf-8")
            py_compile.compile(str(module))
            return
        self.directory_made = tempfile.TemporaryDirectory()
        checked = Path(self.directory_made.name, "compiled.bin")
        checked.write_bytes(compile_shipped(toolbox))
        build_data["force_include"][str(checked)] = "kpolicy/policies/compiled.bin"
        module = Path(self.directory_made.name, GENERATED)
        module.write_text(write_expressions(toolbox, __version__), "utf-8")
        build_data["force_include"][str(module)] = f"kpolicy/policy/{GENERATED}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Delete what `initialize` made."""
        made = getattr(self, "directory_made", None)
        if made is not None:
            made.cleanup()
