"""Hand-made reports that every reporter's test renders."""

from __future__ import annotations

from types import MappingProxyType

from kpolicy.findings import (
    Finding,
    Place,
    PolicyInfo,
    Related,
    Report,
    ResourceRef,
    Summary,
    Suppression,
)
from kpolicy.location import SourceLocation
from kpolicy.manifests.model import Invalid, Note
from kpolicy.reporters.model import ReportContext

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  template:
    spec:
      containers:
        - name: web  # the shop itself
          image: registry.example/web:latest
          ports: [{containerPort: 8080}]
      volumes:
        - name: logs
          persistentVolumeClaim: {claimName: shop-logs}
"""
LOGGER = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: log-shipper, namespace: shop}
spec:
  template:
    spec:
      containers:
        - name: fluentd
          image: registry.example/fluentd:1.17
"""
FILES = {"apps/web.yaml": WEB, "apps/logger.yaml": LOGGER, "apps/broken.yaml": "kind: [\n"}

WEB_REF = ResourceRef("apps/v1", "Deployment", "shop", "web")
LOGGER_REF = ResourceRef("apps/v1", "StatefulSet", "shop", "log-shipper")
CONTAINER = Place(SourceLocation("apps/web.yaml", 10, 11), "/spec/template/spec/containers/0")
SPLIT_HELP = "Run the helper as a sidecar container in the pod it serves."
TAG_HELP = "Use a fixed version or a digest."


def finding(**changes: object) -> Finding:
    """Return a `latest-tag` finding with `changes`."""
    values: dict[str, object] = {
        "policy": "latest-tag",
        "pack": "kube-linter",
        "severity": "error",
        "outcome": "fail",
        "message": 'container "web" uses the tag "latest"',
        "resource": WEB_REF,
        "place": CONTAINER,
        "fingerprint": "a1",
        "remediation": TAG_HELP,
        "item": "web",
    }
    return Finding(**(values | changes))  # type: ignore[arg-type]


SPLIT = finding(
    policy="split-sidecar",
    pack="sidecar",
    severity="warning",
    message="log-shipper is a helper of web that runs in a pod of its own",
    place=Place(SourceLocation("apps/logger.yaml", 8, 11), "/spec/template/spec/containers/0"),
    resource=LOGGER_REF,
    fingerprint="b2",
    remediation=SPLIT_HELP,
    related=(
        Related(
            WEB_REF,
            Place(SourceLocation("apps/web.yaml", 14, 11), "/spec/template/spec/volumes/0"),
            "shared-volume-claim",
        ),
    ),
)
UNSET = finding(
    policy="unset-cpu-requirements",
    severity="warning",
    message='container "web" has no CPU request',
    fingerprint="c3",
    remediation="Set requests and limits.",
)
SECOND_TAG = finding(
    message='container "proxy" uses the tag "latest"',
    place=Place(SourceLocation("apps/web.yaml", 11, 18), "/spec/template/spec/containers/0/image"),
    fingerprint="d4",
)
INFO = finding(
    policy="no-owner",
    pack="acme",
    severity="info",
    message="nobody owns this",
    place=Place(SourceLocation("apps/web.yaml", 1, 1)),
    fingerprint="e5",
    remediation="",
    labels=MappingProxyType({"team": "shop"}),
)
EVALUATION_ERROR = finding(
    policy="dangling-service",
    outcome="error",
    message="no such key: selector",
    fingerprint="f6",
    remediation="",
    place=Place(SourceLocation("apps/web.yaml", 1, 1)),
)
SUPPRESSED = finding(
    fingerprint="g7",
    suppression=Suppression(
        "annotation", "agreed with security", SourceLocation("apps/web.yaml", 3, 3)
    ),
)
POLICIES = (
    PolicyInfo(
        "latest-tag", "kube-linter", "error", "Image with the tag latest",
        "A tag that moves makes two pods of one workload run different code.", TAG_HELP,
        ("https://kubernetes.io/docs/concepts/containers/images/",), "supply-chain",
    ),
    PolicyInfo(
        "split-sidecar", "sidecar", "warning", "Sidecar split into its own pod",
        "A helper that shares a volume with its main app runs in another pod.", SPLIT_HELP,
    ),
)  # fmt: skip

FULL = Report(
    findings=(SPLIT, INFO, EVALUATION_ERROR, finding(), UNSET, SECOND_TAG),
    suppressed=(SUPPRESSED,),
    invalid=(Invalid(SourceLocation("apps/broken.yaml", 1, 8), "expected ',' or ']'"),),
    notes=(Note("charts/shop is a Helm chart and was skipped"),),
    summary=Summary(
        documents=5, resources=4, policies=38, evaluations=90, suppressed=1, invalid=1,
        skipped=MappingProxyType({"not-kubernetes": 2}),
    ),
    policies=POLICIES,
    digest="sha256:" + "0123456789abcdef" * 4,
)  # fmt: skip
EMPTY = Report(summary=Summary())
CLEAN = Report(summary=Summary(documents=3, resources=3, policies=38, evaluations=114))
MOSTLY_SKIPPED = Report(
    summary=Summary(
        documents=9, resources=2, policies=38, evaluations=76,
        skipped=MappingProxyType({"not-kubernetes": 3, "helm-template": 4}),
    )
)  # fmt: skip

HOSTILE_TEXT = (
    "\x1b]0;owned\x07\x1b[31mred\x1b[0m ::error::x <b>&\"' | `x` [a](javascript:x) %0A\n::set\u202e"
)
HOSTILE = Report(
    findings=(
        finding(
            message=HOSTILE_TEXT,
            resource=ResourceRef("v1", "Pod\x1b[2J", "", "na\nme]]>"),
            place=Place(SourceLocation("a,b:c%\x1b[1m.yaml", 1, 1), "/x\x1b[1m"),
            remediation="",
        ),
        finding(
            message="=HYPERLINK(1)",
            place=Place(SourceLocation("z\udc80.yaml", 2, 1)),
            remediation="",
            fingerprint="h8",
        ),
    ),
    invalid=(Invalid(SourceLocation("<stdin>", 1, 1), "bad \x9b31m <x> \ud800"),),
    summary=Summary(documents=2, resources=2, policies=1, evaluations=2, invalid=1),
)


def read_lines(path: str) -> list[str]:
    """Return the lines of a sample file."""
    return FILES.get(path, "").splitlines()


def context(**changes: object) -> ReportContext:
    """Return a context that reads the sample files, below a repository's root."""
    values: dict[str, object] = {
        "version": "0.1.0",
        "read_lines": read_lines,
        "repository_root": "/repo",
        "working_directory": "/repo/clusters",
    }
    return ReportContext(**(values | changes))  # type: ignore[arg-type]
