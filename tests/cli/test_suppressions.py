"""`kpolicy suppressions`: all that silences a finding, in one list."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Run = Callable[..., Result]

PODS = """\
apiVersion: v1
kind: Pod
metadata:
  name: a
  annotations: {ignore.kpolicy.dev/privileged-container: it is a driver}
spec: {containers: [{name: app, image: "app:1", securityContext: {privileged: true}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b}
spec:
  containers:
    # kpolicy:ignore privileged-container it is another
    - {name: app, image: "app:1", securityContext: {privileged: true}}
---
apiVersion: v1
kind: Pod
metadata: {name: c, annotations: {ignore.kpolicy.dev/host-pid: nothing to silence}}
spec: {containers: [{name: app, image: "app:1"}]}
"""


def test_every_kind_is_listed_with_place_and_reason(run: Run, repository: Path) -> None:
    (repository / "pods.yaml").write_text(PODS)
    arguments = ("suppressions", "pods.yaml", "--select", "privileged-container,host-pid")
    rows = json.loads(run(*arguments, "--format", "json").stdout)
    assert [(row["kind"], row["reason"], row["resource"]) for row in rows["suppressions"]] == [
        ("annotation", "it is a driver", "Pod/a"),
        ("comment", "it is another", "Pod/b"),
    ]
    assert [row["at"] for row in rows["unused"]] != []
    text = run(*arguments).stdout
    assert "reason: it is a driver" in text
    assert text.endswith("2 findings suppressed. Without effect: 1 suppression.\n")


def test_a_mistake_in_the_selection(run: Run, repository: Path) -> None:
    result = run("suppressions", "--select", "nope")
    assert result.exit_code == 2
    assert 'no policy "nope"' in result.stderr
