"""What silences a finding: annotations, comments, the configuration, a baseline."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest
from scan_kit import policy, run, write

from kpolicy.config.model import Config, ConfigSuppression
from kpolicy.errors import UsageError
from kpolicy.suppress.apply import path_glob
from kpolicy.suppress.baseline import read_baseline

ALWAYS = policy("always", "validations: [{expression: 'false', message: no}]")
OTHER = policy("other", "validations: [{expression: 'false', message: no}]")


def thing(annotations="", name="x"):
    """Return a manifest with annotations."""
    return f"""\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
  namespace: shop
  annotations: {{{annotations}}}
"""


@pytest.mark.parametrize(
    ("annotation", "reported"),
    [
        ("kpolicy.dev/ignore: always", ["other"]),
        ('kpolicy.dev/ignore: "always, other"', []),
        ('kpolicy.dev/ignore: "al*"', ["other"]),
        ("ignore.kpolicy.dev/always: because", ["other"]),
        ("ignore-check.kube-linter.io/always: because", ["other"]),
        ("kube-linter.io/ignore-all: because", []),
        ("kpolicy.dev/ignore: ''", ["always", "other"]),
        ("ignore.kpolicy.dev/alw: x", ["always", "other"]),
        ("", ["always", "other"]),
    ],
)
def test_annotations(tmp_path, annotation, reported):
    root = write(tmp_path / "in", {"a.yaml": thing(annotation)})
    report = run(root, ALWAYS, OTHER)
    assert [f.policy for f in report.findings] == reported
    assert len(report.suppressed) == 2 - len(reported) == report.summary.suppressed


def test_a_suppressed_finding_says_why(tmp_path):
    root = write(tmp_path / "in", {"a.yaml": thing("ignore.kpolicy.dev/always: needs it")})
    (finding,) = run(root, ALWAYS).suppressed
    assert (finding.suppression.kind, finding.suppression.reason) == ("annotation", "needs it")


def test_a_security_run_counts_no_suppression(tmp_path):
    root = write(tmp_path / "in", {"a.yaml": "# kpolicy:ignore always\n" + thing()})
    assert run(root, ALWAYS).findings == ()
    assert len(run(root, ALWAYS, suppressions=False).findings) == 1


def test_a_comment_above_the_finding_silences_it(tmp_path):
    root = write(tmp_path / "in", {"a.yaml": "# kpolicy:ignore always not ours\n" + thing()})
    (finding,) = run(root, ALWAYS).suppressed
    assert (finding.suppression.kind, finding.suppression.reason) == ("comment", "not ours")
    assert finding.suppression.location.line == 1


@pytest.mark.parametrize(
    ("rule", "silenced"),
    [
        (ConfigSuppression(policies=("always",)), True),
        (ConfigSuppression(policies=("alw*",), kinds=("ConfigMap",)), True),
        (ConfigSuppression(names=("x",), namespaces=("shop",)), True),
        (ConfigSuppression(names=("x",), namespaces=("other",)), False),
        (ConfigSuppression(kinds=("Secret",)), False),
        (ConfigSuppression(paths=("vendor",)), True),
        (ConfigSuppression(paths=("vendor/**",)), True),
        (ConfigSuppression(paths=("*.yaml",)), True),
        (ConfigSuppression(paths=("other",)), False),
        (ConfigSuppression(policies=("always",), until="2000-01-01"), False),
        (ConfigSuppression(policies=("always",), until="2999-01-01"), True),
    ],
)
def test_the_configuration_silences_what_all_its_globs_match(tmp_path, rule, silenced):
    root = write(tmp_path / "in", {"vendor/a.yaml": thing()})
    config = Config(path="c", root=str(root), suppressions=(rule,))
    assert (run(root, ALWAYS, config=config).findings == ()) is silenced


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("vendor", "vendor/a/b.yaml", True),
        ("vendor", "x/vendor/b.yaml", True),
        ("/vendor", "x/vendor/b.yaml", False),
        ("a/*.yaml", "a/b.yaml", True),
        ("a/*.yaml", "a/b/c.yaml", False),
        ("a/**/c.yaml", "a/b/x/c.yaml", True),
        ("a/**/c.yaml", "a/c.yaml", True),
        ("?.yaml", "b.yaml", True),
        ("b.yaml", "b.yaml.bak", False),
        ("b+.yaml", "bb.yaml", False),
    ],
)
def test_path_globs(glob, path, matches):
    import re

    assert (re.match(path_glob(glob), path) is not None) is matches


def test_an_enforced_policy_is_not_silenced_from_the_tree(tmp_path):
    """The author of a violation also writes the annotations; the attempt is reported."""
    root = write(tmp_path / "in", {"a.yaml": thing("kpolicy.dev/ignore: always")})
    report = run(root, ALWAYS, config=Config(enforced=("always",)))
    assert [f.policy for f in report.findings] == ["always"]
    assert any("enforced" in note.message for note in report.notes)


def test_a_reason_can_be_demanded(tmp_path):
    files = {"a.yaml": thing("kpolicy.dev/ignore: always"),
             "b.yaml": thing("ignore.kpolicy.dev/always: because", "y")}  # fmt: skip
    root = write(tmp_path / "in", files)
    report = run(root, ALWAYS, config=Config(require_reasons=True))
    assert [f.resource.name for f in report.findings] == ["x"]
    assert any("gives no reason" in note.message for note in report.notes)


def test_unused_suppressions_are_reported_on_request(tmp_path):
    files = {
        "a.yaml": "# kpolicy:ignore nothing-here\n" + thing("kpolicy.dev/ignore: absent"),
    }
    root = write(tmp_path / "in", files)
    ended = ConfigSuppression(policies=("y",), until="2001-01-01")
    config = Config(suppressions=(ConfigSuppression(policies=("zzz",)), ended))
    report = run(root, ALWAYS, config=config, report_unused_suppressions=True)
    told = "\n".join(note.message for note in report.notes)
    assert "annotation kpolicy.dev/ignore of ConfigMap/shop/x suppresses nothing" in told
    assert "nothing-here suppresses nothing" in told
    assert "ended on 2001-01-01" in told
    assert len(report.notes) == 4
    assert run(root, ALWAYS, config=config).notes == ()


def test_a_baseline_holds_todays_findings_and_lets_new_ones_through(tmp_path):
    root = write(tmp_path / "in", {"a.yaml": thing()})
    baseline = tmp_path / "baseline.json"
    run(root, ALWAYS, write_baseline=str(baseline))
    write(root, {"a.yaml": "# moved\n\n" + thing(), "b.yaml": thing("", "new")})
    report = run(root, ALWAYS, baseline=str(baseline))
    assert [f.resource.name for f in report.findings] == ["new"]
    assert [f.suppression.kind for f in report.suppressed] == ["baseline"]


def test_a_baseline_is_sorted_and_readable(tmp_path):
    root = write(tmp_path / "in", {"b.yaml": thing("", "b"), "a.yaml": thing("", "a")})
    baseline = tmp_path / "baseline.json"
    run(root, ALWAYS, write_baseline=str(baseline))
    data = json.loads(baseline.read_text())
    assert [e["resource"] for e in data["findings"]] == ["ConfigMap/shop/a", "ConfigMap/shop/b"]
    assert not list(tmp_path.glob(".baseline*"))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"kpolicyBaseline": 2, "findings": []}',
     '{"kpolicyBaseline": 1, "findings": [{}]}', '{"kpolicyBaseline": 1}'],
)  # fmt: skip
def test_what_is_no_baseline_is_a_usage_error(tmp_path, text):
    file = tmp_path / "b.json"
    file.write_text(text)
    with pytest.raises(UsageError):
        read_baseline(str(file))


def test_a_missing_baseline_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_baseline(str(tmp_path / "none.json"))


def test_the_last_day_of_a_suppression_counts():
    from kpolicy.suppress.apply import Rules, apply

    rule = ConfigSuppression(policies=("p",), until="2027-01-31")
    base = Rules(Config(suppressions=(rule,)))
    for today, expired in ((date(2027, 1, 31), False), (date(2027, 2, 1), True)):
        outcome = apply([], {}, [], replace(base, today=today), lambda _: ())
        assert any("ended" in n.message for n in outcome.unused) is expired


def test_a_baseline_written_over_an_old_one_keeps_what_that_knew(tmp_path):
    root = write(tmp_path / "in", {"a.yaml": thing()})
    file = str(tmp_path / "baseline.json")
    run(root, ALWAYS, write_baseline=file)
    write(root, {"b.yaml": thing("", "new")})
    run(root, ALWAYS, baseline=file, write_baseline=file)
    assert len(read_baseline(file)) == 2
    assert run(root, ALWAYS, baseline=file).findings == ()


def test_a_finding_whose_suppression_has_ended_says_so(tmp_path):
    root = write(tmp_path / "in", {"a.yaml": thing("a: b")})
    ended = ConfigSuppression(policies=("always",), until="2001-01-01")
    other = ConfigSuppression(policies=("else",), until="2001-01-01")
    report = run(root, ALWAYS, config=Config(suppressions=(ended, other)))
    assert [f.policy for f in report.findings] == ["always"]
    assert [n.message for n in report.notes] == ['the suppression of "always" ended on 2001-01-01']
    quiet = run(root, ALWAYS, config=Config(suppressions=(ended,)), suppressions=False)
    assert quiet.notes == ()
