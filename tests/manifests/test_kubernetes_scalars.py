"""Scalars mean what sigs.k8s.io/yaml, the reader of kubectl and the API server, makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kpolicy.frozen import thaw
from kpolicy.manifests.model import Limits
from kpolicy.manifests.yaml_loader import YamlError, read_stream

SHARED = Path(__file__).parents[2] / ".." / "shared" / "kubernetes-yaml-scalars.json"


def read(text: str) -> Any:
    [(body, _)] = read_stream(text, Limits())
    return thaw(body)


def same(left: Any, right: Any) -> bool:
    """Equal and of the same type: 1, 1.0 and True are three values."""
    return type(left) is type(right) and left == right


#: Measured with sigs.k8s.io/yaml 1.6.0, then read as apimachinery reads JSON (64-bit integers).
CASES: list[tuple[str, Any]] = [
    ("yes", True),
    ("y", True),
    ("On", True),
    ("TRUE", True),
    ("n", False),
    ("OFF", False),
    ("False", False),
    ("yES", "yES"),
    ("tRue", "tRue"),
    ("", None),
    ("~", None),
    ("Null", None),
    ("nULL", "nULL"),
    ("'~'", "~"),
    ('"yes"', "yes"),
    ("0", 0),
    ("-0", 0),
    ("00", 0),
    ("0777", 511),
    ("-017", -15),
    ("0o17", 15),
    ("0O17", 15),
    ("08", 8),
    ("0_8", 8),
    ("0o8", "0o8"),
    ("0x1f", 31),
    ("0X1F", 31),
    ("-0x1f", -31),
    ("0x", "0x"),
    ("0xg", "0xg"),
    ("0b11", 3),
    ("0B11", 3),
    ("-0b11", -3),
    ("+0b11", 3),
    ("0b-11", -3),
    ("0b12", "0b12"),
    ("1_000", 1000),
    ("1__0", 10),
    ("-_1", -1),
    ("+1", 1),
    ("+", "+"),
    ("9223372036854775807", 9223372036854775807),
    ("-9223372036854775808", -9223372036854775808),
    ("9223372036854775808", 9.223372036854775808e18),
    ("18446744073709551615", 1.8446744073709552e19),
    ("123456789012345678901", 1.2345678901234568e20),
    ("1.5", 1.5),
    ("1.", 1),
    ("0.", 0),
    ("-0.0", 0),
    (".5", 0.5),
    ("-.5", -0.5),
    ("+.5", 0.5),
    (".1_0", 0.1),
    ("0.1_0", 0.1),
    ("1e3", 1000),
    ("1E+3", 1000),
    ("1e-7", 1e-7),
    ("1e18", 1000000000000000000),
    ("123456789012345680.0", 123456789012345680),
    ("1e19", 1e19),
    ("1e21", 1e21),
    ("1e", "1e"),
    ("1e400", "1e400"),
    (".5e999", ".5e999"),
    ("5e-999", 0),
    (".", "."),
    ("._1", "._1"),
    ("1.2.3", "1.2.3"),
    ("1,000", "1,000"),
    ("12:30:45", "12:30:45"),
    ("2024-01-01", "2024-01-01"),
    ("2024-01-01T10:00:00Z", "2024-01-01T10:00:00Z"),
    ("٣", "٣"),
    ("<<", "<<"),
    ("1# c", "1# c"),
    ("1 # c", 1),
    ("!!str 5", "5"),
    ("!!str", ""),
    ("! 5", "5"),
    ("! 'yes'", "yes"),
    ("!foo 5", "5"),
    ("!!int '5'", 5),
    ("!!int 1_0", 10),
    ("!!float 1", 1),
    ("!!float 5e-1", 0.5),
    ("!!bool yes", True),
    ("!!null ''", None),
    ("!!binary aGk=", "hi"),
    ("!!binary gIA=", "\ufffd\ufffd"),
    ("!!timestamp 2020-01-01", "2020-01-01"),
    ("!!merge <<", "<<"),
    ("!!set {b, c}", {"b": None, "c": None}),
]

ERRORS = [
    ".inf",
    "-.INF",
    "+.Inf",
    ".nan",
    "!!int abc",
    "!!int 1.5",
    "!!int 1e3",
    "!!bool 5",
    "!!null x",
    "!!float 18446744073709551615",
    "!!float .inf",
    "!!binary '%%'",
    "!!timestamp 5",
    "!!timestamp 2020-99-99",
]


@pytest.mark.parametrize(("text", "value"), CASES)
def test_value(text: str, value: Any) -> None:
    """A value reads as Kubernetes reads it, type included."""
    read_value = read(f"a: {text}")["a"]
    assert same(read_value, value), read_value


@pytest.mark.parametrize("text", ERRORS)
def test_refused_value(text: str) -> None:
    """What Kubernetes refuses is an error at the place of the scalar."""
    with pytest.raises(YamlError) as caught:
        read(f"x: 1\na: {text}")
    assert (caught.value.line, caught.value.column) == (2, 4)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("y", "true"),
        ("off", "false"),
        ("1", "1"),
        ("0x10", "16"),
        ("1_0", "10"),
        ("-0", "0"),
        ("'1'", "1"),
        ("1.5", "1.5"),
        ("0.1", "0.1"),
        ("1e3", "1000"),
        ("1e6", "1e+06"),
        ("1e20", "1e+20"),
        ("1e-4", "0.0001"),
        ("1e-5", "1e-05"),
        ("123456789.5", "1.2345679e+08"),
        ("-0.0", "-0"),
        ("1e300", ".inf"),
        (".inf", ".inf"),
        ("-.inf", "-.inf"),
        (".nan", ".nan"),
        ("2020-01-01", "2020-01-01"),
        ("!!int '7'", "7"),
        ("!!binary aGk=", "hi"),
        ("!!bool yes", "true"),
        ("!!str y", "y"),
        ("''", ""),
        ("plain text", "plain text"),
    ],
)
def test_key(key: str, name: str) -> None:
    """A key becomes the string that Kubernetes' JSON has."""
    assert list(read(f"{key}: 1")) == [name]


@pytest.mark.parametrize("key", ["~", "null", "18446744073709551615", "[a]", "{a: b}", "? [a]\n"])
def test_refused_key(key: str) -> None:
    """Null, 64-bit unsigned and collection keys are errors, as in Kubernetes."""
    with pytest.raises(YamlError):
        read(f"{key}: 1")


@pytest.mark.skipif(not SHARED.exists(), reason="the measured facts are not beside the checkout")
def test_measured_facts() -> None:
    """All measured cases of the shared facts hold."""
    facts = json.loads(SHARED.read_text())
    for text, value in facts["cases"]:
        got = read(f"a: {text}")["a"]
        assert same(got, value) or (isinstance(value, float) and same(got, value)), (text, got)
    for text in facts["errors"]:
        with pytest.raises(YamlError):
            read(f"a: {text}")
