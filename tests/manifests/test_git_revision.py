"""The manifests of another revision, out of git's object store."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kpolicy.errors import ManifestError, UsageError
from kpolicy.manifests import discover, discover_revision, load
from kpolicy.manifests import git as git_source
from kpolicy.manifests.model import Discovery, Limits, SourceOptions

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"

Git = Callable[..., str]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty git repository that is the working directory."""
    root = tmp_path / "repository"
    root.mkdir()
    monkeypatch.chdir(root)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    run("init", "-q", "-b", "main")
    run("config", "user.email", "a@example.com")
    run("config", "user.name", "a")
    return root


def run(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def put(root: Path, *names: str, text: str = POD) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def commit(message: str = "change") -> str:
    run("add", "-A", "-f")
    run("commit", "-q", "-m", message)
    return run("rev-parse", "HEAD")


def paths(found: Discovery) -> list[str]:
    return [file.path for file in found.files]


def test_a_revision_shows_the_paths_of_the_work_tree(repository: Path) -> None:
    """Base and head of the same tree are the same files under the same names."""
    put(repository, "a.yaml", "apps/b.yml", "apps/.hidden/x.yaml", "c.json", "notes.txt")
    put(repository, "node_modules/x.yaml", "caf\u00e9 one.yaml")
    commit()
    for targets in ([str(repository)], ["."], ["apps"], ["apps/b.yml"], ["notes.txt", "apps"]):
        head = discover(targets)
        base = discover_revision(".", "HEAD", targets)
        assert sorted(paths(base)) == sorted(paths(head)), targets
        assert {f.path: load(f).documents for f in base.files} == {
            f.path: load(f).documents for f in head.files
        }


def test_hidden_manifests_count_where_git_tracks_them(repository: Path) -> None:
    """`kubectl apply -R` and Argo CD apply them; what a tool leaves there nobody does."""
    tracked = ["apps/.deploy/x.yaml", ".y.json", "node_modules/z.yaml"]
    put(repository, "a.yaml", *tracked, ".git-ignored/x.yaml")
    put(repository, ".github/workflows/ci.yaml", text="on: push\n")
    put(repository, ".base/kustomization.yaml", text="resources: [../a.yaml]\n")
    put(repository, ".escaped.json", text=r'{"\u0061piVersion": "v1", "kind": "Pod"}')
    put(repository, ".gitignore", text=".git-ignored\n")
    run("add", ".")
    run("commit", "-q", "-m", "all")
    put(repository, ".venv/lib/x.yaml")
    expected = sorted(["a.yaml", ".base/kustomization.yaml", ".escaped.json", *tracked])
    assert sorted(paths(discover(["."]))) == expected
    assert sorted(paths(discover_revision(".", "HEAD", ["."]))) == expected
    assert paths(discover(["apps"])) == ["apps/.deploy/x.yaml"]
    assert sorted(paths(discover(["."], options=SourceOptions(exclude=(".*",))))) == sorted(
        ["a.yaml", "node_modules/z.yaml"]
    )
    (repository / ".y.json").unlink()
    assert ".y.json" not in paths(discover(["."]))


def test_a_note_says_that_git_cannot_tell_what_is_tracked(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(repository, ".deploy/x.yaml")
    monkeypatch.setenv("PATH", "")
    (note,) = discover(["."]).notes
    assert note.message.startswith("hidden files are not scanned: git is not installed")


def test_the_work_tree_is_not_touched_and_not_read(repository: Path) -> None:
    put(repository, "a.yaml", "gone.yaml")
    first = commit()
    (repository / "gone.yaml").unlink()
    put(repository, "a.yaml", text="broken: [")
    put(repository, "new.yaml")
    before = run("status", "--porcelain")
    found = discover_revision(".", first, ["."])
    assert paths(found) == ["a.yaml", "gone.yaml"]
    assert found.files[0].data == POD.encode()
    assert run("status", "--porcelain") == before


@pytest.mark.parametrize("revision", ["HEAD~1", "main~1", "v1"])
def test_revisions_are_named_as_git_names_them(repository: Path, revision: str) -> None:
    put(repository, "a.yaml")
    commit()
    run("tag", "-a", "v1", "-m", "one")
    put(repository, "b.yaml")
    commit()
    assert paths(discover_revision(".", revision, ["."])) == ["a.yaml"]


def test_a_target_that_the_revision_lacks_yields_nothing(repository: Path) -> None:
    put(repository, "a.yaml")
    commit()
    put(repository, "new/b.yaml")
    assert discover_revision(".", "HEAD", ["new", "new/b.yaml"]) == Discovery()


def test_a_target_that_is_gone_from_the_work_tree_is_found(repository: Path) -> None:
    put(repository, "old/a.yaml")
    commit()
    (repository / "old" / "a.yaml").unlink()
    (repository / "old").rmdir()
    assert paths(discover_revision(".", "HEAD", ["old"])) == ["old/a.yaml"]


def test_it_works_from_a_directory_below(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(repository, "apps/a.yaml", "b.yaml")
    commit()
    monkeypatch.chdir(repository / "apps")
    assert paths(discover_revision(".", "HEAD", ["."])) == ["a.yaml"]
    assert paths(discover_revision(".", "HEAD", [".."])) == ["../b.yaml", "a.yaml"]


def test_it_works_inside_a_git_hook(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(repository, "a.yaml")
    commit()
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    assert paths(discover_revision(".", "HEAD", ["."])) == ["a.yaml"]


@pytest.mark.parametrize("revision", ["nosuch", "HEAD~99", "--output=x", "", "HEAD:a.yaml"])
def test_an_unknown_revision_is_a_usage_error(repository: Path, revision: str) -> None:
    put(repository, "a.yaml")
    commit()
    with pytest.raises(UsageError) as caught:
        discover_revision(".", revision, ["."])
    assert repr(revision) in str(caught.value)
    assert "shallow clone" in str(caught.value)


def test_no_repository_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="not inside a git repository"):
        discover_revision(".", "HEAD", ["."])
    with pytest.raises(UsageError, match=r"no directory|not inside"):
        discover_revision("nosuch", "HEAD", ["."])


def test_no_git_is_a_usage_error(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="git is not installed"):
        discover_revision(".", "HEAD", ["."])


def test_a_git_that_hangs_is_an_error(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_args: object, **_kwargs: object) -> None:
        raise subprocess.TimeoutExpired("git", 1)

    monkeypatch.setattr(git_source.subprocess, "run", hang)
    with pytest.raises(ManifestError, match="took longer"):
        discover_revision(".", "HEAD", ["."])


def test_a_target_outside_the_repository_is_a_usage_error(repository: Path) -> None:
    put(repository, "a.yaml")
    commit()
    with pytest.raises(UsageError, match="outside the git repository"):
        discover_revision(".", "HEAD", [".."])
    with pytest.raises(UsageError, match="standard input"):
        discover_revision(".", "HEAD", ["-"])


def test_limits_and_excludes_hold(repository: Path) -> None:
    put(repository, "a.yaml", "vendor/b.yaml")
    put(repository, "large.yaml", text=POD + "#" * 200)
    commit()
    options = SourceOptions(limits=Limits(file_bytes=100), exclude=("vendor/",))
    found = discover_revision(".", "HEAD", ["."], options)
    assert paths(found) == ["a.yaml"]
    [invalid] = found.invalid
    assert invalid.location.path == "large.yaml"
    assert "more than the limit of 100" in invalid.message


def test_links_are_followed_inside_the_tree_only(repository: Path) -> None:
    put(repository, "real/a.yaml", "..data/b.yaml")
    (repository / "same.yaml").symlink_to("real/a.yaml")
    (repository / "b.yaml").symlink_to("..data/b.yaml")
    (repository / "out.yaml").symlink_to("../../secret.yaml")
    (repository / "root.yaml").symlink_to("/etc/passwd")
    (repository / "gone.yaml").symlink_to("nowhere.yaml")
    (repository / "round.yaml").symlink_to("round.yaml")
    commit()
    found = discover_revision(".", "HEAD", ["."])
    assert paths(found) == ["b.yaml", "real/a.yaml"]
    assert [invalid.location.path for invalid in found.invalid] == ["out.yaml", "root.yaml"]


def test_submodules_are_not_entered(repository: Path) -> None:
    put(repository, "a.yaml")
    first = commit()
    run("update-index", "--add", "--cacheinfo", f"160000,{first},module")
    run("commit", "-q", "-m", "module")
    assert paths(discover_revision(".", "HEAD", ["."])) == ["a.yaml"]


def test_templates_of_charts_are_set_aside(repository: Path) -> None:
    put(repository, "web/Chart.yaml", text="name: web\n")
    put(repository, "web/templates/a.yaml", text="a: {{ .Values.a }}\n")
    commit()
    base = discover_revision(".", "HEAD", ["."])
    head = discover(["."])
    assert (base.skipped, base.notes) == (head.skipped, head.notes)
    assert len(base.notes) == 1


def test_many_files_take_one_git_process_for_their_contents(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(300):
        put(repository, f"{number}.yaml", text=POD + f"# {number}\n")
    commit()
    calls: list[str] = []
    real = subprocess.run

    def count(command: list[str], **kwargs: object) -> object:
        calls.append(next(word for word in command if word in ("cat-file", "ls-tree", "rev-parse")))
        return real(command, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(git_source.subprocess, "run", count)
    found = discover_revision(".", "HEAD", ["."])
    assert len(found.files) == 300
    assert all(file.data == f"{POD}# {file.path[:-5]}\n".encode() for file in found.files)
    assert calls.count("cat-file") == 1
