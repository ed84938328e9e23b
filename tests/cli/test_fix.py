"""`kpolicy scan --fix` and `--diff`: what is written, what is not, and what is said."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from click.testing import Result

import kpolicy.reporters
from kpolicy.cli import fixing
from kpolicy.fixes import files as fixed_files

Run = Callable[..., Result]

POLICY = """\
apiVersion: kpolicy.dev/v1
kind: Policy
metadata: {name: pinned}
spec:
  match: {kinds: [Pod]}
  validations:
    - forEach: {var: c, in: object.containers()}
      expression: "!c.image.endsWith(':latest')"
      message: the image moves
      fix:
        - {op: replace, path: /image, value: "c.image.replace(':latest', ':1.0')"}
        - {op: add, path: object/metadata/labels/pinned, value: "'yes'"}
"""
POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: bad   # a name
spec:
  containers:
    - name: a
      image: "a:latest"   # moves
    - {name: b, image: b:latest}
"""
FIXED = """\
apiVersion: v1
kind: Pod
metadata:
  name: bad   # a name
  labels:
    pinned: "yes"
spec:
  containers:
    - name: a
      image: "a:1.0"   # moves
    - {name: b, image: b:1.0}
"""


@pytest.fixture
def pods(repository: Path) -> Path:
    """Return a file with a pod that a policy mends in two rounds: both fixes add the label."""
    (repository / "policies" / "no-latest.yaml").write_text(POLICY)
    (repository / "apps" / "bad.yaml").write_text(POD)
    return repository / "apps" / "bad.yaml"


def test_fix_edits_the_file_and_reports_what_remains(scan: Run, pods: Path) -> None:
    pods.chmod(0o640)
    result = scan("apps", "--fix")
    assert result.exit_code == 0, result.output
    assert pods.read_text() == FIXED
    assert pods.stat().st_mode & 0o777 == 0o640
    assert "fixed 2" in result.stdout
    assert sorted(p.name for p in pods.parent.iterdir()) == ["bad.yaml", "good.yaml"]


def test_a_second_fix_changes_nothing(scan: Run, pods: Path) -> None:
    scan("apps", "--fix")
    before = pods.stat()
    result = scan("apps", "--fix")
    after = pods.stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    assert "fixed" not in result.stdout


def test_diff_alone_writes_nothing(scan: Run, pods: Path) -> None:
    result = scan("apps", "--diff")
    assert result.exit_code == 1
    assert pods.read_text() == POD
    assert result.stdout.startswith(
        "--- a/apps/bad.yaml\n+++ b/apps/bad.yaml\n@@ -2,8 +2,10 @@\n kind: Pod\n metadata:\n"
        '   name: bad   # a name\n+  labels:\n+    pinned: "yes"\n spec:\n'
    )
    assert "the image moves" in result.stdout


def test_the_diff_of_a_fix_is_what_was_written(scan: Run, pods: Path) -> None:
    shown = scan("apps", "--diff").stdout.partition("\n\n")[0]
    assert scan("apps", "--diff", "--fix").stdout.partition("\n\n")[0] == shown
    assert pods.read_text() == FIXED


def test_the_diff_does_not_mix_with_a_report_for_programs(scan: Run, pods: Path) -> None:
    result = scan("apps", "--diff", "--fix", "--format", "json")
    data = json.loads(result.stdout)
    assert data["summary"]["fixed"] == 2
    assert "+++ b/apps/bad.yaml" in result.stderr


def test_suppressed_findings_are_not_mended(scan: Run, pods: Path) -> None:
    text = POD.replace("name: a\n", "name: a  # kpolicy:ignore pinned\n")
    text = text.replace("b:latest", "b:1")
    pods.write_text(text)
    result = scan("apps", "--fix")
    assert "1 suppressed" in result.stdout, result.stdout
    assert pods.read_text() == text


def test_standard_input_is_not_written(scan: Run, pods: Path) -> None:
    result = scan("-", "--fix", input=POD)
    assert result.exit_code == 1
    assert "not fixed: it is not a file on the disk" in result.stderr


