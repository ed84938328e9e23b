"""A mistyped name finds the one that was meant, and only that."""

from __future__ import annotations

import pytest

from kpolicy.cel.suggest import closest, did_you_mean

FIELDS = ("replicas", "selector", "strategy", "template", "paused", "minReadySeconds")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("replica", "replicas"),
        ("relpicas", "replicas"),
        ("Replicas", "replicas"),
        ("min_ready_seconds", "minReadySeconds"),
        ("tempalte", "template"),
        ("slector", "selector"),
        ("pausd", "paused"),
        ("absent", ""),
        ("nowhere", ""),
        ("foo", ""),
        ("a", ""),
        ("", ""),
        ("replicas", ""),
    ],
)
def test_closest(name: str, meant: str) -> None:
    """One slip in three letters is forgiven; what is like nothing finds nothing."""
    assert closest(name, FIELDS) == meant


def test_hint() -> None:
    """The hint is a question, or nothing."""
    assert did_you_mean("replica", FIELDS) == "did you mean `replicas`?"
    assert did_you_mean("nowhere", FIELDS) == ""


def test_ties_go_to_the_first_in_order() -> None:
    """Of two names that are equally close the first in the alphabet is meant."""
    assert closest("bat", ("cat", "bar", "hat")) == "bar"
