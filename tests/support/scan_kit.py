"""Scans of small trees with small policies, for the tests of the engine and of suppressions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

from kpolicy.config.model import Config
from kpolicy.engine import ScanRequest, Toolbox, scan
from kpolicy.findings import Finding, Report
from kpolicy.plugins.manager import make_toolbox


def write(root: Path, files: Mapping[str, str]) -> Path:
    """Write files below `root`; their text is dedented."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
    return root


def policy(name: str, spec: str, **metadata: str) -> str:
    """Return a native policy; `spec` is the YAML below `spec:`."""
    body = "\n".join("  " + line if line else "" for line in dedent(spec).strip("\n").split("\n"))
    return f"apiVersion: kpolicy.dev/v1\nkind: Policy\nmetadata:\n  name: {name}\nspec:\n{body}\n"


def toolbox() -> Toolbox:
    """Return what ships with kpolicy, without entry points."""
    return make_toolbox((), False)


def run(
    root: Path,
    *policies: str,
    target: str = "",
    config: Config | None = None,
    box: Toolbox | None = None,
    **request: Any,
) -> Report:
    """Scan `root` (or `target` below it) with these policies alone."""
    folder = root.parent / f"{root.name}-policies"
    folder.mkdir(exist_ok=True)
    for stale in folder.iterdir():
        stale.unlink()
    for number, text in enumerate(policies):
        (folder / f"p{number}.yaml").write_text(text, encoding="utf-8")
    request.setdefault("jobs", 1)
    request.setdefault("builtin", False)
    return scan(
        ScanRequest(
            targets=(str(root / target),),
            policy_paths=(str(folder),) if policies else (),
            config=config or Config(),
            **request,
        ),
        box or toolbox(),
    )


def told(report: Report) -> list[str]:
    """Return the messages of a report's findings, in order."""
    return [finding.message for finding in report.findings]


def at(finding: Finding) -> tuple[str, int, int]:
    """Return file name, line and column of a finding."""
    location = finding.place.location
    return location.path.rpartition("/")[2], location.line, location.column


def deployment(name: str, *containers: str, namespace: str = "shop") -> str:
    """Return a Deployment with containers of these names."""
    listed = "\n".join(f"            - {{name: {c}, image: '{c}:1'}}" for c in containers)
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
{listed.replace("            -", "      -")}
"""


def service(name: str, app: str, namespace: str = "shop") -> str:
    """Return a Service that selects the label `app`."""
    return f"""\
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{app: {app}}}
  ports: [{{port: 80}}]
"""
