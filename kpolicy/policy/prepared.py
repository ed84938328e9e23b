"""The code of the expressions of the built-in policies, written down when kpolicy was built.

It is a generated module, `prepared_expressions.py` in this package, which a wheel has, and a
checkout where `pip install -e` made it. It counts for the very build that it was made from, and
only where Python has it compiled: to compile all of it takes longer than a small scan.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kpolicy import __version__
from kpolicy.policy.build_digest import GENERATED, build_digest
from kpolicy.records import dataclass

if TYPE_CHECKING:
    from kpolicy.cel.declarations import Library
    from kpolicy.cel.prepared import Functions
    from kpolicy.policy.programs import LazyProgram

#: Where the generated module is.
DIRECTORY = Path(__file__).parent

_NONE: Functions = {}


@dataclass(frozen=True, slots=True)
class Prepared:
    """Prepared code, for these libraries."""

    functions: Functions
    libraries: bytes
    """What stands for all that the libraries declare."""

    @classmethod
    def of(cls, libraries: Sequence[Library]) -> Prepared:
        """Return what the generated module holds."""
        functions = _load()
        if not functions:
            return cls(_NONE, b"")
        from kpolicy.cel.prepared import fingerprint

        return cls(functions, fingerprint(libraries))

    def function(
        self, program: LazyProgram, environment: Callable[[tuple[str, ...]], Any]
    ) -> Callable[..., Any] | None:
        """Return the function of a program, None where there is none."""
        if not self.functions:
            return None
        from kpolicy.cel.prepared import function_of, key_of

        found = self.functions.get(key_of(program.source, program.names, self.libraries))
        if found is None:
            return None
        names = program.names
        return function_of(
            found, program.source, lambda: environment(names), program.evaluate_exactly
        )


def _load() -> Functions:
    """Return the functions of the module, none where it is missing or of another build."""
    file = DIRECTORY / GENERATED
    if not Path(importlib.util.cache_from_source(str(file))).is_file():
        return _NONE
    spec = importlib.util.spec_from_file_location(f"{__package__}.{file.stem}", file)
    if spec is None or spec.loader is None:
        return _NONE
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        made_from, functions = module.BUILD, module.FUNCTIONS
    except (OSError, ImportError, AttributeError, SyntaxError):
        return _NONE
    # In a checkout kpolicy's files change after it was made; in a wheel they do not.
    holds = made_from == __version__ or made_from == build_digest()
    found: Functions = functions if holds else _NONE
    return found
