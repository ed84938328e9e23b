"""The semver library: semantic versions as values.

Source: `k8s.io/apiserver/pkg/cel/library/semverlib.go`, version 1 (Kubernetes 1.34; in 1.33
without `normalize` in some places) over `github.com/blang/semver/v4`; semver.org 2.0.0. Build
metadata does not count in comparisons.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from kpolicy.cel.declarations import Function, Library, Overload
from kpolicy.cel.errors import CelError
from kpolicy.cel.library.ip import quoted
from kpolicy.cel.types import BOOL, INT, STRING, Type
from kpolicy.cel.values import INT_MAX, UINT_MAX

SEMVER_TYPE: Final = Type("kubernetes.Semver")

_DIGITS: Final = frozenset("0123456789")
_ALPHANUMERIC: Final = frozenset("0123456789-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class Semver:
    """A semantic version: `numbers` (major, minor, patch), pre-release and build identifiers."""

    __slots__ = ("_order", "build", "numbers", "prerelease")
    cel_type: ClassVar[Type] = SEMVER_TYPE
    numbers: tuple[int, int, int]
    prerelease: tuple[int | str, ...]
    build: tuple[str, ...]

    def __init__(
        self,
        numbers: tuple[int, int, int],
        prerelease: tuple[int | str, ...] = (),
        build: tuple[str, ...] = (),
    ) -> None:
        self.numbers = numbers
        self.prerelease = prerelease
        self.build = build
        # A release comes after its pre-releases; numbers come before names; fewer before more.
        self._order = (
            numbers,
            not prerelease,
            tuple((0, part, "") if isinstance(part, int) else (1, 0, part) for part in prerelease),
        )

    def compare(self, other: Semver) -> int:
        """Return -1, 0 or 1."""
        return (self._order > other._order) - (self._order < other._order)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Semver):
            return NotImplemented
        return self._order == other._order

    def __hash__(self) -> int:
        return hash(self._order)

    def __str__(self) -> str:
        text = ".".join(map(str, self.numbers))
        if self.prerelease:
            text += "-" + ".".join(map(str, self.prerelease))
        if self.build:
            text += "+" + ".".join(self.build)
        return text

    def __repr__(self) -> str:
        return f"Semver({str(self)!r})"


def _number(name: str, text: str) -> int:
    if not _DIGITS.issuperset(text):
        raise CelError(f"Invalid character(s) found in {name} number {quoted(text)}")
    if len(text) > 1 and text[0] == "0":
        raise CelError(f"{name.capitalize()} number must not contain leading zeroes {quoted(text)}")
    return _uint64(text)


def _uint64(text: str) -> int:
    if not text:
        raise CelError('a version number must have digits, found ""')
    if len(text) > 20 or int(text) > UINT_MAX:
        raise CelError(f"version number {quoted(text)} is out of range")
    return int(text)


def _prerelease(text: str) -> int | str:
    if not text:
        raise CelError("Prerelease is empty")
    if _DIGITS.issuperset(text):
        if len(text) > 1 and text[0] == "0":
            raise CelError(
                f"Numeric PreRelease version must not contain leading zeroes {quoted(text)}"
            )
        return _uint64(text)
    if not _ALPHANUMERIC.issuperset(text):
        raise CelError(f"Invalid character(s) found in prerelease {quoted(text)}")
    return text


def parse_semver(text: str) -> Semver:
    """Return the version that `text` is; raise `CelError` when it is none."""
    if not text:
        raise CelError("Version string empty")
    parts = text.split(".", 2)
    if len(parts) != 3:
        raise CelError("No Major.Minor.Patch elements found")
    major, minor = _number("major", parts[0]), _number("minor", parts[1])
    rest, plus, build_text = parts[2].partition("+")
    patch_text, dash, prerelease_text = rest.partition("-")
    patch = _number("patch", patch_text)
    prerelease = tuple(map(_prerelease, prerelease_text.split("."))) if dash else ()
    build = tuple(build_text.split(".")) if plus else ()
    for part in build:
        if not part:
            raise CelError("Build meta data is empty")
        if not _ALPHANUMERIC.issuperset(part):
            raise CelError(f"Invalid character(s) found in build meta data {quoted(part)}")
    return Semver((major, minor, patch), prerelease, build)


def normalize(text: str) -> str:
    """Return `text` without a leading v and leading zeros, filled up to three numbers."""
    parts = text.removeprefix("v").split(".", 2)
    for index, part in enumerate(parts):
        if len(part) > 1:
            stripped = part.lstrip("0")
            parts[index] = stripped if stripped and stripped[0] in _DIGITS else "0" + stripped
    if len(parts) < 3:
        if "+" in parts[-1] or "-" in parts[-1]:
            raise CelError("short version cannot contain PreRelease/Build meta data")
        parts += ["0"] * (3 - len(parts))
    return ".".join(parts)


def semver(text: str, normalized: bool = False) -> Semver:
    """Return the version that `text` is, after `normalize` when asked for."""
    return parse_semver(normalize(text) if normalized else text)


def is_semver(text: str, normalized: bool = False) -> bool:
    """Say whether `semver` succeeds."""
    try:
        semver(text, normalized)
    except CelError:
        return False
    return True


def _part(index: int) -> Callable[[Semver], int]:
    def part(version: Semver) -> int:
        number = version.numbers[index]
        if number > INT_MAX:
            raise CelError(f"version number {number} does not fit an int")
        return number

    return part


_TWO: Final = (SEMVER_TYPE, SEMVER_TYPE)

LIBRARY: Final = Library(
    name="kubernetes.Semver",
    doc="Semantic versions.",
    source="k8s.io/apiserver/pkg/cel/library/semverlib.go, version 1",
    opaque={Semver: SEMVER_TYPE},
    functions=(
        Function(
            "semver",
            (
                Overload("string_to_semver", (STRING,), SEMVER_TYPE, semver, cost="size"),
                Overload("string_bool_to_semver", (STRING, BOOL), SEMVER_TYPE, semver,
                         cost="size"),
            ),
            doc="the version of a text; with true, after dropping v and zeros and filling up",
        ),
        Function(
            "isSemver",
            (
                Overload("is_semver_string", (STRING,), BOOL, is_semver, cost="size"),
                Overload("is_semver_string_bool", (STRING, BOOL), BOOL, is_semver, cost="size"),
            ),
            doc="whether a text is a version",
        ),
        Function("major", (Overload("semver_major", (SEMVER_TYPE,), INT, _part(0), True),),
                 doc="the first number"),
        Function("minor", (Overload("semver_minor", (SEMVER_TYPE,), INT, _part(1), True),),
                 doc="the second number"),
        Function("patch", (Overload("semver_patch", (SEMVER_TYPE,), INT, _part(2), True),),
                 doc="the third number"),
        Function("isGreaterThan",
                 (Overload("semver_is_greater_than", _TWO, BOOL,
                           lambda a, b: a.compare(b) > 0, True),),
                 doc="whether it comes after another"),
        Function("isLessThan",
                 (Overload("semver_is_less_than", _TWO, BOOL,
                           lambda a, b: a.compare(b) < 0, True),),
                 doc="whether it comes before another"),
        Function("compareTo",
                 (Overload("semver_compare_to", _TWO, INT, lambda a, b: a.compare(b), True),),
                 doc="-1, 0 or 1"),
    ),
)  # fmt: skip
