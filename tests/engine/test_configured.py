"""What the configuration changes in a scan: severities, parameters, paths, plugins, policies."""

from __future__ import annotations

import pytest
from scan_kit import deployment, policy, run, told, write

from kpolicy.config.loader import load
from kpolicy.config.model import Config, Override
from kpolicy.engine.requirements import satisfies
from kpolicy.errors import ConfigError, UsageError

ALWAYS = policy(
    "always",
    """
    params: {limit: {type: integer, default: 3}}
    match: {kinds: [workloads]}
    validations: [{expression: 'false', messageExpression: "'limit ' + string(params.limit)"}]
    """,
)


@pytest.fixture
def root(tmp_path):
    """Return a tree with a workload in each of two directories."""
    files = {"a/x.yaml": deployment("web", "c"), "b/x.yaml": deployment("api", "c")}
    return write(tmp_path / "in", files)


def test_severities(root):
    report = run(root, ALWAYS, config=Config(severity={"al*": "info"}))
    assert {f.severity for f in report.findings} == {"info"}
    assert report.policies[0].severity == "info"


def test_an_enforced_policy_keeps_its_severity(root):
    config = Config(severity={"always": "info"}, enforced=("always",),
                    overrides=(Override(("a",), severity={"always": "info"}),))  # fmt: skip
    assert {f.severity for f in run(root, ALWAYS, config=config).findings} == {"warning"}


def test_overrides_change_some_paths_alone(root):
    override = Override(("a/",), severity={"always": "error"})
    found = run(root, ALWAYS, config=Config(root=str(root), overrides=(override,))).findings
    assert [(f.resource.name, f.severity) for f in found] == [("web", "error"), ("api", "warning")]
    override = Override(("a/**",), exclude=("alw*",))
    report = run(root, ALWAYS, config=Config(root=str(root), overrides=(override,)))
    assert [f.resource.name for f in report.findings] == ["api"]
    assert report.suppressed[0].suppression.reason == "excluded for this path"


def test_parameters(root):
    config = Config(params={"always": {"limit": 5}})
    assert set(told(run(root, ALWAYS, config=config))) == {"limit 5"}
    wins = run(root, ALWAYS, config=config, params={"always": {"limit": 7}})
    assert set(told(wins)) == {"limit 7"}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"always": {"limt": 1}}, 'has no parameter "limt"'),
        ({"always": {"limit": "x"}}, "must be an integer, not string"),
        ({"alwas": {"limit": 1}}, 'no policy "alwas"'),
    ],
)
def test_a_wrong_parameter_is_a_config_error(root, params, message):
    with pytest.raises(ConfigError, match=message):
        run(root, ALWAYS, config=Config(params=params))


def test_a_wrong_parameter_has_its_place(tmp_path, root):
    file = tmp_path / ".kpolicy.yaml"
    file.write_text("params:\n  always:\n    limit: many\n")
    with pytest.raises(ConfigError) as caught:
        run(root, ALWAYS, config=load(file))
    assert (caught.value.problems[0].location.line) == 3


def test_parameters_for_an_unknown_policy_are_a_usage_error(root):
    with pytest.raises(UsageError, match="unknown policy"):
        run(root, ALWAYS, params={"other": {}})


def test_excluded_paths_start_at_the_configuration(root):
    config = Config(root=str(root), paths_exclude=("a/**",))
    assert [f.resource.name for f in run(root, ALWAYS, config=config).findings] == ["api"]
    inner = run(root, ALWAYS, target="a", config=config)
    assert inner.summary.resources == 0


def test_policies_of_the_configuration_run_and_are_not_scanned(root):
    write(root, {"policies/p.yaml": policy("own", "validations: [{expression: 'false'}]")})
    config = Config(root=str(root), policies=("policies",))
    report = run(root, config=config)
    assert {f.policy for f in report.findings} == {"own"}
    assert report.summary.skipped == {"policy": 1}


def test_the_configuration_is_discovered_and_can_be_ignored(root):
    (root / ".git").mkdir()
    write(root, {".kpolicy.yaml": "severity: {always: error}\n"})
    from scan_kit import toolbox

    from kpolicy.engine import ScanRequest, scan

    folder = write(root.parent / "policies", {"p.yaml": ALWAYS})
    request = {"targets": (str(root),), "policy_paths": (str(folder),), "builtin": False}
    found = scan(ScanRequest(**request), toolbox()).findings
    assert {f.severity for f in found} == {"error"}
    found = scan(ScanRequest(**request, isolated=True), toolbox()).findings
    assert {f.severity for f in found} == {"warning"}


def test_a_required_plugin_that_is_missing_is_a_config_error(root):
    with pytest.raises(ConfigError, match="not installed"):
        run(root, ALWAYS, config=Config(plugins={"kpolicy-no-such-plugin": ">=1"}))
    with pytest.raises(ConfigError, match="is required"):
        run(root, ALWAYS, config=Config(plugins={"pluggy": ">=99"}))
    with pytest.raises(ConfigError, match="no version specifier"):
        run(root, ALWAYS, config=Config(plugins={"pluggy": "new"}))
    assert run(root, ALWAYS, config=Config(plugins={"pluggy": ">=1,<9"})).findings


@pytest.mark.parametrize(
    ("installed", "specifier", "fits"),
    [
        ("1.2.3", "", True), ("1.2.3", ">=1.2", True), ("1.2.3", "<1.2", False),
        ("1.2", "==1.2.0", True), ("1.2.3", "==1.2.*", True), ("1.3", "!=1.2.*", True),
        ("1.4", "~=1.2", True), ("2.0", "~=1.2", False), ("1.2rc1", ">=1.2", True),
        ("1.10", ">1.9", True), ("1.2", "=1", None), ("1.2", ">=1.*", None),
    ],
)  # fmt: skip
def test_version_specifiers(installed, specifier, fits):
    assert satisfies(installed, specifier) is fits
