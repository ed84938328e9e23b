"""Policies come from archives that are read in memory, bounded, pinned, and never extracted."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kpolicy.cli.main import main
from kpolicy.config.loader import parse
from kpolicy.errors import ConfigError
from kpolicy.policy import archives
from kpolicy.policy.archives import ArchiveError, policy_texts
from kpolicy.policy.catalogue import read_pack
from kpolicy.policy.packs import PolicyPack

POLICY = """\
apiVersion: kpolicy.dev/v1
kind: Policy
metadata: {name: packed}
spec:
  title: Packed
  description: The name must be good.
  severity: warning
  match: {kinds: [Pod]}
  validations:
    - expression: object.metadata.name != 'bad'
"""
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\n"
SUFFIXES = ["zip", "tar", "tar.gz", "tgz"]


def zipped(files: dict[str, str | bytes]) -> bytes:
    """Return a zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(files: dict[str, str | bytes], mode: Any = "w:gz") -> bytes:
    """Return a tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def packed(suffix: str, files: dict[str, str | bytes]) -> bytes:
    """Return an archive of the kind that a suffix names."""
    if suffix == "zip":
        return zipped(files)
    return tarred(files, "w" if suffix == "tar" else "w:gz")


def scan(*arguments: str) -> Result:
    """Run a scan of the working directory with no policy but the given ones."""
    return CliRunner().invoke(main, ["scan", ".", "--no-builtin", "-j1", *arguments])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a repository with one manifest."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / "pod.yaml").write_text(POD)
    return tmp_path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_command_line_names_an_archive(suffix: str, here: Path) -> None:
    (here / f"pack.{suffix}").write_bytes(packed(suffix, {"policies/x.yaml": POLICY}))
    result = scan("-p", f"pack.{suffix}", "-f", "json")
    assert [f["policy"] for f in json.loads(result.stdout)["findings"]] == ["packed"]
    assert (result.exit_code, result.stderr) == (1, "")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_mistake_inside_has_its_place_and_its_line(suffix: str, here: Path) -> None:
    bad = POLICY.replace("object.metadata", "objct.metadata")
    (here / f"pack.{suffix}").write_bytes(packed(suffix, {"./policies/x.yaml": bad}))
    result = scan("-p", f"pack.{suffix}")
    assert result.exit_code == 2
    assert f"pack.{suffix}/policies/x.yaml:10:19: " in result.stderr
    assert "    - expression: objct.metadata.name != 'bad'" in result.stderr


def test_tests_hidden_files_and_others_are_left_out_and_order_is_by_path() -> None:
    inside = (
        "b/y.yaml b.yaml a_test.yaml .git/z.yaml __pycache__/z.yaml .h.yaml setup.py a.json c.yml"
        " kustomization.yaml b/artifacthub-pkg.yml"
    )
    files: dict[str, str | bytes] = dict.fromkeys(inside.split(), "x")
    wanted = ["a.json", "b/y.yaml", "b.yaml", "c.yml"]
    for name, data in (("p.zip", zipped(files)), ("p.tar.gz", tarred(files))):
        assert [path for path, _ in policy_texts(name, data)] == wanted


@pytest.mark.parametrize("name", ["../x.yaml", "a/../../x.yaml", "/etc/x.yaml", "..\\x.yaml"])
def test_a_name_that_leads_out_refuses_the_archive(name: str) -> None:
    for kind, data in (("p.zip", zipped({name: "x"})), ("p.tgz", tarred({name: "x"}))):
        with pytest.raises(ArchiveError, match="leads out of the archive"):
            policy_texts(kind, data)


@pytest.mark.parametrize("type_", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_link_in_a_tar_refuses_the_archive(type_: bytes) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("x.yaml")
        member.type, member.linkname = type_, "pod.yaml"
        archive.addfile(member)
    with pytest.raises(ArchiveError, match="is a link or a device"):
        policy_texts("p.tar", out.getvalue())


def test_a_link_in_a_zip_refuses_the_archive() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        member = zipfile.ZipInfo("x.yaml")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "pod.yaml")
    with pytest.raises(ArchiveError, match="is a link or a device"):
        policy_texts("p.zip", out.getvalue())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_sizes_and_numbers_are_bounded(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"p.{suffix}"
    one = packed(suffix, {"a.yaml": "x" * 2000})
    many = packed(suffix, {f"{n}.yaml": "x" * 900 for n in range(8)})
    monkeypatch.setattr(archives, "MAX_FILE", 1000)
    with pytest.raises(ArchiveError, match=r'"a\.yaml" in it is larger'):
        policy_texts(name, one)
    monkeypatch.setattr(archives, "MAX_UNPACKED", 5000)
    with pytest.raises(ArchiveError, match="unpacks to more"):
        policy_texts(name, many)
    monkeypatch.setattr(archives, "MAX_UNPACKED", 10**9)
    monkeypatch.setattr(archives, "MAX_MEMBERS", 7)
    with pytest.raises(ArchiveError, match="holds more than 7 files"):
        policy_texts(name, many)
    monkeypatch.setattr(archives, "MAX_ARCHIVE", 10)
    with pytest.raises(ArchiveError, match="larger than"):
        policy_texts(name, many)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_refuses_the_archive() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("x.yaml", "a")
        archive.writestr("./x.yaml", "b")
    with pytest.raises(ArchiveError, match=r'holds "x\.yaml" twice'):
        policy_texts("p.zip", out.getvalue())


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data: b"no archive at all", "no sound"),
        (lambda data: data[: min(len(data) // 2, 600)], "no sound"),
        (lambda data: b"", "no sound"),
    ],
)
def test_a_damaged_archive_is_a_clear_error(suffix: str, spoil: Any, said: str, here: Path) -> None:
    data = packed(suffix, {"x.yaml": POLICY})
    (here / f"pack.{suffix}").write_bytes(spoil(data))
    result = scan("-p", f"pack.{suffix}")
    assert result.exit_code == 2
    assert f"pack.{suffix}" in result.stderr
    assert said in result.stderr
    assert "internal error" not in result.stderr


def test_text_that_is_not_utf8_and_an_archive_without_policies_are_errors(here: Path) -> None:
    (here / "pack.zip").write_bytes(zipped({"x.yaml": b"\xff\xfe"}))
    assert '"x.yaml" in it is not UTF-8 text' in scan("-p", "pack.zip").stderr
    (here / "pack.zip").write_bytes(zipped({"README.md": "x"}))
    assert "the archive holds no policy files" in scan("-p", "pack.zip").stderr


def configure(here: Path, text: str) -> None:
    """Write the repository's configuration."""
    (here / ".kpolicy.yaml").write_text(text)


