"""Acme's WebApp, a custom resource whose controller makes a Deployment of `spec.pod`."""

from __future__ import annotations

from kpolicy.snapshot.kinds import WorkloadKind

WEB_APP = WorkloadKind(
    "acme.example",
    "WebApp",
    template=("spec", "pod"),
    groups=("DeploymentLike",),  # so that kube-linter's checks meet it too
    plural="webapps",
)
