"""The linters that are measured: how each is called, says its version, and reports."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Conftest and Kyverno have no checks of their own; each is given this one.
REGO = """\
package main

deny contains msg if {
    some container in input.spec.template.spec.containers
    not container.securityContext.runAsNonRoot
    msg := sprintf("container %s may run as root", [container.name])
}
"""
KYVERNO = """\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: run-as-non-root
spec:
  validationFailureAction: Audit
  background: true
  rules:
    - name: containers
      match:
        any:
          - resources:
              kinds: [Deployment, StatefulSet, DaemonSet]
      validate:
        message: a container may run as root
        pattern:
          spec:
            template:
              spec:
                containers:
                  - securityContext:
                      runAsNonRoot: true
"""


@dataclass(frozen=True)
class Tool:
    """A linter: its arguments before the input, and what its output means."""

    name: str
    program: str
    arguments: tuple[str, ...]
    version: tuple[str, ...]
    count: Callable[[str], int]
    """Findings in what it printed; raises ValueError for what is no report."""
    statuses: tuple[int, ...] = (0, 1)
    """Exit statuses of a run that did its work."""
    streamed: bool = False
    """It reads all manifests from standard input, since it takes files and no directory."""
    cache: str = ""
    """`kept` = results are kept from run to run; `edited` = and one file is edited before each."""


def known_tools(place: Path) -> list[Tool]:
    """Return kpolicy and every peer, on PATH or not; `place` is where their rules are written."""
    rego, kyverno = place / "rego", place / "kyverno.yaml"
    rego.mkdir(exist_ok=True)
    (rego / "main.rego").write_text(REGO)
    kyverno.write_text(KYVERNO)
    kpolicy = str(Path(sys.executable).parent / "kpolicy")
    scan = ("scan", "--isolated", "-q", "--format", "json")
    cold = (*scan, "--no-cache")
    own = {"version": ("--version",), "count": count_kpolicy, "statuses": (0, 1, 2)}
    return [
        Tool("kpolicy", kpolicy, cold, **own),
        Tool("kpolicy, one process", kpolicy, (*cold, "-j1"), **own),
        Tool("kpolicy, unchanged", kpolicy, scan, cache="kept", **own),
        Tool("kpolicy, one file edited", kpolicy, scan, cache="edited", **own),
        Tool("kube-linter", "kube-linter", ("lint", "--format", "json"), ("version",),
             count_kube_linter),
        Tool("kube-score", "kube-score", ("score", "-o", "json", "-"), ("version",),
             count_kube_score, streamed=True),
        Tool("Conftest", "conftest", ("test", "-p", str(rego), "-o", "json"), ("--version",),
             count_conftest),
        Tool("Kyverno CLI", "kyverno", ("apply", str(kyverno), "--resource"), ("version",),
             count_kyverno),
        Tool("Polaris", "polaris", ("audit", "--format", "json", "--audit-path"), ("version",),
             count_polaris),
        Tool("Checkov", "checkov",
             ("--quiet", "--compact", "--framework", "kubernetes", "-o", "json", "-d"),
             ("--version",), count_checkov),
    ]  # fmt: skip


def found_tools(place: Path, names: list[str] | None = None) -> list[Tool]:
    """Return the tools that can be run here; with `names`, kpolicy and those alone."""
    return [
        tool
        for tool in known_tools(place)
        if shutil.which(tool.program)
        and (names is None or tool.name in names or tool.name.startswith("kpolicy"))
    ]


def version_of(tool: Tool) -> str:
    """Return the version that a tool says of itself, or that it says none."""
    done = subprocess.run([tool.program, *tool.version], capture_output=True, text=True)
    return version_in(done.stdout or done.stderr)


def version_in(text: str) -> str:
    """Return the first version in what a tool prints of itself."""
    found = re.search(r"\d+\.\d+\.\d+\S*", text)
    return found[0].rstrip(",\"'") if found else "of its own build"


def count_kpolicy(output: str) -> int:
    """Return the findings of kpolicy's JSON report."""
    found: dict[str, int] = _object(output)["summary"]["findings"]
    return sum(found.values())


def count_kube_linter(output: str) -> int:
    """Return the reports of kube-linter's JSON."""
    return len(_object(output)["Reports"] or ())


def count_kube_score(output: str) -> int:
    """Return the comments of checks that kube-score grades below ok."""
    return sum(
        len(check["comments"] or ())
        for resource in json.loads(output)
        for check in resource["checks"]
        if check["grade"] < 10 and not check["skipped"]
    )


def count_conftest(output: str) -> int:
    """Return the failures of Conftest's JSON."""
    return sum(len(file.get("failures") or ()) for file in json.loads(output))


def count_kyverno(output: str) -> int:
    """Return the failures in Kyverno's last line: `pass: 1, fail: 2, warn: 0, ...`."""
    found = re.search(r"\bfail: (\d+)", output)
    if found is None:
        raise ValueError("no summary")
    return int(found[1])


def count_polaris(output: str) -> int:
    """Return the checks that failed in Polaris' JSON, wherever it nests them."""

    def failed(value: Any) -> Iterator[int]:
        if isinstance(value, dict):
            if value.get("Success") is False:
                yield 1
            for part in value.values():
                yield from failed(part)
        elif isinstance(value, list):
            for part in value:
                yield from failed(part)

    return sum(failed(_object(output)))


def count_checkov(output: str) -> int:
    """Return the failed checks of Checkov's JSON: one report, or a list of them."""
    reports = json.loads(output)
    reports = reports if isinstance(reports, list) else [reports]
    return sum(int(report.get("summary", report).get("failed", 0)) for report in reports)


def _object(output: str) -> dict[str, Any]:
    value = json.loads(output)
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    return value
