"""The error tree: every failure that a user can cause, with its place and the next step."""

from __future__ import annotations

from collections.abc import Iterable

from kpolicy.location import SourceLocation
from kpolicy.records import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in an input: where, what was expected, and what to do about it."""

    message: str
    location: SourceLocation | None = None
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.location}: " if self.location else ""
        hint = f"\n  {self.hint}" if self.hint else ""
        return f"{where}{self.message}{hint}"


class KpolicyError(Exception):
    """Base of all errors shown to a user without a traceback.

    It carries one or more `Problem`s, so that a loader reports everything that is wrong at once.
    """

    def __init__(self, *problems: Problem | str) -> None:
        self.problems: tuple[Problem, ...] = tuple(
            Problem(p) if isinstance(p, str) else p for p in problems
        )
        super().__init__("\n".join(str(p) for p in self.problems))

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> KpolicyError:
        """Return one error that carries all `problems`."""
        return cls(*problems)


class UsageError(KpolicyError):
    """A wrong argument on the command line or in the Python API."""


class ConfigError(KpolicyError):
    """A configuration file that cannot be read or means nothing."""


class PolicyError(KpolicyError):
    """A policy that cannot be loaded."""


class ManifestError(KpolicyError):
    """A manifest that cannot be read."""


class PluginError(KpolicyError):
    """A plugin that failed to import, broke its contract, or raised in a hook."""


class FrozenError(TypeError):
    """An attempt to change an immutable body."""
