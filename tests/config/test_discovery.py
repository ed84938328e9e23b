"""Which configuration file belongs to a scanned path."""

from __future__ import annotations

from kpolicy.config.discovery import discover, repository_root


def repository(root, *files):
    """Make a git-like repository with these files."""
    (root / ".git").mkdir(parents=True)
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("packs: []\n")
    return root


def test_the_search_begins_at_the_repositorys_root(tmp_path):
    """A file further in belongs to somebody else's tool run; the gate has one configuration."""
    repo = repository(tmp_path / "repo", ".kpolicy.yaml", "apps/.kpolicy.yaml", "apps/a.yaml")
    assert discover(str(repo / "apps")) == repo / ".kpolicy.yaml"
    assert discover(str(repo / "apps" / "a.yaml")) == repo / ".kpolicy.yaml"


def test_the_search_goes_on_above_the_repository(tmp_path):
    (tmp_path / ".kpolicy.yaml").write_text("packs: []\n")
    repo = repository(tmp_path / "group" / "repo", "a.yaml")
    assert discover(str(repo)) == tmp_path / ".kpolicy.yaml"


def test_outside_a_repository_the_search_begins_at_the_path(tmp_path):
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / ".kpolicy.yml").write_text("packs: []\n")
    assert discover(str(folder)) == folder / ".kpolicy.yml"


def test_kube_linters_file_counts_only_where_there_is_no_other(tmp_path):
    repo = repository(tmp_path / "repo", ".kube-linter.yaml", "a.yaml")
    assert discover(str(repo)) == repo / ".kube-linter.yaml"
    (repo / ".kpolicy.yaml").write_text("packs: []\n")
    assert discover(str(repo)) == repo / ".kpolicy.yaml"


def test_a_worktrees_git_file_marks_a_repository_too(tmp_path):
    folder = tmp_path / "worktree"
    (folder / "deep").mkdir(parents=True)
    (folder / ".git").write_text("gitdir: elsewhere\n")
    assert repository_root(folder / "deep") == folder


def test_nothing_is_found_where_nothing_is(tmp_path):
    repo = repository(tmp_path / "repo", "a.yaml")
    assert discover(str(repo)) is None
