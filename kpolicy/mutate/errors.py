"""What can go wrong while an object is changed."""

from __future__ import annotations


class MutationError(Exception):
    """A change that does not fit the object; the message says what and where."""


class TestFailed(Exception):
    """A `test` operation of a JSON patch that does not hold: nothing of the patch is applied."""

    __test__ = False  # not for pytest, whatever its name begins with
