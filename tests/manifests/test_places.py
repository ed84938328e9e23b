"""Where collections, keys and scalars stand."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from kpolicy.manifests import load, locate, locate_many
from kpolicy.manifests.model import ManifestFile
from kpolicy.manifests.places import _find_all, _readable
from kpolicy.manifests.text import split

REAL = Path(__file__).parents[2] / ".." / "shared" / "real-manifests"

TEXT = b"""\
# one
---
apiVersion: v1
kind: Pod
---
apiVersion: apps/v1
kind: Deployment
metadata:
  labels: {app: web, "tier": 'api'}
  annotations:
    a/b~c: x
spec:
  replicas:
  template:
    spec:
      containers:
      - name: web
        image:   nginx   # comment
        args: [a, "b"]
        command:
          - /bin/sh
          -   -c
      - &side
        name: side
        text: |
          - a: b
          name: c
      - *side
"""


@pytest.mark.parametrize(
    ("pointer", "value", "key"),
    [
        ("", (6, 1), (6, 1)),
        ("/kind", (7, 7), (7, 1)),
        ("/metadata", (9, 3), (8, 1)),
        ("/metadata/labels", (9, 11), (9, 3)),
        ("/metadata/labels/app", (9, 17), (9, 12)),
        ("/metadata/labels/tier", (9, 30), (9, 22)),
        ("/metadata/annotations/a~1b~0c", (11, 12), (11, 5)),
        ("/spec/replicas", (13, 3), (13, 3)),
        ("/spec/template/spec/containers", (17, 7), (16, 7)),
        ("/spec/template/spec/containers/0", (17, 9), (17, 9)),
        ("/spec/template/spec/containers/0/image", (18, 18), (18, 9)),
        ("/spec/template/spec/containers/0/args/1", (19, 19), (19, 19)),
        ("/spec/template/spec/containers/0/command/1", (22, 15), (22, 15)),
        ("/spec/template/spec/containers/1/name", (24, 15), (24, 9)),
        ("/spec/template/spec/containers/1/text", (25, 15), (25, 9)),
        ("/spec/template/spec/containers/2/name", (24, 15), (24, 9)),
    ],
)
def test_place_of_a_pointer(pointer: str, value: tuple[int, int], key: tuple[int, int]) -> None:
    assert locate(TEXT, 1, pointer) == value
    assert locate(TEXT, 1, pointer, keys=True) == key


@pytest.mark.parametrize(
    ("pointer", "place"),
    [
        ("/nosuch", (6, 1)),
        ("/metadata/nosuch/deeper", (9, 3)),
        ("/spec/template/spec/containers/9/image", (17, 7)),
        ("/spec/template/spec/containers/0/securityContext", (17, 9)),
        ("/spec/template/spec/containers/-", (17, 7)),
        ("/kind/x", (7, 7)),
    ],
)
def test_what_is_not_there_is_placed_at_what_holds_it(pointer: str, place: tuple[int, int]) -> None:
    assert locate(TEXT, 1, pointer) == place


def test_a_document_that_is_not_there_has_no_place() -> None:
    assert locate(TEXT, 7, "") == (0, 0)
    assert locate(b"a: [", 0, "/a") == (0, 0)
    assert locate(ManifestFile("gone.yaml", "gone.yaml"), 0, "") == (0, 0)


def test_documents_after_a_broken_one_keep_their_number() -> None:
    text = b"a: [\n---\nx: \xff\n---\nb: 1\n"
    assert [locate(text, index, "/b") for index in range(3)] == [(0, 0), (0, 0), (5, 4)]


def test_a_document_that_breaks_at_its_end_counts_once() -> None:
    assert locate(b"a\n b: c\n---\nd: {e: 1}\n", 1, "/d/e") == (4, 8)


def test_merged_keys_are_placed_where_they_are_written() -> None:
    text = b"base: &b {x: 1}\na:\n  <<: *b\n  w: 2\nc:\n  <<: [{z: 1}, *b]\n"
    assert locate_many(text, 0, ["/a/x", "/a/w", "/c/z", "/c/x"]) == (
        (1, 14),
        (4, 6),
        (6, 12),
        (1, 14),
    )


def test_keys_are_found_under_the_names_that_kubernetes_gives_them() -> None:
    assert locate(b"data:\n  y: 1\n  '2': 3\n", 0, "/data/true") == (2, 6)
    assert locate(b"data:\n  y: 1\n  2: 3\n", 0, "/data/2", keys=True) == (3, 3)


def test_the_last_of_duplicate_keys_is_meant() -> None:
    assert locate(b"a: 1\nb: 2\na: 3\n", 0, "/a") == (3, 4)


def test_places_in_json() -> None:
    text = b'{"kind": "Pod",\n\t"a": [1,\n {"b\\/c": "x"}]}'
    assert locate_many(text, 0, ["/kind", "/a/0", "/a/1", "/a/1/b~1c"]) == (
        (1, 10),
        (2, 8),
        (3, 2),
        (3, 11),
    )


def test_a_file_is_read_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(TEXT)
    assert locate(ManifestFile("a.yaml", str(path)), 1, "/kind") == (7, 7)
    path.write_bytes(b"# more\n" + TEXT)
    assert locate(ManifestFile("a.yaml", str(path)), 1, "/kind") == (8, 7)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: &x\n  b: 1\n", (2, 3)),
        ("a: &x {b: 1}\n", (1, 7)),
        ("a: &x [1]\n", (1, 7)),
        ("a: !!map\n  b: 1\n", (2, 3)),
        ("a: &x\n- 1\n", (2, 1)),
        ("a: &x\n  - 1\n", (2, 3)),
        ("a:\n  ? b\n  : 1\n", (2, 5)),
        ("a:\n  'b': 1\n", (2, 3)),
        ("a:\n  -\n    - 1\n", (2, 3)),
        ("a:\n  - - 1\n", (2, 3)),
    ],
)
def test_place_of_a_collection(text: str, place: tuple[int, int]) -> None:
    """A block mapping begins at its first key, a list at its first dash, anchors do not count."""
    loaded = load(ManifestFile("a.yaml", data=f"apiVersion: v1\nkind: X\n{text}".encode()))
    value = loaded.documents[0].body["a"]
    assert (value.line - 2, value.column) == place


def test_place_of_a_list_in_a_list() -> None:
    loaded = load(ManifestFile("a.yaml", data=b"apiVersion: v1\nkind: X\na:\n- - 1\n  - 2\n"))
    inner = loaded.documents[0].body["a"][0]
    assert (inner.line, inner.column) == (4, 3)


def pointers(value: Any, here: str = "") -> list[str]:
    """Every pointer into `value`, and some that lead nowhere."""
    found = [here]
    if isinstance(value, dict):
        for key, child in value.items():
            found += pointers(child, f"{here}/{key.replace('~', '~0').replace('/', '~1')}")
        found.append(f"{here}/nosuch")
    elif isinstance(value, list):
        for number, child in enumerate(value):
            found += pointers(child, f"{here}/{number}")
        found.append(f"{here}/99")
    return found


@pytest.mark.skipif(not REAL.exists(), reason="the real manifests are not beside the checkout")
@pytest.mark.parametrize("keys", [False, True])
def test_places_found_by_indentation_are_those_of_libyaml(keys: bool) -> None:
    """On real manifests, the quick look at the lines and the full reading agree everywhere."""
    compared = 0
    for path in sorted(REAL.rglob("*.yaml")):
        data = path.read_bytes()
        if len(data) > 10_000:
            continue
        spots = [spot for chunk in split(data.decode()) for spot in _readable(chunk)]
        for document in load(ManifestFile(path.name, data=data)).documents:
            if document.pointer:
                continue
            wanted = pointers(document.body)
            root = spots[document.index]
            assert root is not None
            assert locate_many(data, document.index, wanted, keys=keys) == _find_all(
                root, wanted, keys
            )
            compared += len(wanted)
    assert compared > 10_000


def test_several_pointers_of_a_large_file_cost_one_reading() -> None:
    text = "a:\n" + "".join(f"  - {{name: n{number}}}\n" for number in range(5_000))
    data = text.encode()
    start = time.perf_counter()
    locate_many(data, 0, ["/a/0/name"])
    once = time.perf_counter() - start
    start = time.perf_counter()
    places = locate_many(data, 0, [f"/a/{number}/name" for number in range(5_000)])
    assert places[-1] == (5_001, 12)
    assert time.perf_counter() - start < 3 * once + 0.5


FLOW = """\
apiVersion: v1
kind: X
a: {b: 1, c: [x, {d: "e, f", g: [1, 2]}, 'y'], h: {}}  # {z: 1}
l: [ {port: 80, name: web},[],  [p, {q: r}] ]
m:
  - {containerPort: 8080, list: [a, b]}
  - [1, {two: 2}]
"""


@pytest.mark.parametrize("keys", [False, True])
def test_places_in_flow_collections_are_those_of_libyaml(keys: bool) -> None:
    (document,) = load(ManifestFile("a.yaml", data=FLOW.encode())).documents
    (root,) = [spot for chunk in split(FLOW) for spot in _readable(chunk)]
    assert root is not None
    for pointer in pointers(document.body):
        found = locate_many(FLOW.encode(), 0, (pointer,), keys=keys)
        assert found == _find_all(root, (pointer,), keys), pointer
