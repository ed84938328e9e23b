# ruff: noqa: E501 -- the tables read better whole
"""`.kpolicy.yaml` is strict: what is wrong is named with its place, all of it at once."""

from __future__ import annotations

from textwrap import dedent

import pytest

from kpolicy.config.loader import load, parse
from kpolicy.config.model import Config, ConfigSuppression, OutsideRule, Override
from kpolicy.errors import ConfigError


def config(text: str) -> Config:
    """Return the configuration in a dedented text."""
    return parse(".kpolicy.yaml", dedent(text), "/repo")


def problems(text: str) -> list[tuple[int, int, str]]:
    """Return (line, column, message) of each problem."""
    with pytest.raises(ConfigError) as caught:
        config(text)
    return [(p.location.line, p.location.column, p.message) for p in caught.value.problems]


def test_every_key_is_read():
    found = config("""\
        apiVersion: kpolicy.dev/v1
        kind: Config
        defaults: false
        all: true
        packs: [sidecar]
        include: [latest-tag]
        exclude: ["no-*"]
        enforced: [privileged-container]
        severity: {latest-tag: error, "no-*": info}
        params: {split-sidecar: {roles: [a, b], n: 3}}
        policies: [policies/]
        paths: {exclude: ["vendor/**", "*.tmp.yaml"]}
        outside:
          - {kinds: [Secret], namespaces: [prod]}
          - {names: ["ext-*"]}
        scopes: ["clusters/*"]
        suppressions:
          - {policies: [host-network], paths: [vendor], kinds: [DaemonSet], namespaces: [x], names: [y], reason: theirs, until: 2027-01-31}
        overrides:
          - {paths: [legacy/], exclude: [latest-tag], severity: {host-ipc: info}}
        failOn: error
        requireReasons: true
        plugins: {acme: ">=1.2"}
        """)
    assert (found.path, found.root) == (".kpolicy.yaml", "/repo")
    assert (found.defaults, found.all, found.fail_on, found.require_reasons) == (
        False,
        True,
        "error",
        True,
    )
    assert (found.packs, found.include, found.exclude) == (("sidecar",), ("latest-tag",), ("no-*",))
    assert found.enforced == ("privileged-container",)
    assert found.severity == {"latest-tag": "error", "no-*": "info"}
    assert found.params == {"split-sidecar": {"roles": ["a", "b"], "n": 3}}
    assert (found.policies, found.paths_exclude) == (("policies/",), ("vendor/**", "*.tmp.yaml"))
    assert found.outside == (
        OutsideRule(kinds=("Secret",), namespaces=("prod",)),
        OutsideRule(names=("ext-*",)),
    )
    assert found.scopes == ("clusters/*",)
    (rule,) = found.suppressions
    assert rule == ConfigSuppression(
        ("host-network",), ("vendor",), ("DaemonSet",), ("x",), ("y",), "theirs", "2027-01-31", rule.location
    )  # fmt: skip
    assert rule.location.line == 18
    assert found.overrides == (
        Override(("legacy/",), ("latest-tag",), {"host-ipc": "info"}, found.overrides[0].location),
    )
    assert found.plugins == {"acme": ">=1.2"}


def test_each_setting_knows_where_it_was_written():
    found = config(
        "packs: [a]\ninclude:\n  - x\n  - y\nparams:\n  p:\n    n: 3\nseverity: {z: info}\n"
    )
    places = {key: (at.line, at.column) for key, at in found.origins.items()}
    assert places["include.1"] == (4, 5)
    assert places["params.p.n"] == (7, 8)
    assert places["severity.z"] == (8, 15)
    assert places["packs"] == (1, 8)


def test_the_mapping_form_of_outside_opens_each_word_on_its_own():
    found = config("outside: {kinds: [Secret, ConfigMap], names: ['ext-*']}")
    assert found.outside == (
        OutsideRule(kinds=("Secret", "ConfigMap")),
        OutsideRule(names=("ext-*",)),
    )


