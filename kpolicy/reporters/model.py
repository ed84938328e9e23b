"""What a reporter is: a name and a function from a report to text. It changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any

from kpolicy.findings import Report
from kpolicy.records import dataclass


@dataclass(frozen=True, slots=True)
class ReportContext:
    """What a reporter may need besides the report."""

    version: str
    color: bool = False
    width: int = 0
    """Columns of the terminal to wrap prose at; 0 = do not wrap (a log, a file)."""
    read_lines: Callable[[str], list[str]] | None = None
    """Lines of a scanned file by its shown path, for excerpts; [] where unreadable."""
    repository_root: str = ""
    """Absolute path of the repository's root; SARIF, GitHub and GitLab paths are relative to it."""
    working_directory: str = ""
    """Absolute path that the report's relative paths start from."""
    results_all: bool = False
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reporter:
    """One output format. `render` returns the whole text, newline at the end."""

    name: str
    render: Callable[[Report, ReportContext], str]
    doc: str = ""
