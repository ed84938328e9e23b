"""`# kpolicy:ignore ID reason` on a line or above it."""

from __future__ import annotations

import pytest

from kpolicy.suppress.comments import comments_of, covering


def found(text, line, policy="host-network"):
    """Return the comment that covers `policy` at `line`, or None."""
    lines = text.split("\n")
    return covering(comments_of(lines), lines, line, policy)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1  # kpolicy:ignore host-network", 1),
        ("# kpolicy:ignore host-network\na: 1", 2),
        ("    #kpolicy:ignore   host-network\n    a: 1", 2),
        ("# kpolicy:ignore host-network\n# more words\na: 1", 3),
        ("# kpolicy:ignore other,host-network because\na: 1", 2),
        ("# kpolicy:ignore other , host-network because\na: 1", 2),
        ("# kpolicy:ignore host-*\na: 1", 2),
    ],
)
def test_it_covers_its_own_line_and_the_one_below(text, line):
    assert found(text, line) is not None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("# kpolicy:ignore other\na: 1", 2),
        ("# kpolicy:ignore host-network\na: 1\nb: 2", 3),
        ("a: 1  # kpolicy:ignore host-network\nb: 2", 2),
        ("# kpolicy:ignore host-network\n\na: 1", 3),
        ("a: 1\n# kpolicy:ignore host-network", 1),
        ("a: x#kpolicy:ignore host-network", 1),
        ("# kpolicy:ignore\na: 1", 2),
    ],
)
def test_it_covers_nothing_else(text, line):
    assert found(text, line) is None


def test_the_reason_is_kept():
    comment = found("# kpolicy:ignore a, host-network it needs the node's network\na: 1", 2)
    assert comment.reason == "it needs the node's network"
    assert comment.line == 1
