"""Who names a ConfigMap, Secret or ServiceAccount in fields that are read by their names."""

from __future__ import annotations

from typing import Any

import pytest
from manifest_values import names, obj, snapshot, workload

from kpolicy.relations import directory, relations

RELATION, REVERSE = directory(relations())["names-object"]


def named(body: dict[str, Any], *others: dict[str, Any]) -> list[str]:
    found = snapshot(body, *others)
    return names(found.index(RELATION).related(found.resources[0], None, REVERSE))


def widget(**spec: Any) -> dict[str, Any]:
    return obj("Widget", "w", "n", "example.com/v1", spec=spec)


RBAC = "rbac.authorization.k8s.io/v1"
SECRET = obj("Secret", "x", "n")
FOREIGN = obj("Secret", "x", "far")


@pytest.mark.parametrize(
    "spec",
    [
        {"secretName": "x"},
        {"tls_secret": "x"},
        {"secrets": ["a", "x"]},
        {"imagePullSecrets": [{"name": "x"}]},
        {"auth": {"passwordSecretRef": {"name": "x", "key": "k"}}},
        {"valuesFrom": [{"kind": "Secret", "name": "x"}]},
        {"deep": [{"er": [{"clientSecret": "n/x"}]}]},
    ],
)
def test_a_field_called_after_secrets_names_one_of_its_namespace(spec: dict[str, Any]) -> None:
    assert named(widget(**spec), SECRET, FOREIGN) == ["x"]


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "x"},
        {"secretNamespace": "x"},
        {"secretName": "y"},
        {"secretRef": {"name": "x", "namespace": "elsewhere"}},
        {"secretName": 1, "secrets": [1, None, {}], "secretRef": {"name": []}},
    ],
)
def test_other_fields_name_none(spec: dict[str, Any]) -> None:
    assert named(widget(**spec), SECRET, FOREIGN) == []


@pytest.mark.parametrize(
    ("field", "kind"),
    [("configMapName", "ConfigMap"), ("serviceAccountName", "ServiceAccount")],
)
def test_a_field_names_the_kind_that_it_is_called_after(field: str, kind: str) -> None:
    others = [obj(k, k.lower(), "n") for k in ("ConfigMap", "Secret", "ServiceAccount")]
    assert named(widget(**{field: kind.lower()}), *others) == [kind.lower()]


def test_a_cluster_scoped_resource_means_any_namespace_unless_it_says_one() -> None:
    def storage(**parameters: str) -> dict[str, Any]:
        return obj("StorageClass", "s", "", "storage.k8s.io/v1", parameters=parameters)

    assert named(storage(userSecretName="x"), SECRET, FOREIGN) == ["x", "x"]
    assert named(storage(userSecretName="x", userSecretNamespace="n"), SECRET, FOREIGN) == ["x"]


def test_a_role_names_what_it_gives_access_to_and_a_binding_names_nothing() -> None:
    rules = [{"resources": ["secrets"], "resourceNames": ["x"]}, {"resources": ["pods"]}]
    assert named(obj("Role", "r", "n", RBAC, rules=rules), SECRET, FOREIGN) == ["x"]
    subjects = [{"kind": "ServiceAccount", "name": "x", "namespace": "n"}]
    binding = obj("RoleBinding", "r", "n", RBAC, subjects=subjects)
    assert named(binding, obj("ServiceAccount", "x", "n")) == []


def test_an_alertmanager_uses_the_secret_called_after_it_unless_it_names_another() -> None:
    def manager(**spec: Any) -> dict[str, Any]:
        return obj("Alertmanager", "main", "n", "monitoring.coreos.com/v1", spec=spec)

    given = obj("Secret", "alertmanager-main", "n")
    assert named(manager(), given, SECRET) == ["alertmanager-main"]
    assert named(manager(configSecret="x"), given, SECRET) == ["x"]


def test_a_workload_names_by_annotation_alone() -> None:
    """Its pod spec is the business of uses-config."""
    body = workload("Deployment", "d", volumes=[{"name": "v", "secret": {"secretName": "y"}}])
    body["metadata"]["annotations"] = {"reload.example.com/secret": "x"}
    namespace = body["metadata"].get("namespace", "")
    assert named(body, obj("Secret", "x", namespace), obj("Secret", "y", namespace)) == ["x"]
