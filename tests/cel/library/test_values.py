"""The libraries' own values as Python sees them: equality, hashes, order and text."""

from __future__ import annotations

import itertools

import pytest

from kpolicy.cel.errors import CelError
from kpolicy.cel.library.cidr import parse_cidr
from kpolicy.cel.library.format import FORMATS
from kpolicy.cel.library.ip import parse_ip
from kpolicy.cel.library.lists import distinct
from kpolicy.cel.library.quantity import Quantity, parse_quantity
from kpolicy.cel.library.semver import parse_semver
from kpolicy.cel.library.sets import contains, equivalent, intersects
from kpolicy.cel.library.url import parse_url
from kpolicy.cel.values import UInt, type_of

#: In ascending order; texts of one row are equal.
QUANTITIES = [
    ("-1Ki", "-1024"), ("-1", "-1000m"), ("0", "0m", "-0", "0Ki"), ("1n",),
    ("0.1", "100m", "1e-1", "100000000n"), ("1", "1000m", "1.000", "1e0"),
    ("1k", "1e3", "1000"), ("1Ki", "1024", "1.024k"), ("1M", "1000k", "1E6"), ("1Mi", "1048576"),
    ("1.5Gi", "1536Mi"), ("1E", "1000P"), ("1Ei", "1024Pi"), ("99999999999999999999",),
]  # fmt: skip


def test_quantities_are_ordered_and_hashed_by_amount() -> None:
    """Equal amounts are equal and share a hash however they are written; others are ordered."""
    rows = [[parse_quantity(text) for text in row] for row in QUANTITIES]
    rows.sort(key=lambda row: row[0].unscaled * 10.0 ** row[0].exponent)
    for row in rows:
        assert len(set(row)) == 1
    for left, right in itertools.combinations(rows, 2):
        assert all(a.compare(b) == -1 and b.compare(a) == 1 and a != b for a in left for b in right)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1500m", "1500m"), ("1.5", "1500m"), ("0.5", "500m"), ("1000m", "1"), ("1000", "1k"),
        ("1024Ki", "1Mi"), ("1.5Gi", "1536Mi"), ("1000Ki", "1000Ki"), ("1e3", "1e3"),
        ("0.5Ki", "512"), ("0.1Ki", "102400m"), ("0.0000000001", "1n"),
        ("1Ei", "1Ei"), ("9Ei", "9223372036854775807"), ("100k", "100k"), ("-2048", "-2048"),
    ],
)  # fmt: skip
def test_the_text_of_a_quantity_is_canonical(text: str, canonical: str) -> None:
    """The shortest mantissa with a suffix of the format that was used."""
    assert str(parse_quantity(text)) == canonical


def test_a_quantity_is_no_other_value() -> None:
    """Comparing with another kind of value is false and no error."""
    assert parse_quantity("1") != 1
    assert Quantity(1, 0, "decimal") != "1"


def test_networks_urls_and_versions_are_values() -> None:
    """They compare by what they stand for, hash alike, and name their CEL type."""
    assert parse_ip("2001:DB8::1") == parse_ip("2001:db8:0::1") != parse_ip("::1")
    assert len({parse_ip("2001:DB8::1"), parse_ip("2001:db8:0::1")}) == 1
    assert parse_ip("0.0.0.1") != parse_ip("::1")
    assert parse_cidr("10.0.0.0/8") != parse_cidr("10.0.0.0/9")
    assert len({parse_cidr("10.0.0.1/8"), parse_cidr("10.0.0.1/8"), parse_cidr("10.0.0.2/8")}) == 2
    assert len({parse_url("HTTP://a/"), parse_url("http://a/")}) == 1
    assert len({parse_semver("1.0.0+a"), parse_semver("1.0.0+b")}) == 1
    assert FORMATS["uri"] != FORMATS["uuid"] and len(set(FORMATS.values())) == len(FORMATS)
    names = [str(type_of(v)) for v in (parse_ip("::"), parse_cidr("::/0"), parse_url("/"))]
    assert names == ["net.IP", "net.CIDR", "kubernetes.URL"]


def test_versions_are_ordered_as_semver_org_says() -> None:
    """Its own example, in ascending order."""
    texts = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2",
             "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0",
             "2.0.0-0"]  # fmt: skip
    versions = [parse_semver(text) for text in texts]
    for left, right in itertools.combinations(versions, 2):
        assert left.compare(right) == -1 and right.compare(left) == 1


def test_sets_and_distinct_keep_cel_equality() -> None:
    """Numbers are equal across types, true is not 1, NaN equals nothing, lists compare deeply."""
    nan = float("nan")
    assert distinct([1, 1.0, UInt(1), True, True, nan, nan, [1], [1.0], "a", b"a", None]) == [
        1, True, nan, nan, [1], "a", b"a", None,
    ]  # fmt: skip
    assert contains([1, "a", [2]], [1.0, [2.0]]) and not contains([1], [True])
    assert not contains([nan], [nan]) and not intersects([nan], [nan])
    assert equivalent([1, 1, 2], [2.0, UInt(1)]) and not equivalent([1], [1, 2])
    assert intersects([{"a": 1}], [{"a": 1.0}]) and not intersects([], [])


@pytest.mark.parametrize("text", ["\u0661", "1\u0662", "\u00b2"])
def test_only_ascii_digits_are_digits(text: str) -> None:
    """What Python calls a digit is none in an address, a quantity or a version."""
    for parse, source in (
        (parse_ip, f"{text}.2.3.4"), (parse_cidr, f"10.0.0.0/{text}"),
        (parse_quantity, text), (parse_semver, f"{text}.0.0"),
    ):  # fmt: skip
        with pytest.raises(CelError):
            parse(source)
