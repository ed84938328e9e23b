"""Places in a stream of many documents cost one reading of the stream, not one a place."""

from __future__ import annotations

from kpolicy.manifests import places
from kpolicy.manifests.places import locate


def stream(count: int) -> bytes:
    """Return a stream of JSON documents, one a line, with a comment document and a broken one."""
    documents = [f'{{"a": {{"name": "n{i}", "on": true}}}}' for i in range(count)]
    documents[1:1] = ["# only a comment"]
    documents[3:3] = ["a: [1"]
    return "\n---\n".join(documents).encode()


def test_every_document_is_found_by_its_number() -> None:
    """A number counts what can be read, as the loader counts."""
    from kpolicy.manifests import load
    from kpolicy.manifests.model import Limits, ManifestFile

    text = stream(30).replace(b'"a"', b'"apiVersion": "v1", "kind": "A", "a"')
    loaded = load(ManifestFile("x", data=text), Limits())
    lines = text.decode().split("\n")
    assert len(loaded.documents) == 30
    for document in loaded.documents:
        line, column = locate(text, document.index, "/a/name")
        assert lines[line - 1][column - 1 :].startswith(f'"{document.body["a"]["name"]}"')


def test_a_stream_is_read_once_for_all_places(monkeypatch) -> None:
    """Sixty places in sixty documents read each piece twice at most."""
    text = stream(60)
    read = []
    real = places._readable
    monkeypatch.setattr(places, "_readable", lambda chunk: read.append(chunk) or real(chunk))
    for cache in (places._document, places._numbered):
        cache.cache_clear()
    for index in range(60):
        locate(text, index, "/a/on")
    assert 0 < len(read) <= 2 * 62
