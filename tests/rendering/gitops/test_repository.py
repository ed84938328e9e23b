"""Which URLs name one repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from kpolicy.rendering.gitops.repository import Repository, normal_url, remotes_of


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/acme/config",
        "https://github.com/acme/config.git",
        "https://github.com/Acme/Config/",
        "https://token@github.com/acme/config.git",
        "https://user:secret@github.com:443/acme/config",
        "http://github.com/acme/config",
        "git@github.com:acme/config.git",
        "github.com:acme/config",
        "ssh://git@github.com/acme/config",
        "ssh://git@github.com:22/acme/config.git",
    ],
)
def test_one_repository_has_many_urls(url: str) -> None:
    assert normal_url(url) == "github.com/acme/config"


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/acme/other",
        "https://gitlab.com/acme/config",
        "ssh://git@github.com:2222/acme/config",
        "",
    ],
)
def test_others_are_others(url: str) -> None:
    assert not Repository.of(["https://github.com/acme/config"]).is_at(url)


def test_remotes_are_read_from_gits_configuration(tmp_path: Path) -> None:
    git = tmp_path / "r" / ".git"
    git.mkdir(parents=True)
    (git / "config").write_text(
        '[core]\n\tbare = false\n\tfsmonitor\n[remote "origin"]\n\turl = git@x.example:a/b.git\n'
        '\tfetch = +refs/heads/*:refs/remotes/origin/*\n[remote "up"]\n\turl = https://y.example/c\n'
    )
    assert remotes_of(str(tmp_path / "r")) == ("git@x.example:a/b.git", "https://y.example/c")


def test_a_linked_work_tree_has_the_remotes_of_its_repository(tmp_path: Path) -> None:
    linked = tmp_path / "main" / ".git" / "worktrees" / "w"
    linked.mkdir(parents=True)
    (linked / "commondir").write_text("../..\n")
    (tmp_path / "main/.git/config").write_text('[remote "origin"]\nurl = https://x.example/a\n')
    (tmp_path / "w").mkdir()
    (tmp_path / "w/.git").write_text(f"gitdir: {linked}\n")
    assert remotes_of(str(tmp_path / "w")) == ("https://x.example/a",)


@pytest.mark.parametrize("text", [None, "no configuration", "[remote", "\xff"])
def test_what_cannot_be_read_has_no_remotes(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / ".git").mkdir()
        (tmp_path / ".git/config").write_text(text, encoding="latin-1")
    assert remotes_of(str(tmp_path)) == ()
