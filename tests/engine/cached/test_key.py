"""What makes kept results those of another scan."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from cache_kit import Tree, policies
from scan_kit import toolbox

from kpolicy.config.model import Config
from kpolicy.engine import ScanRequest, Selection
from kpolicy.engine.cached import keys
from kpolicy.engine.cached.memory import memory_of
from kpolicy.engine.policy_files import policy_sources
from kpolicy.manifests.model import Limits


@pytest.fixture(scope="module")
def box():
    return toolbox()


def key(box, request=None, config=None):
    """Return the key of a scan."""
    request, config = request or ScanRequest(), config or Config()
    files, python, _ = policy_sources(box, request, config)
    return keys.results_key(request, box, config, files, python)


@pytest.mark.parametrize(
    "changed",
    [
        {"targets": ("elsewhere",)},
        {"selection": Selection(all=True)},
        {"builtin": False},
        {"params": {"x": {"y": 1}}},
        {"operation": "DELETE"},
        {"user": {"username": "eve"}},
        {"scope": "directory"},
        {"report_unused_suppressions": True},
        {"limits": Limits(depth=7)},
    ],
)
def test_the_request_counts(box, changed):
    assert key(box, ScanRequest(**changed)) != key(box)


@pytest.mark.parametrize(
    "changed",
    [
        {"exclude": ("latest-tag",)},
        {"severity": {"latest-tag": "error"}},
        {"params": {"x": {"y": 1}}},
        {"scopes": ("directory",)},
        {"packs": ("sidecar",)},
    ],
)
def test_the_configuration_counts(box, changed):
    assert key(box, config=replace(Config(), **changed)) != key(box)


def test_what_comes_after_the_policies_does_not_count(box):
    """Suppressions and thresholds are applied to kept results too."""
    config = replace(Config(), fail_on="never", require_reasons=True)
    request = ScanRequest(jobs=2, fail_on="never", suppressions=False, skip_invalid=True)
    assert key(box, request, config) == key(box)


def test_every_part_is_one_or_the_other():
    """What is left out of the key is named; whatever is new is in it."""
    assert {field.name for field in fields(Config)} >= keys.CONFIG_APART
    assert {field.name for field in fields(ScanRequest)} >= keys.REQUEST_APART


def test_plugins_python_and_kpolicy_count(box, monkeypatch):
    before = key(box)
    assert key(replace(box, digest="another")) != before
    monkeypatch.setattr(keys, "__version__", "9.9.9")
    assert key(box) != before


def test_an_installed_wheel_is_known_by_what_is_in_it(tmp_path, monkeypatch):
    """Wherever and whenever it was installed; a checkout has nothing of the kind."""
    package = tmp_path / "kpolicy"
    package.mkdir()
    monkeypatch.setattr(keys, "__version__", "1.2")
    assert keys._record(str(package)) == ""
    record = tmp_path / "kpolicy-1.2.dist-info" / "RECORD"
    record.parent.mkdir()
    own = "kpolicy/engine/cached/keys.py,sha256=abc,10"
    record.write_text(f"../bin/kpolicy,sha256=x,1\n{own}\nkpolicy/__pycache__/a.pyc,,\n")
    assert keys._record(str(package)) == own
    record.write_text("kpolicy.pth,sha256=x,1\n")
    assert keys._record(str(package)) == ""


def test_the_text_of_policies_counts(tmp_path, box):
    file = tmp_path / "p.yaml"
    request = ScanRequest(policy_paths=(str(file),), builtin=False)
    found = set()
    for text in list(policies().values())[:3]:
        file.write_text(text)
        found.add(key(box, request))
    assert len(found) == 3


@pytest.mark.parametrize(
    "request_",
    [
        ScanRequest(cache=False),
        ScanRequest(base="HEAD"),
        ScanRequest(results_all=True),
        ScanRequest(engine="reference"),
        ScanRequest(targets=("-",)),
        ScanRequest(param_paths=("params",)),
    ],
)
def test_scans_whose_results_are_not_kept(box, request_):
    assert memory_of(request_, box, Config()) is None
    assert memory_of(ScanRequest(), box, Config()) is not None


def test_results_of_code_without_a_digest_are_not_kept(box):
    assert memory_of(ScanRequest(), replace(box, repeatable=False), Config()) is None


def test_a_policy_that_is_saved_while_a_scan_begins(tmp_path, cache, monkeypatch):
    """The key stands for what was read first; what ran is something else, and is not kept."""
    from kpolicy.engine import plan

    tree = Tree(tmp_path / "tree", 2)
    original = plan.make_plan

    def make_plan(*arguments):
        tree.do_policy()
        return original(*arguments)

    monkeypatch.setattr(plan, "make_plan", make_plan)
    tree.scan(cached=True)
    assert not list(cache.glob("results-*"))
    monkeypatch.setattr(plan, "make_plan", original)
    assert tree.scan(cached=True) == tree.scan(cached=False)
    assert list(cache.glob("results-*"))


def test_a_policy_that_raises_is_asked_again(tmp_path, cache, box):
    """What made it raise may be gone next time."""
    from kpolicy.policy.model import Match, Policy, Violation

    calls = []

    def outcomes(report):
        return {f.outcome for f in report.findings if f.policy == "flaky"}

    def check(resource, snapshot, params):
        calls.append(resource.name)
        if len(calls) == 1:
            raise OSError("the network was down")
        yield Violation("seen", None)

    made = Policy(id="flaky", title="t", check=check, match=Match(kinds=("*",)), pack="p",
                  default=True, metadata={"local": True}, plugin="mine")  # fmt: skip
    tree = Tree(tmp_path / "tree", 2)
    box = replace(box, policies=(made,))
    assert "error" in outcomes(tree.scan(cached=True, box=box))
    assert not list(cache.glob("results-*"))
    assert "error" not in outcomes(tree.scan(cached=True, box=box))
    assert list(cache.glob("results-*"))
