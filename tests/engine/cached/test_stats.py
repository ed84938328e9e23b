"""When the numbers of a file tell that it has not changed, and when it has to be read."""

from __future__ import annotations

import os

import pytest
from cache_kit import Tree

from kpolicy.engine.cached import compare
from kpolicy.engine.cached.stats import is_young, stats_of, young

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND + 5


def numbers(modified, changed):
    """Return the numbers of a file with these times."""
    return (10, modified, changed, 7)


@pytest.mark.parametrize(
    ("modified", "changed", "is_so"),
    [
        (NOW - 7 * SECOND, NOW - 7 * SECOND, False),
        (NOW - SECOND // 1000, NOW - SECOND, True),  # written a millisecond before
        (NOW - 7 * SECOND, NOW - SECOND // 1000, True),  # its time was set back
        (NOW + SECOND, NOW - 7 * SECOND, True),  # from the future
        (1_699_999_999 * SECOND, 1_699_999_999 * SECOND, True),  # a clock of whole seconds
        (1_699_999_990 * SECOND, 1_699_999_990 * SECOND, False),
    ],
)
def test_a_file_as_young_as_the_index(modified, changed, is_so):
    assert is_young(numbers(modified, changed), NOW) is is_so


def test_young_files_are_found_among_many(tmp_path):
    names = []
    for number in range(5):
        path = tmp_path / str(number)
        path.write_text("x")
        names.append(str(path))
    stats = stats_of(names)
    assert young(stats.numbers, stats.taken) == [0, 1, 2, 3, 4]
    assert young(stats.numbers, stats.taken + 10 * SECOND) == []


def test_what_is_not_there_is_never_known(tmp_path):
    stats = stats_of([str(tmp_path / "gone"), "", "nul\0name"])
    assert young(stats.numbers, stats.taken + 10 * SECOND) == [0, 1, 2]


def test_an_edit_of_equal_size_in_one_tick_is_seen(tmp_path):
    """The second text is written at once, with the first one's time: only reading tells."""
    tree = Tree(tmp_path / "tree", 1)
    path = tmp_path / "tree" / "a" / "x.yaml"
    text = "apiVersion: v1\nkind: Service\nmetadata: {name: %s}\nspec: {}\n"
    path.write_text(text % "a")
    before = path.stat()
    first = tree.scan(cached=True)
    path.write_text(text % "b")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = tree.scan(cached=True)
    assert second == tree.scan(cached=False) != first


@pytest.fixture
def reads(monkeypatch):
    """Note the files that are read to know whether they are the same."""
    names = []
    original = compare.read_bytes
    monkeypatch.setattr(
        compare, "read_bytes", lambda f, limits: names.append(f.path) or original(f, limits)
    )
    return names


def test_old_files_are_not_read(tmp_path, monkeypatch, reads):
    tree = Tree(tmp_path / "tree", 3)
    monkeypatch.setattr("kpolicy.engine.cached.stats._TICK", 0)
    monkeypatch.setattr("kpolicy.engine.cached.stats._COARSE", 0)
    wanted = tree.scan(cached=True)
    assert tree.scan(cached=True) == wanted
    assert not reads


def test_a_fresh_checkout_is_known_by_its_content(tmp_path, reads, rescans):
    """Other inodes and times, the same bytes: as in CI, nothing is evaluated."""
    tree = Tree(tmp_path / "tree", 3)
    wanted = tree.scan(cached=True)
    (tmp_path / "tree").rename(tmp_path / "old")
    for path in (tmp_path / "old").rglob("*"):
        copy = tmp_path / "tree" / path.relative_to(tmp_path / "old")
        if path.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    assert tree.scan(cached=True) == wanted
    assert reads
    assert not rescans


def test_a_file_that_becomes_unreadable(tmp_path):
    tree = Tree(tmp_path / "tree", 4)
    tree.scan(cached=True)
    path = tree.files()[0]
    path.chmod(0)
    try:
        assert tree.scan(cached=True) == tree.scan(cached=False)
    finally:
        path.chmod(0o644)
    assert tree.scan(cached=True) == tree.scan(cached=False)
