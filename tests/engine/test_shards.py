"""Shards: every file in one of them, in order; short in the end; no more than can be claimed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kpolicy.engine.workers import MOST, shards_of, tapering_shards
from kpolicy.manifests.model import ManifestFile

SIZES = st.lists(st.integers(0, 2_000_000) | st.integers(0, 2_000), max_size=300)


def files_of(sizes: list[int]) -> list[ManifestFile]:
    return [ManifestFile(f"{number}.yaml", size=size) for number, size in enumerate(sizes)]


@given(SIZES, st.integers(2, 600))
def test_each_file_is_in_one_shard(sizes: list[int], processes: int) -> None:
    files = files_of(sizes)
    for shards in (tapering_shards(files, processes), shards_of(files, processes)):
        assert [file for shard in shards for file in shard.files] == files
        assert [shard.number for shard in shards] == list(range(len(shards)))
        assert all(shard.files for shard in shards)
    assert len(tapering_shards(files, processes)) <= MOST


def test_shards_get_shorter() -> None:
    files = files_of([800] * 8_000)
    for processes in (2, 4, 16):
        lengths = [len(shard.files) for shard in tapering_shards(files, processes)]
        assert lengths == sorted(lengths, reverse=True)
        assert lengths[0] >= 8_000 // (4 * processes)
        assert lengths[-1] <= 8_000 // (40 * processes) + 32


def test_equal_shards_are_about_as_many_as_asked() -> None:
    assert [len(shard.files) for shard in shards_of(files_of([800] * 100), 4)] == [25] * 4


def test_more_processes_than_a_byte_tells_apart_have_shards_too() -> None:
    for processes in (MOST - 1, MOST, MOST + 44):
        assert len(tapering_shards(files_of([800] * 8_000), processes)) > MOST // 2
