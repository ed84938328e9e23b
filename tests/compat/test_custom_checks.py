"""customChecks of a `.kube-linter.yaml` become policies."""

from __future__ import annotations

from pathlib import Path

import pytest

import kpolicy
from kpolicy.compat import with_custom_checks
from kpolicy.compat.kube_linter_checks import TEMPLATE_ONLY, builtin_checks
from kpolicy.compat.kube_linter_files import ignoring
from kpolicy.compat.kube_linter_templates import narrowed, templates
from kpolicy.config.loader import parse
from kpolicy.errors import ConfigError
from kpolicy.plugins.manager import make_toolbox

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}, annotations: {acme/x: "1"}}
spec:
  containers:
    - {name: a, image: "x:1", imagePullPolicy: Always, resources: {limits: {memory: 300Mi}}}
    - {name: b, image: "y:1", ports: [{containerPort: 80}]}
"""


def run(tmp_path: Path, checks: str, manifests: str = POD) -> list[tuple[str, str]]:
    """Return (policy, message) of what a scan by these custom checks alone finds."""
    (tmp_path / "m.yaml").write_text(manifests)
    config = parse(
        ".kube-linter.yaml",
        f"checks: {{doNotAutoAddDefaults: true}}\ncustomChecks:\n{checks}",
        kube_linter=True,
    )
    report = kpolicy.scan(tmp_path / "m.yaml", config=config, cache=False)
    return [(f.policy, f.message) for f in report.findings]


@pytest.mark.parametrize(
    ("check", "count"),
    [
        ("template: required-label, params: {key: owner}", 1),
        ("template: required-label, params: {Key: '^app$', value: '!^w'}", 1),
        ("template: required-label, params: {key: app}", 0),
        ("template: forbidden-annotation, params: {key: acme}", 1),
        ("template: image-pull-policy, params: {forbiddenPolicies: [Always]}", 1),
        ("template: ports, params: {port: 80}", 1),
        ("template: ports, params: {port: 80, protocol: UDP}", 0),
        ("template: disallowed-api-obj, params: {kind: Pod}", 1),
        ("template: disallowed-api-obj, params: {group: apps}", 0),
        ("template: memory-requirements, params: {requirementsType: limit, lowerBoundMB: 256}", 1),
        ("template: memory-requirements, params: {requirementsType: limit, upperBoundMB: 1}", 1),
        ("template: memory-requirements, params: {requirementsType: any}", 4),
        ("template: latest-tag, params: {allowList: ['^x']}", 1),
        ("template: latest-tag", 0),
        ("template: env-var, params: {name: A}", 0),
        ("template: privileged, scope: {objectKinds: [Deployment]}", 0),
        ("template: run-as-non-root, scope: {objectKinds: [Pod]}", 2),
        ("template: run-as-non-root, scope: {objectKinds: []}", 0),
        ("template: sorted-keys", 0),
        ("template: sorted-keys, params: {recursive: true}", 3),
        ("template: use-namespace, scope: {objectKinds: [Any]}", 1),
        ("template: cel-expression, params: {check: 'object.kind + string(size(objects))'}", 1),
        ("template: cel-expression, params: {check: '\"\"'}", 0),
        ("template: cel-expression, params: {check: 'object.spec.nothing'}", 1),
        ("template: cel-expression, params: {check: 'true'}", 1),
    ],
)
def test_a_custom_check_counts(tmp_path: Path, check: str, count: int) -> None:
    found = run(tmp_path, f"  - {{name: Mine_1, {check}}}\n")
    assert len(found) == count
    assert {policy for policy, _ in found} <= {"Mine_1"}


def test_cel_sees_the_objects_of_its_directory(tmp_path: Path) -> None:
    check = 'objects.exists(o, o.kind == "Service") ? "" : "no Service"'
    checks = "  - name: c\n    template: cel-expression\n    params:\n      check: |\n"
    checks += f"        {check}\n"
    assert run(tmp_path, checks) == [("c", "CEL check expression returned: no Service")]
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n---\n"
    assert run(tmp_path, checks, service + POD) == []


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("{name: a b, template: host-pid}", ':3:12: "a b" is no name of a check'),
        ("{name: host-pid, template: host-pid}", 'a check is called "host-pid" already'),
        ("{name: a, template: host-pidd}", ':3:25: there is no template "host-pidd"'),
        ("{name: a, template: kubeconform}", "--pack schema"),
        ("{name: a, template: env-var}", 'needs the parameter "name"'),
        ("{name: a, template: host-pid, params: {x: 1}}", 'has no parameter "x"'),
        ("{name: a, template: ports, params: {port: '80'}}", ":3:47: params.port must be an integ"),
        ("{name: a, template: required-label, params: {key: '['}}", "is no regular expression"),
        ("{name: a, template: host-pid, scope: {objectKinds: [Pood]}}", 'no object kind "Pood"'),
        ("{name: a, template: cpu-requirements, params: {requirementsType: x}}", "must be one of"),
        ("{name: a, template: cel-expression, params: {check: 'object.'}}", ":3:57: line 1"),
        (
            "{name: a, template: latest-tag, params: {allowList: [a], blockList: [b]}}",
            "exclude each other",
        ),
        (
            "{name: a, template: verify-container-capabilities, params: {exceptions: [NET]}}",
            "exceptions are for forbiddenCapabilities: [all] only",
        ),
        (
            "{name: a, template: update-configuration,"
            " params: {strategyTypeRegex: b, minSurge: a}}",
            "neither a number nor a percentage",
        ),
    ],
)
def test_mistakes_have_places(tmp_path: Path, check: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        run(tmp_path, f"  - {check}\n")
    assert any(said in f"{p.location}: {p}{p.hint}" for p in caught.value.problems), caught.value


def test_every_template_stands_on_a_policy_with_its_parameters() -> None:
    builtin = builtin_checks(make_toolbox())
    for template in templates().values():
        if not template.policy:
            assert template.key == "cel-expression"
            continue
        declared = {param.name.lower() for param in builtin[template.policy].params}
        wanted = {param.name.lower() for param in template.params} - {"ignoredlabels"}
        assert wanted <= declared, template.key
    assert set(builtin) >= TEMPLATE_ONLY


def test_without_custom_checks_nothing_changes() -> None:
    toolbox = make_toolbox()
    config = parse(".kube-linter.yaml", "checks: {}\n", kube_linter=True)
    assert with_custom_checks(toolbox, config) == (toolbox, config)


def test_a_worker_process_makes_the_same_toolbox() -> None:
    text = "customChecks: [{name: a, template: host-pid}]\n"
    config = parse(".kube-linter.yaml", text, kube_linter=True)
    toolbox, changed = with_custom_checks(make_toolbox(), config)
    assert toolbox.factory is not None
    again = toolbox.factory.make()
    assert again.policies[-1].id == toolbox.policies[-1].id == "a"
    assert changed.include == ("a",)


@pytest.mark.parametrize(
    ("scope", "reach", "both"),
    [
        (("*",), ("apps/*/Deployment",), ("apps/*/Deployment",)),
        (("apps/v1/Deployment",), ("*",), ("apps/v1/Deployment",)),
        (("apps/v1/Deployment",), ("apps/*/Deployment",), ("apps/v1/Deployment",)),
        (("apps/*/Deployment",), ("apps/v1/Deployment",), ("apps/v1/Deployment",)),
        (("core/v1/Service",), ("core/*/Pod",), ()),
    ],
)
def test_a_scope_is_narrowed_to_what_the_template_reaches(
    scope: tuple[str, ...], reach: tuple[str, ...], both: tuple[str, ...]
) -> None:
    assert narrowed(scope, reach) == both


@pytest.mark.parametrize(
    ("pattern", "path", "ignored"),
    [
        ("/a/**", "/a/b/c.yaml", True),
        ("/a/**", "/a", True),
        ("/a/**", "/ab/c.yaml", False),
        ("/**/x/*.yaml", "/q/r/x/a.yaml", True),
        ("/**/x/*.yaml", "/x/a.yaml", True),
        ("/**/x/*.yaml", "/x/y/a.yaml", False),
        ("/a/*.yaml", "/a/b.yml", False),
        ("/a/{b,c}.yaml", "/a/c.yaml", True),
        ("/a/[!b].yaml", "/a/b.yaml", False),
        ("/a/?.yaml", "/a/b.yaml", True),
        ("/a", "/a/b.yaml", False),
        ("/a/../b/*", "/b/c", True),
    ],
)
def test_ignore_paths_are_doublestar_patterns(pattern: str, path: str, ignored: bool) -> None:
    assert ignoring([pattern])(path) is ignored


def test_ignore_paths_start_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ignoring(["vendor/**"])(str(tmp_path / "vendor" / "a.yaml"))
