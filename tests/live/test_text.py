"""Objects of a cluster as YAML: what is read again is what was written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpolicy.live.text import yaml_text
from kpolicy.manifests import load
from kpolicy.manifests.model import Limits, ManifestFile

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from([
        "yes", "No", "on", "null", "~", "", "1e3", "0o7", "0x1F", "1_000", ".5", "12:30",
        "2026-01-01", "- a", "a: b", "a #b", "#", "*x", "&x", "!t", "%d", "@a", "`a`", "{a}",
        "[a]", "|", ">", "?",
        "a\nb", "a\r\nb", "\u2028", "\u0085", "\ufeff", "\x7f", "\U0001f600", "true ", "<<", "=",
    ]),
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), TEXTS,
    st.floats(-(2.0**53), 2.0**53),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, TEXTS)
def test_what_is_written_is_read(value: Any, key: str) -> None:
    body = {"apiVersion": "v1", "kind": "Thing", "value": value, "more": {key: value}}
    file = ManifestFile("live:Thing/a", data=yaml_text(body).encode())
    loaded = load(file, Limits())
    assert loaded.invalid == ()
    (document,) = loaded.documents
    read = document.body
    assert repr(plain(read)) == repr(plain(body))


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    # YAML, as JSON, has one kind of number.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def test_a_field_has_a_line() -> None:
    body = {"kind": "A", "spec": {"list": [{"name": "x", "on": "on"}, [1, []], {}], "empty": {}}}
    assert yaml_text(body) == (
        'kind: A\nspec:\n  list:\n  - name: x\n    "on": "on"\n  -\n    - 1\n    - []\n  - {}\n'
        "  empty: {}\n"
    )


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_half_a_character_is_replaced(text: str) -> None:
    assert "\ufffd" in yaml_text({"a": text})