def test_a_file_that_changes_meanwhile_is_left_alone(
    scan: Run, pods: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fixing.write_back

    def slow(origin: fixed_files.Origin, data: bytes) -> str:
        pods.write_text(POD + "# mine\n")
        return real(origin, data)

    monkeypatch.setattr(fixing, "write_back", slow)
    result = scan("apps", "--fix")
    assert result.exit_code == 1
    assert pods.read_text() == POD + "# mine\n"
    assert "the file has changed since it was read" in result.stderr
    assert "fixed" not in result.stdout.splitlines()[-1]


def test_a_link_out_of_the_tree_is_left_alone(scan: Run, pods: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text(POD)
    pods.unlink()
    pods.symlink_to(outside)
    result = scan("apps/bad.yaml", "--fix")
    assert outside.read_text() == POD
    assert "symbolic link that leaves the tree" in result.stderr


def test_a_link_inside_the_tree_stays_a_link(scan: Run, pods: Path) -> None:
    target = pods.with_name("target")
    target.write_text(POD)
    pods.unlink()
    pods.symlink_to("target")
    assert scan("apps", "--fix").exit_code == 0
    assert pods.is_symlink()
    assert target.read_text() == FIXED


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_may_not_be_written_is_named(scan: Run, pods: Path) -> None:
    pods.chmod(0o440)
    result = scan("apps", "--fix")
    assert "permission denied" in result.stderr
    assert pods.read_text() == POD


def test_a_fix_that_does_not_mend_is_made_once(scan: Run, pods: Path) -> None:
    path = pods.parents[1] / "policies" / "no-latest.yaml"
    path.write_text(POLICY.replace("c.image.replace(':latest', ':1.0')", "'x:' + 'latest'"))
    result = scan("apps", "--fix")
    assert result.exit_code == 1
    assert "image: x:latest" in pods.read_text().replace('"', "")
    assert scan("apps", "--fix").exit_code == 1


def test_fix_and_baselines_do_not_go_together(scan: Run, pods: Path) -> None:
    result = scan("apps", "--fix", "--write-baseline", "b.json")
    assert result.exit_code == 2
    assert "--write-baseline" in result.stderr
    assert pods.read_text() == POD


def test_json_and_sarif_carry_the_fix(scan: Run, pods: Path) -> None:
    data = json.loads(scan("apps", "--format", "json").stdout)
    schema = json.loads(
        (Path(kpolicy.reporters.__file__).parent / "report.schema.json").read_text()
    )
    jsonschema.validate(data, schema)
    assert data["findings"][0]["fix"] == [
        {"op": "replace", "path": "/spec/containers/0/image", "value": "a:1.0"},
        {"op": "add", "path": "/metadata/labels", "value": {"pinned": "yes"}},
    ]
    log = json.loads(scan("apps", "--format", "sarif").stdout)
    (fix,) = log["runs"][0]["results"][0]["fixes"]
    (change,) = fix["artifactChanges"]
    assert change["artifactLocation"]["uri"] == "apps/bad.yaml"
    (replacement,) = change["replacements"]
    region = replacement["deletedRegion"]
    lines = POD.split("\n")
    starts = [sum(len(line) + 1 for line in lines[:n]) for n in range(len(lines))]
    start = starts[region["startLine"] - 1] + region["startColumn"] - 1
    end = starts[region["endLine"] - 1] + region["endColumn"] - 1
    mended = POD[:start] + replacement["insertedContent"]["text"] + POD[end:]
    assert mended == FIXED.replace("b:1.0", "b:latest")


def test_built_in_fixes(run: Run, repository: Path) -> None:
    path = repository / "apps" / "bad.yaml"
    path.write_text(
        "apiVersion: policy/v1beta1 # old\nkind: PodDisruptionBudget\n"
        "metadata: {name: a, annotations: {on: yes, v: 1.10}}\nspec:\n  minAvailable: 1\n"
        "  minAvailable: 2\n  selector: {matchLabels: {app: a}}\n---\n"
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n"
        "  selector: {matchLabels: {a: b}}\n  template:\n    metadata: {labels: {a: b}}\n"
        "    spec:\n"
        "      serviceAccount: 'bot'\n      containers:\n        - name: a\n"
        "          image: b:1\n"
        "          securityContext:\n            runAsNonRoot: true\n"
        "            capabilities: {drop: [ALL]}\n"
    )
    chosen = (
        "duplicate-key,invalid-field-type,removed-api-version,deprecated-service-account-field,"
        "pss-privilege-escalation,pdb-unhealthy-pod-eviction-policy"
    )
    result = run("scan", "apps/bad.yaml", "--fix", "--select", chosen)
    assert result.exit_code == 0, result.output
    assert path.read_text() == (
        "apiVersion: policy/v1 # old\nkind: PodDisruptionBudget\n"
        'metadata: {name: a, annotations: {on: "yes", v: "1.10"}}\nspec:\n'
        "  minAvailable: 2\n  selector: {matchLabels: {app: a}}\n"
        "  unhealthyPodEvictionPolicy: AlwaysAllow\n---\n"
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n"
        "  selector: {matchLabels: {a: b}}\n  template:\n    metadata: {labels: {a: b}}\n"
        "    spec:\n"
        "      serviceAccountName: 'bot'\n      containers:\n        - name: a\n"
        "          image: b:1\n"
        "          securityContext:\n            runAsNonRoot: true\n"
        "            capabilities: {drop: [ALL]}\n            allowPrivilegeEscalation: false\n"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        # An empty selector means nothing in v1beta1, and everything in v1.
        ("apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: a}\n"
         "spec: {minAvailable: 1, selector: {}}\n", "removed-api-version"),
        ("apiVersion: networking.k8s.io/v1beta1\nkind: Ingress\nmetadata: {name: a}\n",
         "removed-api-version"),
        # A list where a string belongs is not a matter of quotes.
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: [a]}\n", "invalid-field-type"),
        # A container that keeps its capabilities may need to gain them.
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a}]}\n",
         "pss-privilege-escalation"),
    ],
)  # fmt: skip
def test_what_is_not_safe_is_left_to_people(
    run: Run, repository: Path, text: str, why: str
) -> None:
    path = repository / "apps" / "bad.yaml"
    path.write_text(text)
    result = run("scan", "apps/bad.yaml", "--fix", "--select", why, "--fail-on", "info")
    assert result.exit_code == 1
    assert why in result.stdout
    assert path.read_text() == text