@pytest.mark.parametrize("upper", [False, True])
def test_a_pinned_archive_is_read(upper: bool, here: Path) -> None:
    data = tarred({"x.yaml": POLICY})
    (here / "packs").mkdir()
    (here / "packs/acme.tar.gz").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    digest = digest.upper() if upper else digest
    configure(here, f"policies:\n  - {{path: packs/acme.tar.gz, sha256: '{digest}'}}\n")
    result = scan("-f", "json")
    assert [f["policy"] for f in json.loads(result.stdout)["findings"]] == ["packed"]
    assert result.stderr == ""


def test_a_wrong_checksum_shows_both_and_reads_nothing(here: Path) -> None:
    data = zipped({"x.yaml": POLICY})
    (here / "acme.zip").write_bytes(data)
    configure(here, f"policies:\n  - {{path: acme.zip, sha256: '{'0' * 64}'}}\n")
    result = scan("-f", "json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["findings"] == []
    assert ".kpolicy.yaml:2:5: acme.zip is not the file that was pinned" in result.stderr
    assert hashlib.sha256(data).hexdigest() in result.stderr
    assert "expected " + "0" * 64 in result.stderr


def test_a_single_file_may_be_pinned_and_a_directory_may_not(here: Path) -> None:
    (here / "own").mkdir()
    (here / "own/x.yaml").write_text(POLICY)
    digest = hashlib.sha256(POLICY.encode()).hexdigest()
    configure(here, f"policies: [{{path: own/x.yaml, sha256: '{digest}'}}]\n")
    assert scan().exit_code == 1
    configure(here, f"policies: [{{path: own, sha256: '{digest}'}}]\n")
    result = scan()
    assert result.exit_code == 2
    assert ".kpolicy.yaml:1:12: own is a directory" in result.stderr


@pytest.mark.parametrize(
    ("entry", "column", "said"),
    [
        ("acme.zip", 12, 'the archive "acme.zip" has no checksum'),
        ("{path: a.TAR.GZ}", 12, 'the archive "a.TAR.GZ" has no checksum'),
        ("{path: a.zip, sha256: abc}", 34, "policies[0].sha256 must be 64 hexadecimal digits"),
        ("{path: a.zip, sha265: abc}", 26, 'unknown key "sha265" in policies[0]'),
        ("{sha256: abc}", 12, 'policies[0] lacks "path"'),
        ("[a]", 12, "policies[0] must be a string, not a list"),
    ],
)
def test_a_bad_entry_has_its_place(entry: str, column: int, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(".kpolicy.yaml", f"policies: [{entry}]\n")
    (problem,) = caught.value.problems
    assert problem.location is not None
    assert (problem.message, problem.location.line, problem.location.column) == (said, 1, column)


def test_a_pack_of_a_plugin_may_be_an_archive(here: Path) -> None:
    (here / "p.zip").write_bytes(zipped({"x.yaml": POLICY}))
    (file,) = read_pack(PolicyPack("acme", Path("p.zip"), plugin="acme"))
    assert (file.path, file.defaults.pack, file.text) == ("p.zip/x.yaml", "acme", POLICY)
