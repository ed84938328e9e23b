"""Plugins that the configuration requires: installed, and of a fitting version."""

from __future__ import annotations

import re

from kpolicy.config.model import Config
from kpolicy.errors import ConfigError, Problem
from kpolicy.location import SourceLocation

_CLAUSE = re.compile(r"\s*(~=|==|!=|<=|>=|<|>)\s*([0-9]+(?:\.[0-9]+)*)(\.\*)?\s*\Z")


def check_plugins(config: Config) -> None:
    """Raise `ConfigError` for each required plugin that is missing, too old or too new."""
    if not config.plugins:
        return
    from importlib.metadata import PackageNotFoundError, version

    problems = []
    for name, specifier in config.plugins.items():
        at = config.origins.get("plugins", SourceLocation(config.path))
        try:
            installed = version(name)
        except PackageNotFoundError:
            hint = f"pip install '{name}{specifier}'"
            problems.append(Problem(f'plugin "{name}" is required and not installed', at, hint))
            continue
        fits = satisfies(installed, specifier)
        if fits is None:
            hint = "write it as in >=1.2,<2"
            problems.append(Problem(f'"{specifier}" is no version specifier', at, hint))
        elif not fits:
            message = f'plugin "{name}" {installed} is installed, and {specifier} is required'
            problems.append(Problem(message, at, f"pip install '{name}{specifier}'"))
    if problems:
        raise ConfigError(*problems)


def satisfies(installed: str, specifier: str) -> bool | None:
    """Return whether a release fits a specifier such as `>=1.2,<2`; None where it is none.

    Only the release's numbers count; a pre-release is taken for the release it leads to.
    """
    release = _numbers(re.match(r"[0-9.]*", installed.lstrip("v"))[0])  # type: ignore[index]
    for clause in filter(None, (part.strip() for part in specifier.split(","))):
        match = _CLAUSE.match(clause)
        if match is None:
            return None
        operator, wanted = match[1], _numbers(match[2])
        if match[3] and operator not in ("==", "!="):
            return None
        if not _holds(release, operator, wanted, prefix=bool(match[3])):
            return False
    return True


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part)


def _holds(
    release: tuple[int, ...], operator: str, wanted: tuple[int, ...], *, prefix: bool
) -> bool:
    if operator == "~=":
        return (
            _holds(release, ">=", wanted, prefix=False)
            and release[: len(wanted) - 1] == (wanted[:-1])
        )
    if prefix:
        return (release[: len(wanted)] == wanted) == (operator == "==")
    width = max(len(release), len(wanted))
    left = release + (0,) * (width - len(release))
    right = wanted + (0,) * (width - len(wanted))
    answers = {
        "==": left == right, "!=": left != right, "<": left < right, "<=": left <= right,
        ">": left > right, ">=": left >= right,
    }  # fmt: skip
    return answers[operator]
