"""Upper bounds of what one call of a library function may produce.

Most functions return no more than they were given. A few multiply (`replace`, `join`, `format`,
`lists.range`): they are bounded here, so that a hostile expression ends in a clear error instead of
in an exhausted machine. cel-go bounds `lists.range` at one million elements in the same way.
"""

from __future__ import annotations

from typing import Final

from kpolicy.cel.errors import CelError

#: Characters of a string (bytes of a bytes value) that one call may produce.
MAX_TEXT: Final = 10_000_000
#: Elements of a list that one call may produce.
MAX_ELEMENTS: Final = 1_000_000
#: Elements that one call looks at within a value, shared parts counted each time they occur.
MAX_VISITED: Final = 500_000


def check_text(function: str, length: int) -> None:
    """Raise `CelError` when `function` is about to make a string of more than `MAX_TEXT`."""
    if length > MAX_TEXT:
        raise CelError(
            f"{function}: the result would have {length} characters, at most {MAX_TEXT} are allowed"
        )


def check_elements(function: str, count: int) -> None:
    """Raise `CelError` when `function` is about to make a list of more than `MAX_ELEMENTS`."""
    if count > MAX_ELEMENTS:
        raise CelError(
            f"{function}: the result would have {count} elements, "
            f"at most {MAX_ELEMENTS} are allowed"
        )


def check_visited(function: str, count: int) -> None:
    """Raise `CelError` when `function` has looked at more than `MAX_VISITED` elements."""
    if count > MAX_VISITED:
        raise CelError(f"{function}: the value has more than {MAX_VISITED} elements within")
