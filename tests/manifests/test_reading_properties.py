"""What holds for every input: JSON values survive, nothing raises, places are right."""

from __future__ import annotations

import json
import random
from typing import Any

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kpolicy.frozen import FrozenDict, FrozenList, thaw
from kpolicy.manifests import load, locate_many
from kpolicy.manifests.model import Document, Limits, ManifestFile
from kpolicy.manifests.scalars import ScalarError, resolve_plain
from kpolicy.manifests.yaml_documents import Parsed, parse
from kpolicy.manifests.yaml_loader import YamlError, read_stream

CHARACTERS = st.characters(
    codec="utf-8",
    exclude_categories=("Cs", "Cc"),
    exclude_characters="\ufffe\uffff\ufeff\u2028\u2029",
)
AWKWARD = [
    "yes", "y", "0777", "1e3", ".inf", "~", "", " x", "x ", "- a", "a: b", "#", "'", '"', "\n",
    "a\nb", "a\n\n  b\n", "<<", "*a", "&a", "!a", "{{ .Values.x }}", "---", "2024-01-01",
    "12:30", "|", "\t",
]  # fmt: skip
TEXTS = st.text(CHARACTERS, max_size=20) | st.sampled_from(AWKWARD)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda value: not value.is_integer())
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=25,
)


def read(text: str) -> Document:
    loaded = load(ManifestFile("a.yaml", data=text.encode()))
    assert loaded.invalid == (), text
    [document] = loaded.documents
    return document


class KubernetesDumper(yaml.SafeDumper):
    """Quotes what Kubernetes, unlike PyYAML, does not take for a string (`y`, `1e3`, `0o7`)."""


def represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    try:
        is_text = isinstance(resolve_plain(text), str)
    except ScalarError:
        is_text = False
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_text else "'")


KubernetesDumper.add_representer(str, represent_text)


def wrapped(value: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Test", "value": value}


@given(
    VALUES,
    st.sampled_from([None, True, False]),
    st.sampled_from(["", "'", '"', "|"]),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_values_written_as_yaml_are_read_back(
    value: Any, flow: bool | None, style: str, unicode: bool
) -> None:
    """In every style; with one for all scalars, PyYAML tags those that are no strings."""
    text = yaml.dump(
        wrapped(value),
        Dumper=KubernetesDumper,
        default_flow_style=flow,
        default_style=style or None,
        allow_unicode=unicode,
    )
    assert thaw(read(text).body) == wrapped(value)


@given(VALUES, st.sampled_from([None, 1, "\t"]), st.booleans())
@settings(max_examples=300, deadline=None)
def test_values_written_as_json_are_read_back(value: Any, indent: Any, ascii_only: bool) -> None:
    text = json.dumps(wrapped(value), indent=indent, ensure_ascii=ascii_only)
    assert thaw(read(text).body) == wrapped(value)


BASE = b"""\
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, metadata: {name: &n a}}
- apiVersion: apps/v1
  kind: Deployment
  spec: &s
    template: {spec: {containers: [{name: a, image: "b"}]}}
    <<: {x: 1}
  status: *s
---
{"apiVersion": "v1", "kind": "Pod", "a": [1, 2.5, "\\u00e9"]}
--- # three
apiVersion: v1
kind: ConfigMap
data:
  a: |
    {{ x }}
  b: >-
    folded
    text
"""


INSERTS = (b"\t", b"{", b"]", b"*a", b"\xc3", b"---\n", b"'", b": ", b"\0", b"<<: *s\n", b"%")


@given(st.binary(max_size=60))
@example(b"\xff\xfe\x00")
@example(b"\xfe\xff\xd8")
@example(b"\xef\xbb\xbf\x00")
@settings(max_examples=400, deadline=None)
def test_no_bytes_raise(data: bytes) -> None:
    load(ManifestFile("a.yaml", data=data))


@given(st.integers(0, 2**32))
@settings(max_examples=1000, deadline=None)
def test_no_damage_raises_and_places_are_inside_the_file(seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(BASE)
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(data))
        action = rng.random()
        if action < 0.4:
            data[at] = rng.randrange(256)
        elif action < 0.7:
            del data[at : at + rng.randint(1, 9)]
        else:
            data[at:at] = rng.choice(INSERTS)
    loaded = load(ManifestFile("a.yaml", data=bytes(data)), Limits(depth=20, alias_nodes=100))
    lines = bytes(data).decode("utf-8", "replace").split("\n")
    for invalid in loaded.invalid:
        assert 1 <= invalid.location.line <= len(lines) + 1
        assert invalid.location.column >= 1
        assert invalid.message
    for document in loaded.documents:
        found = locate_many(bytes(data), document.index, [document.pointer, "/spec/x", "/x/0"])
        assert found[0] == (document.body.line, document.body.column)


PIECES = [
    "a: 1\n", "b: |\n  x\n  --- y\n", "---\n", "--- # c\n", "---\r\n", "...\n", "# c\n", "\n",
    "---", "c: 'x\n  ---\n  y'\n", "- 1\n", "--- d\n", "--- {e: 1}\n", "f: >\n  ---\n\n",
    "{g: 1}\n", "---x\n", " ---\n", '"h": "\\\n ---"\n', "--- |\n i\n",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=8))
@settings(max_examples=600, deadline=None)
def test_documents_read_one_by_one_are_those_of_the_stream(pieces: list[str]) -> None:
    """Cutting a stream at its separators changes nothing, wherever the whole stream is valid."""
    text = "".join(pieces)
    try:
        whole = [body for body, _ in read_stream(text, Limits())]
    except YamlError:
        return
    parsed = list(parse(text.encode(), Limits()))
    assert [document.body for document in parsed if isinstance(document, Parsed)] == whole
    assert [document.number for document in parsed] == list(range(len(whole)))


def check_places(value: Any, lines: list[str]) -> int:
    """Assert that every mapping and list begins where it says; return how many there are."""
    if not isinstance(value, (FrozenDict, FrozenList)):
        return 0
    rest = lines[value.line - 1][value.column - 1 :]
    if rest.startswith(("{", "[")):
        assert rest[0] == ("{" if isinstance(value, FrozenDict) else "[")
    elif isinstance(value, FrozenList):
        assert rest[0] == "-"
        assert rest[1:2] in ("", " ")
    else:
        # A block mapping begins at its first key: bare, quoted, tagged or marked with `?`.
        assert rest[0] not in "#{[ "
        assert rest[:2] != "- "
        assert ":" in rest or rest[0] in "'\"!" or lines[value.line - 1].lstrip("- ")[0] == "?"
    children = value.values() if isinstance(value, FrozenDict) else value
    return 1 + sum(check_places(child, lines) for child in children)


@given(
    VALUES,
    st.sampled_from([None, False, True]),
    st.sampled_from([2, 4, 7]),
)
@settings(max_examples=400, deadline=None)
def test_every_collection_says_where_it_begins(value: Any, flow: bool | None, indent: int) -> None:
    text = yaml.dump(
        wrapped(value),
        Dumper=KubernetesDumper,
        default_flow_style=flow,
        indent=indent,
        allow_unicode=True,
        width=60,
    )
    assert check_places(read(text).body, text.split("\n")) >= 1


@given(VALUES)
@settings(max_examples=200, deadline=None)
def test_every_collection_of_json_says_where_it_begins(value: Any) -> None:
    text = json.dumps(wrapped(value), indent=1)
    assert check_places(read(text).body, text.split("\n")) >= 1
