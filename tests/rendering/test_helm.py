"""Charts that are rendered by Helm itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from render_kit import needs, places, program, scan, settings
from scan_kit import policy, told, write

from kpolicy.rendering.settings import ChartSettings

CHART = "apiVersion: v2\nname: web\nversion: 1.0.0\n"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.replicas }}
  template:
    spec:
      containers:
        - name: web
          image: "nginx:{{ .Values.tag }}"
"""
FILES = {
    "web/Chart.yaml": CHART,
    "web/values.yaml": "replicas: 1\ntag: latest\n",
    "web/prod.yaml": "replicas: 5\n",
    "web/templates/deployment.yaml": DEPLOYMENT,
}
LATEST = policy(
    "latest",
    """
    title: The tag latest
    severity: warning
    match: {kinds: [Deployment]}
    validations:
      - forEach: {var: c, in: object.containers()}
        expression: "!c.image.endsWith(':latest')"
        messageExpression: "object.metadata.name + ' ' + string(object.spec.replicas)"
    """,
)
pytestmark = needs("helm")


def test_a_chart_is_rendered_and_its_findings_stand_in_the_template(tmp_path: Path) -> None:
    root = tmp_path / "r"
    report = scan(root, FILES, LATEST)
    assert told(report) == ["web 1"]
    assert places(report, root) == ["web/templates/deployment.yaml:10"]
    assert report.findings[0].details["rendered"].startswith("helm template ")
    assert dict(report.summary.skipped) == {"not-kubernetes": 1, "rendered": 3}
    assert report.notes == ()


def test_each_set_of_values_is_a_rendering_of_its_own(tmp_path: Path) -> None:
    root = tmp_path / "r"
    chart = ChartSettings("web", release="shop", sets={"one": (), "five": ("prod.yaml",)})
    report = scan(root, FILES, LATEST, settings=settings(charts=(chart,)))
    assert sorted(told(report)) == ["shop 1", "shop 5"]
    assert len({f.fingerprint for f in report.findings}) == 2
    assert sorted(f.details["rendered"].rpartition(", ")[2] for f in report.findings) == [
        "five", "one",
    ]  # fmt: skip


def test_a_values_file_that_is_not_there_is_invalid(tmp_path: Path) -> None:
    chart = ChartSettings("web", values=("production.yaml",))
    report = scan(tmp_path / "r", FILES, LATEST, settings=settings(charts=(chart,)))
    (invalid,) = report.invalid
    assert 'values file "production.yaml"' in invalid.message


def test_a_failing_chart_is_invalid_at_the_line_that_helm_names(tmp_path: Path) -> None:
    root = tmp_path / "r"
    files = {**FILES, "web/templates/bad.yaml": 'a: 1\nb: {{ fail "no good" }}\n'}
    report = scan(root, files, LATEST)
    (invalid,) = report.invalid
    assert Path(invalid.location.path) == root / "web/templates/bad.yaml"
    assert invalid.location.line == 2
    assert "no good" in invalid.message
    assert "kpolicy-render" not in invalid.message
    assert told(report) == []


def test_a_dependency_that_is_not_vendored_says_what_to_do(tmp_path: Path) -> None:
    dependency = "dependencies:\n- name: db\n  version: 1.0.0\n  repository: https://x.example\n"
    report = scan(tmp_path / "r", {**FILES, "web/Chart.yaml": CHART + dependency}, LATEST)
    (invalid,) = report.invalid
    assert "missing in charts/ directory: db" in invalid.message
    assert "helm dependency build" in invalid.message
    assert Path(invalid.location.path).name == "Chart.yaml"


def test_libraries_and_subcharts_are_not_rendered_for_themselves(tmp_path: Path) -> None:
    root = tmp_path / "r"
    files = {
        **FILES,
        "lib/Chart.yaml": "apiVersion: v2\nname: lib\nversion: 1.0.0\ntype: library\n",
        "lib/templates/_a.tpl": "",
        "web/charts/db/Chart.yaml": "apiVersion: v2\nname: db\nversion: 1.0.0\n",
        "web/charts/db/values.yaml": "replicas: 9\ntag: latest\n",
        "web/charts/db/templates/db.yaml": DEPLOYMENT,
    }
    report = scan(root, files, LATEST)
    assert sorted(told(report)) == ["web 1", "web 9"]
    assert "web/charts/db/templates/db.yaml:10" in places(report, root)


def test_a_comment_in_the_template_suppresses(tmp_path: Path) -> None:
    template = DEPLOYMENT.replace("- name: web", "- name: web # kpolicy:ignore latest pinned below")
    report = scan(tmp_path / "r", {**FILES, "web/templates/deployment.yaml": template}, LATEST)
    assert told(report) == []
    assert [f.suppression.reason for f in report.suppressed if f.suppression] == ["pinned below"]


def test_a_link_out_of_the_tree_is_not_given_to_helm(tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("a: 1\n")
    (tmp_path / "r/web/templates").mkdir(parents=True)
    (tmp_path / "r/web/templates/link.txt").symlink_to(secret)
    report = scan(tmp_path / "r", FILES, LATEST)
    assert ["leaves the scanned tree" in i.message for i in report.invalid] == [True]


def test_a_program_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    slow = "{{ range $i := until 100000 }}{{ range $j := until 100000 }}{{ end }}{{ end }}\n"
    files = {**FILES, "web/templates/slow.yaml": slow}
    report = scan(tmp_path / "r", files, LATEST, settings=settings(seconds=0.5))
    assert ["took longer than 0.5 s" in i.message for i in report.invalid] == [True]


def test_no_name_in_the_tree_is_an_option_of_helm(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\n: > {marker}\ncat\n")
    program.chmod(0o755)
    chart = CHART.replace("name: web", f"name: --post-renderer={program}")
    report = scan(tmp_path / "r", {**FILES, "web/Chart.yaml": chart}, LATEST)
    assert not marker.exists()
    assert len(report.invalid) == 1
    chosen = ChartSettings("web", release=f"--post-renderer={program}", namespace="--debug")
    report = scan(tmp_path / "s", FILES, LATEST, settings=settings(charts=(chosen,)))
    assert not marker.exists()
    assert "release name" in report.invalid[0].message


def test_fingerprints_do_not_depend_on_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "r"
    prints = set()
    for here in (tmp_path, root / "web"):
        root.joinpath("web").mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(here)
        (finding,) = scan(root, FILES, LATEST).findings
        prints.add((finding.fingerprint, finding.scope))
    assert len(prints) == 1


def test_an_interrupted_scan_leaves_nothing_behind(tmp_path: Path) -> None:
    import os
    import signal
    import subprocess
    import sys
    import time

    slow = "{{ range $i := until 100000 }}{{ range $j := until 100000 }}{{ end }}{{ end }}\n"
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    write(tmp_path / "r", {**FILES, "web/templates/slow.yaml": slow})
    program_path = os.path.dirname(program("helm"))  # noqa: PTH120
    environment = {**os.environ, "PATH": program_path, "TMPDIR": str(scratch)}
    scanning = subprocess.Popen(
        [sys.executable, "-m", "kpolicy", "scan", str(tmp_path / "r")],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
    )  # fmt: skip
    while not list(scratch.glob("kpolicy-render-*/*/tree/web/Chart.yaml")):
        assert scanning.poll() is None
        time.sleep(0.05)
    time.sleep(0.3)
    scanning.send_signal(signal.SIGINT)
    _, error = scanning.communicate(timeout=20)
    assert scanning.returncode == 130
    assert b"Traceback" not in error
    assert list(scratch.iterdir()) == []
