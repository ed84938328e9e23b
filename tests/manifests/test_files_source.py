"""Which files a path yields, under which name, and what is refused."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kpolicy.manifests import discover, load
from kpolicy.manifests.files import FileSource
from kpolicy.manifests.model import Discovery, Limits, ManifestFile, SourceOptions
from kpolicy.manifests.paths import Excludes, printable, shown_path

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty directory that is the working directory."""
    root = tmp_path / "tree"
    root.mkdir()
    monkeypatch.chdir(root)
    return root


def put(root: Path, *names: str, text: str = POD) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def paths(discovery: Discovery) -> list[str]:
    return [file.path for file in discovery.files]


def refused(discovery: Discovery) -> list[tuple[str, str]]:
    return [(invalid.location.path, invalid.message) for invalid in discovery.invalid]


def find(*targets: str, exclude: tuple[str, ...] = ()) -> Discovery:
    return discover(targets, options=SourceOptions(exclude=exclude))


# Names and order ------------------------------------------------------------------------------


def test_a_directory_yields_yaml_and_json_in_sorted_order(tree: Path) -> None:
    put(tree, "b.yaml", "a/z.yml", "a/b/c.json", "a.YAML", "notes.txt", "a/Makefile")
    found = find(".")
    assert paths(found) == ["a/b/c.json", "a/z.yml", "a.YAML", "b.yaml"]
    assert [file.size for file in found.files] == [len(POD)] * 4


def test_hidden_entries_and_node_modules_are_left_out(tree: Path) -> None:
    put(tree, ".kpolicy.yaml", ".git/x.yaml", ".github/ci.yaml", "a/.b/x.yaml", "a/.c.yaml")
    put(tree, "node_modules/x/y.yaml", "kept.yaml")
    found = find(".")
    assert paths(found) == ["kept.yaml"]
    assert (found.skipped, found.invalid, found.notes) == ((), (), ())


def test_what_is_named_is_read_whatever_its_name(tree: Path) -> None:
    put(tree, "pod", ".hidden/a.yaml", ".x.yaml")
    assert paths(find("pod", ".hidden", ".x.yaml")) == ["pod", ".hidden/a.yaml", ".x.yaml"]


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (".", "apps/a.yaml"),
        ("./apps", "apps/a.yaml"),
        ("apps/", "apps/a.yaml"),
        ("apps/../apps", "apps/a.yaml"),
        ("../tree/apps", "apps/a.yaml"),
        ("apps/a.yaml", "apps/a.yaml"),
        ("./apps//a.yaml", "apps/a.yaml"),
    ],
)
def test_paths_are_shown_from_the_working_directory(tree: Path, target: str, shown: str) -> None:
    put(tree, "apps/a.yaml")
    assert paths(find(target)) == [shown]


def test_an_absolute_path_below_the_working_directory_is_shown_relative(tree: Path) -> None:
    put(tree, "apps/a.yaml")
    assert paths(find(str(tree))) == ["apps/a.yaml"]
    assert paths(find(str(tree / "apps" / "a.yaml"))) == ["apps/a.yaml"]


def test_a_path_elsewhere_is_shown_as_given(tree: Path) -> None:
    put(tree.parent, "other/a.yaml")
    assert paths(find("../other")) == ["../other/a.yaml"]
    absolute = str(tree.parent / "other")
    assert paths(find(absolute)) == [f"{absolute}/a.yaml"]


def test_a_file_named_twice_is_read_once(tree: Path) -> None:
    put(tree, "apps/a.yaml", "apps/b.yaml")
    found = find("apps/b.yaml", "apps", "./apps/a.yaml", str(tree), "apps")
    assert paths(found) == ["apps/b.yaml", "apps/a.yaml"]


def test_a_file_and_its_links_are_read_once(tree: Path) -> None:
    put(tree, "apps/a.yaml")
    (tree / "link").symlink_to("apps")
    (tree / "a.yaml").symlink_to("apps/a.yaml")
    assert paths(find("apps", "link", "a.yaml", "link/a.yaml")) == ["apps/a.yaml"]


def test_targets_keep_their_order(tree: Path) -> None:
    put(tree, "z/a.yaml", "a/b.yaml")
    assert paths(find("z", "a")) == ["z/a.yaml", "a/b.yaml"]