def test_an_empty_file_is_the_defaults():
    assert config("# nothing\n") == Config(path=".kpolicy.yaml", root="/repo")


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("includes: [a]", (1, 1), 'unknown key "includes" in the configuration'),
        ("include: a", (1, 10), 'include must be a list of strings, not the string "a"'),
        ("include: [1]", (1, 11), "include[0] must be a string, not the number 1"),
        ("failOn: high", (1, 9), "failOn must be error, warning, info or never"),
        ("severity: {a: fatal}", (1, 15), "severity.a must be error, warning or info"),
        ("params: [a]", (1, 9), "params must be a mapping, not a list"),
        ("params: {p: 3}", (1, 13), "params.p must be a mapping, not the number 3"),
        ("paths: {excludes: [a]}", (1, 9), 'unknown key "excludes" in paths'),
        ("outside: [{}]", (1, 11), "outside[0] opens nothing"),
        ("outside: [{kind: [a]}]", (1, 12), 'unknown key "kind" in outside[0]'),
        ("suppressions: [{reason: x}]", (1, 16), "suppressions[0] would suppress everything"),
        ("suppressions: [{names: [a], until: 31.01.2027}]", (1, 36), "suppressions[0].until must be a date"),
        ("suppressions: [{names: [a], until: 2027-02-31}]", (1, 36), "suppressions[0].until must be a date"),
        ("overrides: [{exclude: [a]}]", (1, 13), 'overrides[0] lacks "paths"'),
        ("scopes: cluster", (1, 9), "scopes must be tree, directory or file"),
        ("defaults: maybe", (1, 11), "defaults must be true or false"),
        ("kind: Policy", (1, 7), "kind of a configuration is Config"),
        ("packs: [a]\npacks: [b]", (2, 1), 'key "packs" stands twice in the configuration'),
        ("- a", (1, 1), "the configuration must be a mapping, not a list"),
        ("a: [", (2, 1), "not YAML"),
        ("packs: [a]\n---\npacks: [b]", (3, 1), "a configuration is one document"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(text, place, message):
    found = problems(text)
    assert (found[0][0], found[0][1]) == place
    assert message in found[0][2]


def test_all_mistakes_come_at_once():
    assert len(problems("incldue: [a]\nfailOn: x\nseverity: {a: b, c: d}\npackz: []\n")) == 5


def test_a_mistyped_key_gets_a_suggestion():
    with pytest.raises(ConfigError) as caught:
        config("incldue: [a]")
    assert 'did you mean "include"?' in str(caught.value)


def test_a_file_that_is_missing_or_no_text_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "absent.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path / "binary.yaml")


def test_kube_linters_configuration_is_read(tmp_path):
    file = tmp_path / ".kube-linter.yaml"
    file.write_text(
        dedent("""\
        checks:
          addAllBuiltIn: true
          doNotAutoAddDefaults: true
          include: [host-ipc]
          exclude: [latest-tag]
          ignorePaths: ["~/x", "vendor/**"]
        customChecks:
          - {name: own, template: required-label, params: {key: team}, remediation: add it}
        """)
    )
    found = load(file)
    assert (found.defaults, found.packs) == (False, ("kube-linter",))
    assert (found.include, found.exclude) == (("host-ipc",), ("latest-tag",))
    assert found.paths_exclude == ("~/x", "vendor/**")
    assert found.checks[0]["name"] == "own"
    assert found.checks[0]["params"] == {"key": "team"}
    assert found.origins["exclude.0"].line == 5


def kube_linter(text):
    return parse(".kube-linter.yml", text, "/repo", kube_linter=True)


def test_kube_linters_configuration_is_read_as_kube_linter_reads_it():
    """A pipeline that ran with its file runs with it here; what it passes over is said."""
    found = kube_linter("checks: {includ: [a], EXCLUDE: [b], addAllBuiltin: 'true'}\nextra: 1\n")
    assert (found.exclude, found.packs, found.include) == (("b",), ("kube-linter",), ())
    extra, unknown = found.notes
    assert unknown.startswith('.kube-linter.yml:1:10: kube-linter passes over the unknown key "inc')
    assert 'did you mean "include"?' in unknown
    assert '.kube-linter.yml:2:1: kube-linter passes over the unknown key "extra"' in extra
    assert kube_linter("checks: {include: 'a,b'}").include == ("a", "b")
    for text, value in (("0", False), ("T", True), ("'f'", False), ("3", True)):
        assert kube_linter(f"checks: {{doNotAutoAddDefaults: {text}}}").defaults is not value


def test_what_kube_linter_refuses_is_refused():
    with pytest.raises(ConfigError) as caught:
        kube_linter("checks: [a]\ncustomChecks: [{name: x}]\n")
    assert len(caught.value.problems) == 2
    with pytest.raises(ConfigError, match="must be true or false"):
        kube_linter("checks: {addAllBuiltIn: maybe}")
