"""Several processes at once on one tree and one cache; and one that is killed while it writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from cache_kit import Tree

from kpolicy.engine.cached.packed import Packed

SCAN = [sys.executable, "-m", "kpolicy", "scan", "--isolated", "--format", "json", "-q"]

#: Writes one entry again and again, with content that a reader can check.
WRITER = """
import sys
from pathlib import Path
from kpolicy.engine.cached.packed import pack
from kpolicy.engine.cached.room import make_room, write_parts
path, letter = Path(sys.argv[1]), sys.argv[2].encode()
print("begun", flush=True)
while True:
    write_parts(path, pack({"a": letter * 300_000, "b": letter * 100_000}))
    make_room(path.parent, 1 << 30)
"""


@pytest.fixture
def tree(tmp_path):
    """A tree that is large enough to be kept without being told."""
    tree = Tree(tmp_path / "tree", 11)
    for number in range(40):
        tree.write(f"m/f{number}.yaml")
    return tree


def test_scans_at_the_same_time_report_the_same(tree, cache):
    """While the tree stands still, whoever reads or writes what."""
    alone = subprocess.run([*SCAN, str(tree.root), "--no-cache"], capture_output=True, check=False)
    assert alone.stdout
    for _ in range(2):
        scans = [
            subprocess.Popen([*SCAN, str(tree.root)], stdout=subprocess.PIPE) for _ in range(5)
        ]
        assert {scan.communicate()[0] for scan in scans} == {alone.stdout}
        assert len(list(cache.glob("results-*.bin"))) == 1
        tree.do_move_lines()
        alone = subprocess.run([*SCAN, str(tree.root), "--no-cache"], capture_output=True)


def test_a_reader_never_sees_half_a_record(tmp_path):
    """Two processes write the same entry, and are killed in the midst of it."""
    path = tmp_path / "results-x.bin"
    for _ in range(3):
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, str(path), letter], stdout=subprocess.PIPE
            )
            for letter in "xy"
        ]
        try:
            for writer in writers:
                assert writer.stdout is not None
                writer.stdout.readline()
            seen = 0
            ends = time.monotonic() + 20
            while seen < 60 and time.monotonic() < ends:
                packed = Packed.open(path)
                if packed is None:
                    assert not seen  # it is there from the first writing on
                    continue
                a, b = packed.section("a"), packed.section("b")
                assert a is not None and b is not None
                assert len({bytes(a[:1]), bytes(a[-1:]), bytes(b[:1])}) == 1
                seen += 1
            assert seen == 60
        finally:
            for writer in writers:
                os.kill(writer.pid, signal.SIGKILL)
                writer.communicate()
        packed = Packed.open(path)
        assert packed is not None and packed.section("b") is not None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written(tree, cache):
    cache.chmod(0o500)
    try:
        assert tree.scan(cached=True) == tree.scan(cached=False)
    finally:
        cache.chmod(0o700)


def test_a_full_disk(tree, cache, monkeypatch):
    """What cannot be written is not kept, and nothing is left of it."""
    from kpolicy.engine.cached import room

    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(room.os, "fdopen", full)
    assert tree.scan(cached=True) == tree.scan(cached=False)
    assert not list(cache.glob("results-*"))
    assert not list(cache.glob(".new-*"))


def test_a_cache_directory_of_somebody_else(tree, cache):
    cache.chmod(0o755)
    assert tree.scan(cached=True) == tree.scan(cached=False)
    assert not list(cache.glob("*"))


def test_more_than_fits_is_not_kept(tree, cache, monkeypatch):
    monkeypatch.setenv("KPOLICY_CACHE_SIZE", "1k")
    assert tree.scan(cached=True) == tree.scan(cached=False)
    assert not list(cache.glob("results-*"))