def test_files_are_picklable_and_load_where_the_directory_differs(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pickle

    put(tree, "a.yaml")
    [file] = find(".").files
    assert pickle.loads(pickle.dumps(load(file))) == load(file)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system with arbitrary names")
def test_a_name_that_is_no_utf8_is_shown_escaped(tree: Path) -> None:
    name = os.fsdecode(b"caf\xe9.yaml")
    put(tree, name, "caf\u00e9.yaml")
    found = find(".")
    assert sorted(paths(found)) == ["caf\\xe9.yaml", "caf\u00e9.yaml"]
    assert all(len(load(file).documents) == 1 for file in found.files)
    assert paths(find(name)) == ["caf\\xe9.yaml"]


def test_windows_separators_are_shown_as_slashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sep", "\\")
    assert printable("apps\\a.yaml") == "apps/a.yaml"


def test_shown_path_of_a_sibling_with_the_same_prefix() -> None:
    assert shown_path("/srv/shop-old/a.yaml", "/srv/shop") == "/srv/shop-old/a.yaml"
    assert shown_path("/srv/a.yaml", "/") == "srv/a.yaml"


# What cannot be read --------------------------------------------------------------------------


def test_a_missing_target_is_invalid(tree: Path) -> None:
    assert refused(find("nosuch")) == [("nosuch", "no such file or directory")]


def test_special_files_are_refused_and_not_opened(tree: Path) -> None:
    put(tree, "a.yaml")
    os.mkfifo(tree / "pipe.yaml")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock.yaml")
        found = find(".")
    assert paths(found) == ["a.yaml"]
    assert refused(found) == [
        ("pipe.yaml", "this is a FIFO, which is not read; exclude it"),
        ("sock.yaml", "this is a socket, which is not read; exclude it"),
    ]


def test_special_files_without_a_manifest_name_do_not_matter(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    assert refused(find(".")) == []


def test_a_named_fifo_and_device_are_refused(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    assert refused(find("pipe", "/dev/null")) == [
        ("pipe", "this is a FIFO, which is not read; exclude it"),
        ("/dev/null", "this is a character device, which is not read; exclude it"),
    ]


def test_a_file_that_became_a_fifo_is_not_waited_for(tree: Path) -> None:
    put(tree, "a.yaml")
    [file] = find(".").files
    (tree / "a.yaml").unlink()
    os.mkfifo(tree / "a.yaml")
    [invalid] = load(file).invalid
    assert "FIFO" in invalid.message


def test_a_file_that_went_away_is_invalid(tree: Path) -> None:
    [invalid] = load(ManifestFile("a.yaml", str(tree / "a.yaml"))).invalid
    assert (invalid.location.path, invalid.message) == ("a.yaml", "cannot be read: no such file")


def test_an_unreadable_file_and_directory_are_invalid(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rights are simulated: a test may run as root, who reads everything."""
    put(tree, "a.yaml", "locked/b.yaml")
    real_open, real_scandir = os.open, os.scandir

    def no_open(path: str, *args: int) -> int:
        if str(path).endswith("a.yaml"):
            raise PermissionError(13, "Permission denied")
        return real_open(path, *args)

    def no_scandir(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return real_scandir(path)

    monkeypatch.setattr(os, "open", no_open)
    monkeypatch.setattr(os, "scandir", no_scandir)
    found = find(".")
    assert refused(found) == [("locked", "cannot be read: permission denied")]
    [invalid] = load(found.files[0]).invalid
    assert invalid.message == "cannot be read: permission denied"


def test_a_file_over_the_limit_is_invalid_without_being_read_whole(tree: Path) -> None:
    put(tree, "a.yaml", text=POD + "#" * 1000)
    [file] = find(".").files
    [invalid] = load(file, Limits(file_bytes=100)).invalid
    assert "more than the limit of 100" in invalid.message


# Symbolic links -------------------------------------------------------------------------------


def test_a_link_to_a_file_of_the_tree_is_that_file(tree: Path) -> None:
    put(tree, "real/a.yaml")
    (tree / "link.yaml").symlink_to("real/a.yaml")
    (tree / "linked").symlink_to("real")
    found = find(".")
    assert (paths(found), found.invalid) == (["real/a.yaml"], ())


def test_a_link_to_a_hidden_place_of_the_tree_is_followed(tree: Path) -> None:
    """So a mounted ConfigMap looks: names link to `..data`, which links to a dated directory."""
    put(tree, "..2024/a.yaml")
    (tree / "..data").symlink_to("..2024")
    (tree / "a.yaml").symlink_to("..data/a.yaml")
    found = find(".")
    assert (paths(found), found.invalid) == (["a.yaml"], ())
    assert len(load(found.files[0]).documents) == 1


def test_links_that_leave_the_tree_are_refused(tree: Path) -> None:
    put(tree.parent, "secret/a.yaml", "secret.yaml")
    (tree / "link.yaml").symlink_to("../secret.yaml")
    (tree / "dir").symlink_to(tree.parent / "secret")
    (tree / "plain").symlink_to("../secret.yaml")
    found = find(".")
    assert found.files == ()
    assert [path for path, _ in refused(found)] == ["dir", "link.yaml"]
    assert all("leaves the scanned tree" in message for _, message in refused(found))


def test_a_link_inside_the_repository_may_leave_the_target(tree: Path) -> None:
    (tree / ".git").mkdir()
    put(tree, "common/a.yaml", "apps/b.yaml")
    (tree / "apps" / "a.yaml").symlink_to("../common/a.yaml")
    found = find("apps")
    assert (paths(found), found.invalid) == (["apps/a.yaml", "apps/b.yaml"], ())
    assert paths(find(".")) == ["apps/b.yaml", "common/a.yaml"]


def test_directory_loops_end(tree: Path) -> None:
    put(tree, "a/b/x.yaml")
    (tree / "a" / "b" / "up").symlink_to("..")
    (tree / "a" / "self").symlink_to(".")
    (tree / "top").symlink_to(tree)
    assert paths(find(".")) == ["a/b/x.yaml"]
    assert paths(find("a")) == ["a/b/x.yaml"]


def test_dangling_and_circular_links_are_refused_where_the_name_fits(tree: Path) -> None:
    (tree / "gone.yaml").symlink_to("nowhere.yaml")
    (tree / "gone").symlink_to("nowhere")
    (tree / "round.yaml").symlink_to("round.yaml")
    found = refused(find("."))
    assert [path for path, _ in found] == ["gone.yaml", "round.yaml"]
    assert "nothing" in found[0][1]
    assert "back to itself" in found[1][1]


def test_a_link_that_is_named_is_followed(tree: Path) -> None:
    put(tree.parent, "elsewhere/a.yaml")
    (tree / "link").symlink_to("../elsewhere")
    (tree / "a.yaml").symlink_to("../elsewhere/a.yaml")
    assert paths(find("link")) == ["link/a.yaml"]
    assert paths(find("a.yaml")) == ["a.yaml"]


def test_a_link_to_the_git_directory_is_not_followed(tree: Path) -> None:
    put(tree, ".git/x.yaml", "a.yaml")
    (tree / "git").symlink_to(".git")
    assert paths(find(".")) == ["a.yaml"]


# Excludes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("globs", "path", "left_out"),
    [
        (["*.json"], "a/b.json", True),
        (["*.json"], "a/b.yaml", False),
        (["vendor"], "a/vendor/x.yaml", True),
        (["vendor/"], "vendor/x.yaml", True),
        (["x.yaml/"], "x.yaml", False),
        (["/vendor"], "a/vendor/x.yaml", False),
        (["a/vendor"], "a/vendor/x.yaml", True),
        (["a/vendor"], "b/a/vendor/x.yaml", False),
        (["**/gen/*.yaml"], "gen/x.yaml", True),
        (["**/gen/*.yaml"], "a/b/gen/x.yaml", True),
        (["**/gen/*.yaml"], "a/gen/b/x.yaml", False),
        (["a/**"], "a/b/c.yaml", True),
        (["a/**"], "a.yaml", False),
        (["a/**/z.yaml"], "a/z.yaml", True),
        (["a/**/z.yaml"], "a/b/c/z.yaml", True),
        (["a*/x.yaml"], "ab/x.yaml", True),
        (["a*/x.yaml"], "ab/c/x.yaml", False),
        (["?.yaml"], "a.yaml", True),
        (["?.yaml"], "ab.yaml", False),
        (["[ab].yaml"], "b.yaml", True),
        (["[!ab].yaml"], "b.yaml", False),
        (["[a-c].yaml"], "b.yaml", True),
        (["*.yaml", "!keep.yaml"], "keep.yaml", False),
        (["*.yaml", "!keep.yaml"], "a/drop.yaml", True),
        (["!keep.yaml", "*.yaml"], "keep.yaml", True),
        (["a/", "!a/keep.yaml"], "a/keep.yaml", True),
        (["./a.yaml"], "a.yaml", True),
        (["\\*.yaml"], "*.yaml", True),
        (["\\*.yaml"], "a.yaml", False),
        (["a.b"], "axb", False),
        (["[a.yaml"], "[a.yaml", True),
        (["", "  "], "a.yaml", False),
        (["(a|b).yaml"], "a.yaml", False),
        (["**"], "a.yaml", True),
        (["/**"], "a/b.yaml", True),
        (["**/"], "a.yaml", False),
        (["**/"], "a/b.yaml", True),
        (["**/**"], "a/b.yaml", True),
        (["a**"], "abc/x.yaml", True),
        (["**/b/**/d/*.yaml"], "a/b/c/b/x/d/y/d/z.yaml", True),
        (["a/**/b/**"], "a/x/b", False),
        (["a*b*c.yaml"], "abbc.yaml", True),
        (["a*b*c.yaml"], "acb.yaml", False),
    ],
)
def test_exclude_globs_mean_what_gitignore_means(
    globs: list[str], path: str, left_out: bool
) -> None:
    assert Excludes(globs).covers(path) is left_out


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("*a" * 40 + "z", "a" * 3_000 + "b"),
        ("**/a/" * 30 + "z", "a/" * 1_000 + "b"),
        ("**/" * 60 + "z", "a/" * 1_000 + "b"),
        ("*" * 200 + "z", "a" * 3_000),
    ],
    ids=["stars", "double stars", "double stars alone", "a row of stars"],
)
def test_hostile_globs_take_little_time(glob: str, path: str) -> None:
    """Globs come from the scanned repository's configuration."""
    start = time.perf_counter()
    assert not Excludes([glob])(path, False)
    assert time.perf_counter() - start < 1


def test_excluded_directories_are_not_even_listed(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tree, "a/x.yaml", "vendor/y.yaml")
    listed: list[str] = []
    real = os.scandir

    def watch(path: str) -> object:
        listed.append(str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", watch)
    assert paths(find(".", exclude=("vendor/",))) == ["a/x.yaml"]
    assert not any("vendor" in path for path in listed)


def test_excludes_count_from_the_target_and_hold_for_named_files(tree: Path) -> None:
    put(tree, "apps/gen/a.yaml", "apps/b.yaml")
    assert paths(find("apps", exclude=("/gen",))) == ["apps/b.yaml"]
    assert paths(find("apps/gen/a.yaml", exclude=("gen/",))) == []


def test_an_excluded_link_is_not_refused(tree: Path) -> None:
    (tree / "link.yaml").symlink_to("/etc/hostname")
    assert refused(find(".", exclude=("link.yaml",))) == []


# Charts ---------------------------------------------------------------------------------------

TEMPLATE = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}\n"


def test_the_templates_of_a_chart_are_skipped_with_one_note(tree: Path) -> None:
    put(tree, "charts/web/Chart.yaml", text="apiVersion: v2\nname: web\nversion: 1.0.0\n")
    put(tree, "charts/web/values.yaml", text="a: 1\n")
    put(tree, "charts/web/templates/a.yaml", "charts/web/templates/sub/b.yaml", text=TEMPLATE)
    put(tree, "charts/web/templates/plain.yaml", "charts/web/crds/crd.yaml")
    found = find(".")
    assert "charts/web/templates/a.yaml" not in paths(found)
    assert "charts/web/templates/plain.yaml" in paths(found)
    assert [(s.path, s.reason) for s in found.skipped] == [
        ("charts/web/templates/a.yaml", "helm-template"),
        ("charts/web/templates/sub/b.yaml", "helm-template"),
    ]
    [note] = found.notes
    assert note.location is not None
    assert note.location.path == "charts/web"
    assert "2 templates" in note.message


@pytest.mark.parametrize("target", ["templates", "templates/a.yaml", "."])
def test_a_chart_is_known_from_below(tree: Path, target: str) -> None:
    put(tree, "Chart.yaml", text="name: web\n")
    put(tree, "templates/a.yaml", text=TEMPLATE)
    found = find(target)
    assert [s.path for s in found.skipped] == ["templates/a.yaml"]
    assert [note.location.path for note in found.notes if note.location] == ["."]


def test_templates_outside_a_chart_are_ordinary_files(tree: Path) -> None:
    put(tree, "templates/a.yaml", text=TEMPLATE)
    assert paths(find(".")) == ["templates/a.yaml"]


# Standard input -------------------------------------------------------------------------------


def test_standard_input(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, POD.encode())
    os.close(write_end)
    with os.fdopen(read_end) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        found = find("-")
    assert paths(found) == ["<stdin>"]
    [document] = load(found.files[0]).documents
    assert document.path == "<stdin>"


def test_an_open_pipe_is_read_like_standard_input(tree: Path) -> None:
    """What a shell makes of `kpolicy scan <(helm template .)`."""
    read_end, write_end = os.pipe()
    os.write(write_end, POD.encode())
    os.close(write_end)
    try:
        found = find(f"/dev/fd/{read_end}")
    finally:
        os.close(read_end)
    assert len(load(found.files[0]).documents) == 1


def test_standard_input_has_a_limit(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tree / "in"
    path.write_text(POD)
    with path.open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        found = discover(["-"], options=SourceOptions(limits=Limits(file_bytes=5)))
    assert found.files == ()
    assert "limit of 5" in found.invalid[0].message


def test_the_first_source_that_accepts_a_target_gets_it(tree: Path) -> None:
    class Shouting:
        name = "shouting"

        def accepts(self, target: str) -> bool:
            return target.isupper()

        def discover(self, target: str, options: SourceOptions) -> Discovery:
            return Discovery((ManifestFile(target, data=POD.encode()),))

    put(tree, "a.yaml")
    found = discover(["a.yaml", "LOUD"], [Shouting(), FileSource()])
    assert paths(found) == ["a.yaml", "LOUD"]
