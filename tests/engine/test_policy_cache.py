"""Checked policies on disk: the same findings, nothing executable, and any damage is a miss."""

from __future__ import annotations

import os
import stat

import pytest
from scan_kit import deployment, policy, run, service, write

from kpolicy.engine import policy_cache
from kpolicy.engine.cache_directory import cache_directory, prune, read_entry, write_entry

EVERYTHING = policy(
    "everything",
    """
    severity: error
    params: {names: {type: array, items: string, default: [bad]}}
    match: {kinds: [workloads], labels: {matchLabels: {}}, namespaces: {exclude: [x]}}
    matchConditions: [{name: c, expression: "object.kind == 'Deployment'"}]
    filters: [{name: f, expression: item.kind == 'Deployment'}]
    variables: [{name: v, expression: object.containers()}]
    validations:
      - forEach: {var: c, in: variables.v}
        expression: "!(c.name in params.names)"
        messageExpression: "'bad ' + c.name + ' in ' + object.metadata.name"
        at: c[['name'][0]]
        related: object.related('selected-by')
    """,
)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Use an empty cache directory; return it."""
    directory = tmp_path / "cache"
    monkeypatch.setenv("KPOLICY_CACHE_DIR", str(directory))
    return directory


@pytest.fixture
def root(tmp_path):
    """Return a tree with one bad container and a Service that selects it."""
    files = {"a.yaml": deployment("web", "good", "bad"), "s.yaml": service("web", "web")}
    return write(tmp_path / "in", files)


def entries(directory):
    """Return the cache's entries."""
    return sorted(directory.glob("policies-*.bin"))


def test_a_warm_scan_finds_what_a_cold_one_finds(cache, root, monkeypatch):
    cold = run(root, EVERYTHING)
    assert len(entries(cache)) == 1
    monkeypatch.setattr("kpolicy.policy.loader.load_file", None)
    monkeypatch.setattr("kpolicy.policy.compiling.compile_checked", None)
    warm = run(root, EVERYTHING)
    assert warm.findings == cold.findings
    assert warm.policies == cold.policies
    (finding,) = warm.findings
    assert finding.message == "bad bad in web"
    assert [r.resource.kind for r in finding.related] == ["Service"]
    assert finding.place.pointer == "/spec/template/spec/containers/1/name"


def test_a_changed_policy_is_another_entry(cache, root):
    run(root, EVERYTHING)
    other = run(root, EVERYTHING.replace("default: [bad]", "default: [good]"))
    assert [f.item for f in other.findings] == ["good"]
    assert len(entries(cache)) == 2


def test_another_build_or_plugin_is_another_entry(cache, root, monkeypatch):
    run(root, EVERYTHING)
    monkeypatch.setattr(policy_cache, "build_digest", lambda: "other")
    run(root, EVERYTHING)
    assert len(entries(cache)) == 2
    assert policy_cache.key_of([], "a") != policy_cache.key_of([], "b")


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other"])
def test_a_damaged_entry_is_a_miss(cache, root, damage):
    cold = run(root, EVERYTHING)
    (entry,) = entries(cache)
    data = bytearray(entry.read_bytes())
    if damage == "flip":
        data[-5] ^= 1
    entry.write_bytes({"cut": data[:-9], "empty": b"", "other": b"x" * 400}.get(damage, data))
    assert run(root, EVERYTHING).findings == cold.findings


def test_an_entry_of_the_wrong_shape_is_a_miss(cache, root):
    """Even where its digest is right: what is read is validated, not trusted."""
    import msgspec

    cold = run(root, EVERYTHING)
    (entry,) = entries(cache)
    pairs = msgspec.msgpack.decode(read_entry(entry))
    for wrong in (b"\x00", msgspec.msgpack.encode([[pairs[0][0][:-1], None]]),
                  msgspec.msgpack.encode([[pairs[0][0], b"\x91\x01"]]),
                  msgspec.msgpack.encode({"a": 1})):  # fmt: skip
        write_entry(entry, wrong)
        assert run(root, EVERYTHING).findings == cold.findings


def test_a_policy_that_was_not_chosen_is_not_compiled_until_it_is(cache, root):
    """Nor does its mistake matter until then."""
    from kpolicy.engine import Selection

    broken = policy("broken", "default: false\nvalidations: [{expression: nope}]")
    assert run(root, EVERYTHING, broken).findings
    assert run(root, EVERYTHING, broken).findings
    (problem,) = run(root, EVERYTHING, broken, selection=Selection(include=("broken",))).problems
    assert "nope" in problem.message


def test_the_directory_is_the_users_own(cache, root):
    run(root, EVERYTHING)
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert stat.S_IMODE(entries(cache)[0].stat().st_mode) == 0o600


def test_a_directory_that_others_can_enter_is_not_used(cache, root):
    cache.mkdir(mode=0o700)
    cache.chmod(0o755)
    assert cache_directory() is None
    assert run(root, EVERYTHING).findings
    assert entries(cache) == []


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no users here")
def test_a_directory_of_somebody_else_is_not_used(cache, monkeypatch):
    cache.mkdir(mode=0o700)
    monkeypatch.setattr(os, "getuid", lambda: 12345678)
    assert cache_directory() is None


def test_a_symbolic_link_is_no_directory(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("KPOLICY_CACHE_DIR", str(tmp_path / "link"))
    assert cache_directory() is None


def test_the_empty_string_turns_caching_off(root, monkeypatch):
    monkeypatch.setenv("KPOLICY_CACHE_DIR", "")
    assert cache_directory() is None
    assert run(root, EVERYTHING).findings


def test_old_entries_are_dropped(tmp_path):
    for number in range(6):
        path = tmp_path / f"policies-{number}.bin"
        write_entry(path, b"x")
        os.utime(path, (number, number))
    prune(tmp_path, "policies-*.bin", 2)
    assert [p.name for p in entries(tmp_path)] == ["policies-4.bin", "policies-5.bin"]


def test_writing_leaves_no_temporary_file(tmp_path):
    write_entry(tmp_path / "policies-a.bin", b"content")
    assert [p.name for p in tmp_path.iterdir()] == ["policies-a.bin"]
    assert read_entry(tmp_path / "policies-a.bin") == b"content"
    write_entry(tmp_path / "absent" / "policies-a.bin", b"content")
