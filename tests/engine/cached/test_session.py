"""A session reports what a scan of everything does, told of changes or left to find them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cache_kit import Tree
from scan_kit import toolbox

from kpolicy.engine.cached import rescan
from kpolicy.engine.cached.session import Session


@pytest.fixture(scope="module")
def box():
    return toolbox()


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_after_random_edits(tmp_path, monkeypatch, box, seed, told):
    """What a watcher names is files that were written, removed or renamed; also several at once."""
    monkeypatch.setattr(rescan, "_PART", 1)
    tree = Tree(tmp_path / "tree", 100 + seed)
    session = Session(lambda: (tree.request(), box))
    session.report()
    edits = []
    for _ in range(10):
        before = tree.texts()
        edits.append(tree.edit())
        after = tree.texts()
        changed = {p for p in {**before, **after} if before.get(p) != after.get(p)}
        settings = edits[-1] in ("param", "policy", "config")
        report = session.report(changed if told and not settings else None)
        assert replace(report, timings={}) == tree.scan(cached=False), edits


def test_a_change_of_a_file_looks_at_no_other(tmp_path, monkeypatch, box):
    """Nothing is discovered when a file is saved, and the policies stay as they are."""
    tree = Tree(tmp_path / "tree", 1)
    session = Session(lambda: (tree.request(), box))
    session.report()
    for name in ("intake", "make_plan", "columns_of"):
        monkeypatch.setattr(f"kpolicy.engine.cached.session.{name}", None)
    path = tree.files()[0]
    path.write_text("# new" + path.read_text())
    report = session.report([str(path)])
    assert replace(report, timings={}) == tree.scan(cached=False)


def test_what_was_looked_at_before_is_at_hand_for_one_evaluation(tmp_path, monkeypatch, box):
    """Files that a join looks at are not found one after the other, by evaluating again."""
    monkeypatch.setattr(rescan, "_PART", 1)
    tree = Tree(tmp_path / "tree", 1)
    session = Session(lambda: (tree.request(), box))
    session.report()
    rounds = []
    evaluate = rescan._Work.evaluate
    monkeypatch.setattr(rescan._Work, "evaluate", lambda *all_: rounds.append(1) or evaluate(*all_))
    for path in tree.files():
        path.write_text("# new\n" + path.read_text())
        session.report([str(path)])
    assert 0 < len(rounds) <= len(tree.files())


def test_a_failure_is_followed_by_a_report_from_scratch(tmp_path, box):
    """A configuration is broken in the middle of an edit, and mended."""
    tree = Tree(tmp_path / "tree", 1)
    broken = [True]

    def prepare():
        if broken.pop():
            raise ValueError("not yet")
        return tree.request(), box

    session = Session(prepare)
    with pytest.raises(ValueError, match="not yet"):
        session.report()
    broken.append(False)
    assert replace(session.report(), timings={}) == tree.scan(cached=False)


def test_what_a_session_knows_serves_other_scans(tmp_path, box, rescans):
    tree = Tree(tmp_path / "tree", 2)
    session = Session(lambda: (tree.request(), box))
    session.report()
    tree.do_move_lines()
    wanted = replace(session.report(), timings={})
    session.keep()
    rescans.clear()
    assert tree.scan(cached=True) == wanted
    assert not rescans
