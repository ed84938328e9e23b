"""What a policy's tests say, and what came of them. Plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kpolicy.findings import Finding
from kpolicy.location import SourceLocation
from kpolicy.records import dataclass

if TYPE_CHECKING:
    from kpolicy.errors import Problem


@dataclass(frozen=True, slots=True)
class Expected:
    """One finding that a case expects, or `count` alike. What is empty is not compared."""

    resource: str = ""
    """`Kind/name` or `Kind/namespace/name`, the namespace as written."""
    message: str = ""
    line: int = 0
    """In the case's manifests, counted from 1."""
    path: str = ""
    item: str = ""
    outcome: str = "fail"
    count: int = 1
    related: tuple[str, ...] | None = None
    """All related resources, in any order; None = not compared."""

    def fits(self, finding: Finding) -> bool:
        """Return whether `finding` is as expected."""
        at = finding.place.location
        return (
            finding.outcome == self.outcome
            and self.resource in ("", str(finding.resource))
            and self.message in ("", finding.message)
            and self.line in (0, at.line)
            and self.path in ("", at.path)
            and self.item in ("", finding.item)
            and (
                self.related is None
                or sorted(self.related) == sorted(str(r.resource) for r in finding.related)
            )
        )

    def __str__(self) -> str:
        parts = [f"{self.count} x"] if self.count != 1 else []
        parts.append(self.resource or "any resource")
        if self.line:
            parts.append(f"line {self.line}")
        if self.outcome != "fail":
            parts.append(f"[{self.outcome}]")
        if self.message:
            parts.append(f'"{self.message}"')
        if self.related is not None:
            parts.append(f"related: {', '.join(self.related) or 'none'}")
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Case:
    """Manifests, and what a policy must say of them."""

    name: str
    location: SourceLocation
    manifests: str = ""
    """Text of one or more YAML documents."""
    objects: tuple[Any, ...] = ()
    """Manifests given as data instead."""
    files: tuple[str, ...] = ()
    """Paths, relative to the test file."""
    base: str = ""
    """The manifests before the change, for `oldObject`."""
    params: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    operation: str = ""
    """What `request.operation` is; "" = UPDATE where `base` has the resource, else CREATE."""
    user: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    count: int | None = None
    """The number of findings, where only that is said."""
    findings: tuple[Expected, ...] = ()
    matches: int | None = None
    """How many resources the policy must meet; None = at least one."""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A branch that no case can take, and why: an exception from coverage, in the test file."""

    location: SourceLocation
    where: str
    """The expression that it stands in, as coverage names it: `validation 1`, `variable x` ..."""
    expression: str
    never: str
    """The outcome: `true` or `false`; a `forEach` list's `empty` or `non-empty`; or `read`."""
    reason: str


@dataclass(frozen=True, slots=True)
class TestFile:
    """The tests of one policy (`NAME_test.yaml`)."""

    __test__ = False  # not a test class of pytest's

    path: str
    policy: str
    cases: tuple[Case, ...] = ()
    unreachable: tuple[Unreachable, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of one case. It passed if `problems` is empty."""

    policy: str
    case: Case
    problems: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    matched: int = 0
    failed: frozenset[int] = frozenset()
    """Validations that found something."""
    held: frozenset[int] = frozenset()
    """Validations that held for a resource the policy met."""
    seconds: float = 0.0
    taken: frozenset[tuple[int, str]] = frozenset()
    """Branches that were taken (see `kpolicy.testing.coverage`)."""

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class Branch:
    """One way that an expression can go, and where it stands in the policy's file."""

    location: SourceLocation
    where: str
    text: str
    outcome: str

    def __str__(self) -> str:
        """Say that no case took it."""
        if self.outcome == "read":
            return f"{self.where}: never read"
        return f"{self.where}: `{self.text}` is never {self.outcome}"


@dataclass(frozen=True, slots=True)
class Coverage:
    """What its tests have shown of a policy: validations both ways, and branches."""

    policy: str
    validations: int
    failed: frozenset[int] = frozenset()
    held: frozenset[int] = frozenset()
    branches: int = 0
    """How many there are, without those marked as unreachable."""
    missed: tuple[Branch, ...] = ()
    unreachable: int = 0
    """How many missed ones the test file explains."""
    problems: tuple[Problem, ...] = ()
    """Marks in the test file that name no branch, or one that is reached."""

    @property
    def validation_gaps(self) -> tuple[str, ...]:
        """Validations that no case saw fail, or hold, in words."""
        found = []
        for index in range(self.validations):
            if index not in self.failed:
                found.append(f"validation {index + 1} never fails")
            if index not in self.held:
                found.append(f"validation {index + 1} never holds")
        return tuple(found)

    @property
    def gaps(self) -> tuple[str, ...]:
        """What no case has shown, and marks that are wrong, in words; empty = complete."""
        branches = [f"{branch.location}: {branch}" for branch in self.missed]
        return (*self.validation_gaps, *branches, *map(str, self.problems))
