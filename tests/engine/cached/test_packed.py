"""The file of kept results: whole or not there, and no damage goes unseen."""

from __future__ import annotations

import os

import pytest
from cache_kit import Tree
from hypothesis import given, settings
from hypothesis import strategies as st

from kpolicy.engine.cached.packed import Packed, pack
from kpolicy.engine.cached.room import limit_of, make_room, write_parts

SECTIONS = {"head": b"h" * 50, "body": b"", "maps": bytes(range(200))}
WHOLE = b"".join(pack(SECTIONS))


def sections(data, path):
    """Return what is read of a file with this content."""
    path.write_bytes(data)
    packed = Packed.open(path)
    names = [] if packed is None else SECTIONS
    return {name: bytes(found) for name in names if (found := packed.section(name)) is not None}


def test_what_is_written_is_read(tmp_path):
    assert sections(WHOLE, tmp_path / "f") == SECTIONS


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(WHOLE) - 1), flip=st.integers(1, 255))
def test_a_changed_byte_loses_sections_and_changes_none(tmp_path_factory, at, flip):
    damaged = bytearray(WHOLE)
    damaged[at] ^= flip
    found = sections(bytes(damaged), tmp_path_factory.getbasetemp() / "damaged")
    assert found.items() <= SECTIONS.items()
    assert len(found) < len(SECTIONS)


@settings(deadline=None)
@given(length=st.integers(0, len(WHOLE) - 1))
def test_a_file_that_was_cut_short(tmp_path_factory, length):
    found = sections(WHOLE[:length], tmp_path_factory.getbasetemp() / "short")
    assert found.items() < SECTIONS.items()


def test_a_scan_over_damaged_results_reports_what_another_one_does(tmp_path, cache):
    """Whatever byte of the real file is wrong: the results are made again, and kept again."""
    tree = Tree(tmp_path / "tree", 5)
    wanted = tree.scan(cached=True)
    (path,) = cache.glob("results-*.bin")
    whole = path.read_bytes()
    step = max(1, len(whole) // 25)
    for at in range(0, len(whole), step):
        damaged = bytearray(whole)
        damaged[at] ^= 0x41
        path.write_bytes(damaged)
        assert tree.scan(cached=True) == wanted, at


def test_damage_in_what_a_change_needs(tmp_path, cache):
    """Damage that an unchanged tree does not meet is met by the next change."""
    tree = Tree(tmp_path / "tree", 6)
    tree.scan(cached=True)
    (path,) = cache.glob("results-*.bin")
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    tree.do_move_lines()
    assert tree.scan(cached=True) == tree.scan(cached=False)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", 512 << 20), ("0", 0), ("1000", 1000), ("2k", 2048), ("3 MB", 3 << 20),
        ("1GiB", 1 << 30), ("a lot", 512 << 20),
    ],
)  # fmt: skip
def test_limit(monkeypatch, text, size):
    monkeypatch.setenv("KPOLICY_CACHE_SIZE", text)
    assert limit_of() == size


def test_what_was_not_used_longest_goes_first(cache):
    for number, name in enumerate("abc"):
        path = cache / f"results-{name}.bin"
        assert write_parts(path, [b"x" * 100])
        os.utime(path, (1000 + number, 1000 + number))
    os.utime(cache / "results-a.bin", (5000, 5000))
    (cache / ".new-1-1").write_bytes(b"left by a killed process")
    os.utime(cache / ".new-1-1", (1000, 1000))
    (cache / ".new-2-2").write_bytes(b"being written")
    make_room(cache, 200)
    left = sorted(path.name for path in cache.iterdir())
    assert left == [".new-2-2", "results-a.bin", "results-c.bin"]


def test_a_directory_that_cannot_be_written(tmp_path):
    assert not write_parts(tmp_path / "gone" / "results-a.bin", [b"x"])
