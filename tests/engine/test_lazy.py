"""A lazy body is a frozen body that reads its content when it is first looked into."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from kpolicy import cel
from kpolicy.engine.lazy import LazyBody, Library
from kpolicy.engine.rows import Row
from kpolicy.errors import FrozenError
from kpolicy.frozen import FrozenDict, FrozenList, pack_position
from kpolicy.manifests.model import Limits, ManifestFile
from kpolicy.snapshot.resource import ResourceKey

CONTENT = FrozenDict({"kind": "Pod", "items": FrozenList([1, 2])})


def lazy(reads=None):
    """Return a body that notes each read in `reads`."""

    def fetch():
        if reads is not None:
            reads.append(1)
        return CONTENT

    return LazyBody.of(pack_position(7, 3), fetch)


@pytest.mark.parametrize(
    "look",
    [
        lambda b: b["kind"], lambda b: b.get("kind"), lambda b: "kind" in b, len, list, bool,
        lambda b: b.keys(), lambda b: list(b.values()), lambda b: dict(b.items()), repr,
        lambda b: b == CONTENT, lambda b: b != CONTENT, lambda b: {**b}, lambda b: b | {},
        lambda b: {} | b, lambda b: list(reversed(b)), pickle.dumps,
    ],
)  # fmt: skip
def test_any_look_reads_once_and_leaves_an_ordinary_body(look):
    reads = []
    body = lazy(reads)
    same = body
    assert look(body) == look(FrozenDict(CONTENT, body.mark))
    look(body)
    assert reads == [1]
    assert type(body) is FrozenDict
    assert body is same
    assert (body.line, body.column) == (7, 3)
    assert json.dumps(body) == json.dumps(CONTENT)


def test_its_place_and_identity_cost_no_read():
    reads = []
    body = lazy(reads)
    assert (body.line, body.column) == (7, 3)
    assert copy.copy(body) is body
    assert isinstance(body, dict)
    assert reads == []


def test_it_cannot_be_changed():
    body = lazy()
    with pytest.raises(FrozenError):
        body["kind"] = "x"
    with pytest.raises(FrozenError):
        body.update(a=1)
    with pytest.raises(FrozenError):
        body.anything = 1


@pytest.mark.parametrize("how", ["evaluate", "evaluate_exactly"])
def test_expressions_read_it_like_any_map(how):
    program = cel.compile("object.kind == 'Pod' && has(object.items) && object.items.size() == 2")
    body = lazy()
    assert getattr(program, how)({"object": body}) is True
    assert getattr(cel.compile("size(object)"), how)({"object": lazy()}) == 2
    assert getattr(cel.compile("object.map(k, k)"), how)({"object": lazy()}) == ["kind", "items"]


def test_a_library_reads_each_file_once_and_forgets_the_oldest():
    text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Pod\n"
    files = {f"{n}.yaml": ManifestFile(f"{n}.yaml", data=text.encode()) for n in range(40)}
    library = Library(files, Limits())
    first = library.body("0.yaml", 0, "")
    assert first is not None
    assert first["metadata"]["name"] == "a"
    assert library.body("0.yaml", 0, "") is first
    assert "metadata" not in (library.body("0.yaml", 1, "") or {})
    for n in range(40):
        library.body(f"{n}.yaml", 0, "")
    assert library.body("0.yaml", 0, "") is not first


def test_of_a_file_that_changed_meanwhile_the_row_is_known():
    library = Library({"a.yaml": ManifestFile("a.yaml", data=b"# empty now\n")}, Limits())
    for path in ("a.yaml", "gone.yaml"):
        assert library.body(path, 0, "") is None
        key = ResourceKey("", "Pod", "team", "a")
        row = Row("v1", "Pod", "team", "a", key, path, 0, "", "", 1 << 24, (), (), frozenset(), ())
        known = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "team"}}
        assert row.resource(library).body == known
