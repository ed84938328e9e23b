"""The bundled Kubernetes schemas, and those of custom resources."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kpolicy import schemas
from kpolicy.errors import UsageError


@pytest.mark.parametrize(
    ("group", "version", "kind", "path", "expected"),
    [
        ("apps", "v1", "Deployment", "spec.replicas", "integer"),
        ("apps", "v1", "Deployment", "spec.template.spec.containers", "array"),
        ("", "v1", "Pod", "spec.hostNetwork", "boolean"),
        ("", "v1", "Service", "spec.selector", "object"),
        ("networking.k8s.io", "v1", "Ingress", "spec.rules", "array"),
        ("apps", "v1", "Deployment", "spec.strategy.rollingUpdate.maxSurge", "int-or-string"),
        ("", "v1", "PersistentVolume", "spec.capacity", "object"),
        ("", "v1", "ConfigMap", "data", "object"),
        ("batch", "v1", "CronJob", "spec.jobTemplate.spec.template.spec.nodeName", "string"),
    ],
)
def test_field(group: str, version: str, kind: str, path: str, expected: str) -> None:
    """A field has the kind that the OpenAPI document of Kubernetes gives it."""
    found = schemas.load().schema_for(group, version, kind)
    for step in path.split("."):
        assert found is not None, f"{path} ends before {step}"
        found = found.get(step)
    assert found is not None
    assert found.kind == expected


def test_field_that_is_not_there() -> None:
    """A declared object has no other fields; a map has any, of one schema."""
    pod = schemas.load().schema_for("", "v1", "Pod")
    assert pod is not None
    assert pod.get("spek") is None
    assert not pod.is_open
    assert "spec" in pod.field_names
    labels = schemas.load().definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
    assert labels is not None
    values = labels.get("labels")
    assert values is not None
    assert values.additional is not None
    assert values.additional.kind == "string"


def test_versions() -> None:
    """Each bundled release has its own kinds; the newest is the default."""
    known = schemas.bundled_versions()
    assert known[0] == "1.25"
    assert len(known) >= 13
    assert schemas.load().version == known[-1]
    assert schemas.load("v1.30.2").version == "1.30"
    old = schemas.load("1.25").schema_for("flowcontrol.apiserver.k8s.io", "v1beta2", "FlowSchema")
    assert old is not None
    new = schemas.load(known[-1])
    assert new.schema_for("flowcontrol.apiserver.k8s.io", "v1beta2", "FlowSchema") is None
    first = schemas.load("1.28").definition("io.k8s.api.core.v1.Container")
    assert first is not None
    assert first.get("restartPolicy") is not None
    before = schemas.load("1.27").definition("io.k8s.api.core.v1.Container")
    assert before is not None
    assert before.get("restartPolicy") is None


def test_releases_of_a_kind() -> None:
    """The releases that serve a kind are known, as far as they are bundled."""
    first, last = schemas.releases_of("flowcontrol.apiserver.k8s.io", "v1beta2", "FlowSchema") or (
        "",
        "",
    )
    assert (first, last) == ("1.25", "1.28")
    assert schemas.releases_of("apps", "v1", "Deployment") == (
        "1.25",
        schemas.bundled_versions()[-1],
    )
    assert schemas.releases_of("apps", "v1", "Deploymint") is None


@pytest.mark.parametrize("version", ["1.5", "1.99", "2.0", "latest", "1", "1.x"])
def test_unknown_release(version: str) -> None:
    """A release without schemas is refused, and the message says which there are."""
    with pytest.raises(UsageError, match=r"1\.25 to 1|such as 1\.34"):
        schemas.load(version)


CRD = {
    "kind": "CustomResourceDefinition",
    "spec": {
        "group": "example.com",
        "names": {"kind": "Shop"},
        "versions": [
            {
                "name": "v1",
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "size": {"type": "integer"},
                                    "port": {"x-kubernetes-int-or-string": True},
                                    "free": {
                                        "type": "object",
                                        "x-kubernetes-preserve-unknown-fields": True,
                                    },
                                },
                            }
                        },
                    }
                },
            },
            {"name": "v2"},
            "nonsense",
        ],
    },
}


def test_custom_resources() -> None:
    """A CustomResourceDefinition adds its kinds, with metadata; the set before stays as it was."""
    base = schemas.load()
    more = base.with_custom_resources(CRD, {"spec": None}, {})
    assert base.schema_for("example.com", "v1", "Shop") is None
    shop = more.schema_for("example.com", "v1", "Shop")
    assert shop is not None
    assert more.schema_for("example.com", "v2", "Shop") is None
    assert more.schema_for("", "v1", "Pod") == base.schema_for("", "v1", "Pod")
    spec = shop.get("spec")
    assert spec is not None
    port, free, metadata = spec.get("port"), spec.get("free"), shop.get("metadata")
    assert port is not None
    assert port.kind == "int-or-string"
    assert free is not None
    assert free.is_open
    assert metadata is not None
    assert metadata.get("labels") is not None


def test_nothing_is_read_at_import() -> None:
    """Importing the package reads no bundle, and neither does the language."""
    code = (
        "import sys; import kpolicy.schemas, kpolicy.cel.environment; "
        "print('msgspec' in sys.modules, 'zlib' in sys.modules and 'celpy' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "False"]
