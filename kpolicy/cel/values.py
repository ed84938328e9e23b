"""Run-time values of CEL that Python has no type for, and the relations among all values.

CEL to Python: int `int` (never `bool`), uint `UInt`, double `float`, string `str`, bytes `bytes`, bool `bool`, null `None`,
list any `list` or `tuple`, map any `Mapping`, timestamp `Timestamp`, duration `Duration`, type `Type`, optional `Optional`.
"""

from __future__ import annotations

INT_MIN = -(2**63)
INT_MAX = 2**63 - 1
UINT_MAX = 2**64 - 1


class UInt(int):
    """A CEL uint: an int subclass, so that arithmetic is Python's; `str()` has no suffix."""

    __slots__ = ()
