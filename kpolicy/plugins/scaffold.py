"""The files of a new plugin package and of a new policy: pure functions from names to texts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from string import Template

from kpolicy.errors import Problem, UsageError

#: What a plugin can begin with, and what each part is.
PARTS: Mapping[str, str] = {
    "pack": "policies in YAML with their tests",
    "function": "a CEL function in Python",
    "relation": "a relation between resources",
    "policy": "a policy in Python",
    "labels": "post-processing that labels findings",
    "reporter": "an output format",
    "kind": "a workload kind for a custom resource",
}
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
_POLICY = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z")


def plugin_files(name: str, parts: tuple[str, ...]) -> dict[str, str]:
    """Return path -> text of the package `kpolicy-NAME`. Raises `UsageError` for a bad name."""
    if not _NAME.match(name):
        hint = "lower-case letters, digits and hyphens, as in acme or acme-payments"
        raise UsageError(Problem(f'"{name}" cannot be the name of a plugin', None, hint))
    if name == "kpolicy" or name.startswith("kpolicy-"):
        hint = f"the distribution will be called kpolicy-{name.removeprefix('kpolicy-') or 'NAME'}"
        raise UsageError(Problem(f'leave "kpolicy" out of the name "{name}"', None, hint))
    package = f"kpolicy_{name.replace('-', '_')}"
    words = {"name": name, "package": package, "identifier": name.replace("-", "_")}
    source = f"src/{package}"
    files = {
        "pyproject.toml": _PYPROJECT,
        "README.md": _README,
        ".gitignore": _GITIGNORE,
        ".github/workflows/test.yml": _WORKFLOW,
        f"{source}/__init__.py": '"""What $name adds to kpolicy."""\n',
        f"{source}/py.typed": "",
        f"{source}/plugin.py": _plugin(parts),
        "tests/test_plugin.py": _tests(parts),
    }
    if "pack" in parts:
        expression = _USES_FUNCTION if "function" in parts else _USES_NONE
        files[f"{source}/policies/$name-owner-label.yaml"] = _PACK_POLICY + expression
        files[f"{source}/policies/$name-owner-label_test.yaml"] = _PACK_TEST
    if "function" in parts:
        files[f"{source}/functions.py"] = _FUNCTION
    if "relation" in parts:
        files[f"{source}/relations.py"] = _RELATION
    if "policy" in parts:
        files[f"{source}/checks.py"] = _CHECK
    if "labels" in parts:
        files[f"{source}/labels.py"] = _LABELS
    if "reporter" in parts:
        files[f"{source}/reporter.py"] = _REPORTER
    if "kind" in parts:
        files[f"{source}/kinds.py"] = _KIND
    return {
        Template(path).substitute(words): Template(text).substitute(words)
        for path, text in files.items()
    }


def policy_files(policy: str, kind: str, severity: str, title: str) -> dict[str, str]:
    """Return file name -> text of a policy and its test, both sound as they are.

    Raises `UsageError` for a bad id.
    """
    if not _POLICY.match(policy):
        hint = "lower-case letters, digits, dots and hyphens, as in run-as-non-root"
        raise UsageError(Problem(f'"{policy}" cannot be the id of a policy', None, hint))
    words = {
        "id": policy,
        "kind": kind,
        "severity": severity,
        "title": json.dumps(title or policy, ensure_ascii=False),
        **_sample(kind),
    }
    return {
        f"{policy}.yaml": Template(_POLICY_YAML).substitute(words),
        f"{policy}_test.yaml": Template(_POLICY_TEST).substitute(words),
    }


def _sample(kind: str) -> dict[str, str]:
    """Return apiVersion, kind and spec of a manifest that a policy for `kind` meets."""
    from kpolicy.snapshot.tables import built_in_kinds

    name = kind.rpartition("/")[2]
    if not name[:1].isupper():
        return {"api": "v1", "sample": "Pod", "spec": "{containers: [{name: app, image: app:1}]}"}
    if "/" in kind:
        group = kind.rpartition("/")[0]
        api = group if "/" in group else f"{group}/v1"
    else:
        groups = [row.group for row in built_in_kinds() if row.kind == name]
        api = "example.org/v1" if not groups else f"{groups[0]}/v1" if groups[0] else "v1"
    return {"api": api, "sample": name, "spec": "{}"}


def _plugin(parts: tuple[str, ...]) -> str:
    hooks = [_HOOKS[part] for part in PARTS if part in parts]
    types = "\n".join(sorted(f"    {_TYPES[part]}" for part in parts))
    collections = [
        *(["Iterable"] if set(parts) - {"labels"} else []),
        *(["Sequence"] if "labels" in parts else []),
    ]
    head = _PLUGIN_HEAD.replace("$types", types)
    return "\n\n".join([head.replace("$collections", ", ".join(collections)), *hooks])


def _tests(parts: tuple[str, ...]) -> str:
    tests = [_TESTS[part] for part in PARTS if part in parts]
    return "\n\n".join([_TESTS_HEAD, *tests])


_PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "kpolicy-$name"
version = "0.1.0"
description = "What $name adds to kpolicy."
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["kpolicy>=0.1"]

[project.optional-dependencies]
dev = ["mypy>=1.13", "pytest>=8.3", "ruff>=0.8"]

# kpolicy finds the plugin by this entry point; "$name" is the plugin's name.
[project.entry-points.kpolicy]
$name = "$package.plugin"

[tool.hatch.build.targets.wheel]
packages = ["src/$package"]

[tool.pytest.ini_options]
testpaths = ["tests"]
addopts = "--strict-markers --strict-config --import-mode=importlib"
filterwarnings = ["error"]

[tool.mypy]
strict = true
packages = ["$package"]

[tool.ruff]
line-length = 100

[tool.ruff.lint]
select = ["E", "F", "W", "I", "UP", "B", "C4", "SIM", "RUF"]
"""
_README = """\
# kpolicy-$name

A plugin for kpolicy. Install it beside kpolicy and it takes part in every scan:

```
pip install kpolicy-$name
kpolicy plugin list
```

To work on it:

```
python -m venv .venv && .venv/bin/pip install -e '.[dev]'
.venv/bin/python -m pytest
.venv/bin/ruff check . && .venv/bin/mypy
```

kpolicy's docs/plugins.md says what each hook may return.
"""
_GITIGNORE = """\
.venv/
__pycache__/
dist/
*.egg-info/
.pytest_cache/
.mypy_cache/
.ruff_cache/
"""
_WORKFLOW = """\
name: test
on: [push, pull_request]
permissions:
  contents: read
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "3.11"}
      - run: pip install -e '.[dev]'
      - run: ruff check .
      - run: mypy
      - run: pytest
"""
_PLUGIN_HEAD = '''\
"""The hooks of this plugin. Each imports what it returns when it is called."""

from __future__ import annotations

from collections.abc import $collections
from typing import TYPE_CHECKING

from kpolicy import hookimpl

if TYPE_CHECKING:
$types

#: The version of kpolicy's plugin API that this was written for.
kpolicy_api = 1
'''
_TYPES = {
    "pack": "from kpolicy.policy.packs import PolicyPack",
    "function": "from kpolicy.cel.declarations import Library",
    "relation": "from kpolicy.relations.model import Relation",
    "policy": "from kpolicy.policy.model import Policy",
    "labels": "from kpolicy.findings import Finding",
    "reporter": "from kpolicy.reporters.model import Reporter",
    "kind": "from kpolicy.snapshot.kinds import WorkloadKind",
}
_HOOKS = {
    "pack": '''\
@hookimpl
def kpolicy_policy_packs() -> Iterable[PolicyPack]:
    """Add the pack of this plugin: every policy in policies/."""
    from importlib.resources import files

    from kpolicy.policy.packs import PolicyPack

    return [PolicyPack("$name", files("$package") / "policies")]
''',
    "function": '''\
@hookimpl
def kpolicy_cel_libraries() -> Iterable[Library]:
    """Add the CEL function `$identifier.owner(labels)`."""
    from $package.functions import library

    return [library()]
''',
    "relation": '''\
@hookimpl
def kpolicy_relations() -> Iterable[Relation]:
    """Add `object.related('$name-settings')`."""
    from $package.relations import SETTINGS

    return [SETTINGS]
''',
    "policy": '''\
@hookimpl
def kpolicy_policies() -> Iterable[Policy]:
    """Add the policy that is made in Python."""
    from $package.checks import POLICY

    return [POLICY]
''',
    "labels": '''\
@hookimpl
def kpolicy_process_findings(findings: Sequence[Finding]) -> Sequence[Finding]:
    """Label each finding with its owner."""
    from $package.labels import labelled

    return [labelled(finding) for finding in findings]
''',
    "reporter": '''\
@hookimpl
def kpolicy_reporters() -> Iterable[Reporter]:
    """Add `--format $name`."""
    from kpolicy.reporters.model import Reporter

    from $package.reporter import render

    return [Reporter("$name", render, doc="How many findings each policy has.")]
''',
    "kind": '''\
@hookimpl
def kpolicy_workload_kinds() -> Iterable[WorkloadKind]:
    """Make policies for workloads meet a custom resource."""
    from $package.kinds import APP

    return [APP]
''',
}
_FUNCTION = '''\
"""A CEL function in Python: pure, total, with its types declared."""

from __future__ import annotations

from collections.abc import Mapping

from kpolicy.cel import STRING, Function, Library, Overload
from kpolicy.cel.types import DYN, map_of


def owner(labels: Mapping[str, object]) -> str:
    """Return who owns a resource by its labels, "" where nobody does."""
    named = labels.get("owner")
    return named if isinstance(named, str) else ""


def library() -> Library:
    """Return the library: `$identifier.owner(labels)`."""
    overload = Overload("${identifier}_owner_map", (map_of(STRING, DYN),), STRING, owner)
    return Library("$name", (Function("$identifier.owner", (overload,)),))
'''
_RELATION = '''\
"""A relation: a workload and the ConfigMap that its annotation `$name/settings` names."""

from __future__ import annotations

from collections.abc import Iterable

from kpolicy.relations.model import Entry, Relation, Side
from kpolicy.snapshot.kinds import Kinds
from kpolicy.snapshot.resource import Resource

ANNOTATION = "$name/settings"


def named(resource: Resource, _kinds: Kinds) -> Iterable[Entry]:
    """File a workload under the ConfigMap that it names, in its own namespace."""
    metadata = resource.body.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    name = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    if isinstance(name, str) and name:
        key = (resource.key.namespace, name)
        pointer = "/metadata/annotations/" + ANNOTATION.replace("/", "~1")
        yield Entry(key, pointer=pointer, target=("", "ConfigMap", *key))


def itself(resource: Resource, _kinds: Kinds) -> Iterable[Entry]:
    """File a ConfigMap under its own name."""
    yield Entry((resource.key.namespace, resource.name))


SETTINGS = Relation(
    "$name-settings",
    left=Side(("workloads",), named),
    right=Side(("ConfigMap",), itself),
    inverse="$name-settings-of",
)
'''
_CHECK = '''\
"""A policy in Python, for what CEL cannot say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kpolicy.policy.model import Match, Policy, Violation
from kpolicy.snapshot.resource import Resource
from kpolicy.snapshot.snapshot import Snapshot


def check(
    resource: Resource, _snapshot: Snapshot, _params: Mapping[str, Any]
) -> Iterable[Violation]:
    """Yield a violation for each thing that is wrong with a resource."""
    if resource.name.startswith("tmp-"):
        yield Violation("the name says that this is temporary", at=resource.body["metadata"])


POLICY = Policy(
    "$name-temporary-name",
    severity="info",
    title="Temporary name",
    pack="$name",
    default=True,
    description="Names that begin with tmp- stay for years.",
    remediation="Give it a name that says what it is for.",
    match=Match(kinds=("workloads",)),
    check=check,
)
'''
_LABELS = '''\
"""Labels for findings, from the labels of their resources."""

from __future__ import annotations

from dataclasses import replace

from kpolicy.findings import Finding


def labelled(finding: Finding) -> Finding:
    """Return the finding with the label `owner`, as it was where nobody owns its resource."""
    owner = finding.resource_labels.get("owner")
    return replace(finding, labels={**finding.labels, "owner": owner}) if owner else finding
'''
_REPORTER = '''\
"""An output format: a line for each policy."""

from __future__ import annotations

from collections import Counter

from kpolicy.findings import Report
from kpolicy.reporters.model import ReportContext


def render(report: Report, _context: ReportContext) -> str:
    """Return how many findings each policy has."""
    counts = Counter(finding.policy for finding in report.findings)
    lines = [f"{policy}: {count}" for policy, count in sorted(counts.items())]
    return "\\n".join(lines or ["no findings"]) + "\\n"
'''
_KIND = '''\
"""A custom resource whose controller makes pods of the template at `spec.template`."""

from __future__ import annotations

from kpolicy.snapshot.kinds import WorkloadKind

APP = WorkloadKind("$name.example", "App", template=("spec", "template"), plural="apps")
'''
_PACK_POLICY = """\
apiVersion: kpolicy.dev/v1
kind: Policy
metadata:
  name: $name-owner-label
spec:
  title: Workload without an owner
  severity: warning
  default: true
  description: Somebody has to be called when a workload fails.
  remediation: Label the workload with `owner`.
  match: {kinds: [workloads]}
  validations:
"""
_USES_FUNCTION = """\
    - expression: "$identifier.owner(object.metadata.?labels.orValue({})) != ''"
      message: no label owner
"""
_USES_NONE = """\
    - expression: "object.metadata.?labels.?owner.orValue('') != ''"
      message: no label owner
"""
_PACK_TEST = """\
policy: $name-owner-label
cases:
  - name: no label
    manifests: |
      apiVersion: v1
      kind: Pod
      metadata: {name: a}
      spec: {containers: [{name: app}]}
    findings:
      - {resource: Pod/a, message: no label owner}
  - name: an owner
    manifests: |
      apiVersion: v1
      kind: Pod
      metadata: {name: a, labels: {owner: ann}}
      spec: {containers: [{name: app}]}
    findings: 0
"""
_TESTS_HEAD = '''\
"""The plugin as it is installed."""

from __future__ import annotations

from pathlib import Path

import kpolicy
import pytest
from kpolicy.plugins import make_plugin_manager

PODS = """\\
apiVersion: v1
kind: Pod
metadata: {name: tmp-a, annotations: {$name/settings: s}}
spec: {containers: [{name: app}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, labels: {owner: ann}}
spec: {containers: [{name: app}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: s}
"""
ASKING = """\\
apiVersion: kpolicy.dev/v1
kind: Policy
metadata: {name: asking}
spec:
  title: Finds every Pod for which the expression does not hold
  severity: warning
  match: {kinds: [Pod]}
  validations: [{expression: "%s", message: found}]
"""


@pytest.fixture
def pods(tmp_path: Path) -> Path:
    """Two Pods, one with an owner."""
    path = tmp_path / "pods.yaml"
    path.write_text(PODS)
    return path


def found(pods: Path, policy: str, expression: str = "") -> list[str]:
    """Return the names of the resources that a policy finds."""
    policies = pods.parent / "asking.yml"
    policies.write_text(ASKING % (expression or "true"))
    report = kpolicy.scan(pods, policies=policies, select=[policy], isolated=True, cache=False)
    return [finding.resource.name for finding in report.findings]


def test_the_plugin_is_active() -> None:
    host = make_plugin_manager()
    host.toolbox()
    assert host.plugins["$name"].status == "active"
    assert host.problems == []
'''
_TESTS = {
    "pack": """\
def test_the_pack_s_policy_finds_what_it_should(pods: Path) -> None:
    assert found(pods, "$name-owner-label") == ["tmp-a"]
""",
    "function": """\
def test_the_function_can_be_called(pods: Path) -> None:
    owner = "$identifier.owner(object.metadata.?labels.orValue({})) == 'ann'"
    assert found(pods, "asking", owner) == ["tmp-a"]
""",
    "relation": """\
def test_the_relation_relates(pods: Path) -> None:
    assert found(pods, "asking", "!object.isRelated('$name-settings')") == ["tmp-a"]
""",
    "policy": """\
def test_the_python_policy_finds_what_it_should(pods: Path) -> None:
    assert found(pods, "$name-temporary-name") == ["tmp-a"]
""",
    "labels": """\
def test_findings_are_labelled(pods: Path) -> None:
    policies = pods.parent / "asking.yml"
    policies.write_text(ASKING % "false")
    report = kpolicy.scan(pods, policies=policies, select=["asking"], isolated=True, cache=False)
    assert [dict(finding.labels) for finding in report.findings] == [{}, {"owner": "ann"}]
""",
    "reporter": """\
def test_the_reporter_counts() -> None:
    from kpolicy.reporters.model import ReportContext

    from $package.reporter import render

    assert render(kpolicy.Report(), ReportContext("1")) == "no findings\\n"
    assert "$name" in [reporter.name for reporter in make_plugin_manager().reporters()]
""",
    "kind": """\
def test_the_kind_is_a_workload(pods: Path) -> None:
    pods.write_text(
        "apiVersion: $name.example/v1\\nkind: App\\nmetadata: {name: web}\\n"
        "spec: {template: {spec: {hostNetwork: true, containers: [{name: app}]}}}\\n"
    )
    policies = pods.parent / "asking.yml"
    text = ASKING % "!object.podSpec().?hostNetwork.orValue(false)"
    policies.write_text(text.replace("[Pod]", "[workloads]"))
    report = kpolicy.scan(pods, policies=policies, select=["asking"], isolated=True, cache=False)
    assert [finding.resource.kind for finding in report.findings] == ["App"]
""",
}
_POLICY_YAML = """\
apiVersion: kpolicy.dev/v1
kind: Policy
metadata:
  name: $id
spec:
  title: $title
  severity: $severity
  description: What it finds, and why that matters.
  remediation: What to do about it.
  match: {kinds: [$kind]}
  validations:
    - expression: "!('$id' in object.metadata.?labels.orValue({}))"
      messageExpression: "object.metadata.name + ' has the label $id'"
"""
_POLICY_TEST = """\
policy: $id
cases:
  - name: bad
    manifests: |
      apiVersion: $api
      kind: $sample
      metadata: {name: bad, labels: {$id: "yes"}}
      spec: $spec
    findings:
      - {resource: $sample/bad, message: bad has the label $id}
  - name: good
    manifests: |
      apiVersion: $api
      kind: $sample
      metadata: {name: good}
      spec: $spec
    findings: 0
"""
