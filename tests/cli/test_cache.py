"""`kpolicy cache`: only the user's own directory is shown or emptied."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache directory with one entry."""
    path = tmp_path / "own-cache"
    path.mkdir(mode=0o700)
    (path / "policies-1").write_bytes(b"x" * 2048)
    monkeypatch.setenv("KPOLICY_CACHE_DIR", str(path))
    monkeypatch.setenv("KPOLICY_CACHE_SIZE", "1M")
    return path


def test_info_names_directory_and_size(run: Run, directory: Path) -> None:
    (directory / "results-1.bin").write_bytes(b"x" * 1024)
    assert run("cache", "info").stdout == (
        f"{directory}\n2 entries, 3 KiB\nresults of 1 scan, 1 KiB of at most 1,024 KiB\n"
    )
    data = json.loads(run("cache", "info", "--format", "json").stdout)
    assert data == {
        "directory": str(directory),
        "entries": 2,
        "bytes": 3072,
        "results": {"entries": 1, "bytes": 1024, "limit": 1 << 20},
    }


def test_info_says_when_no_results_are_kept(
    run: Run, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPOLICY_CACHE_SIZE", "0")
    assert run("cache", "info").stdout.endswith("KPOLICY_CACHE_SIZE is 0\n")


def test_clear_deletes_files_and_keeps_what_links_point_to(
    run: Run, directory: Path, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("x")
    (directory / "link").symlink_to(precious)
    assert run("cache", "clear").stdout == "1 file deleted\n"
    assert precious.exists()
    assert run("cache", "clear").stdout == "0 files deleted\n"


def test_a_directory_that_others_can_enter_is_left_alone(run: Run, directory: Path) -> None:
    directory.chmod(0o755)
    assert run("cache", "info").stdout.startswith("no cache")
    run("cache", "clear")
    assert (directory / "policies-1").exists()


def test_a_cache_that_is_turned_off(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KPOLICY_CACHE_DIR", "")
    assert run("cache", "info").stdout.startswith("no cache")
