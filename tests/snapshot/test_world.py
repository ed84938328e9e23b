"""What a reference without a target means."""

from __future__ import annotations

import pytest
from manifest_values import obj, snapshot

from kpolicy.snapshot import Kinds, Outside, Reference, Unread, World, unread_from_text

SECRET = Reference("", "Secret", "shop", "db")
FAST = Reference("storage.k8s.io", "StorageClass", "", "fast")
ANY_WORKLOAD = Reference(None, "workloads", "shop", None)


@pytest.mark.parametrize(
    ("rule", "reference", "expected"),
    [
        (Outside("Secret"), SECRET, "outside"),
        (Outside("Secret", "shop"), SECRET, "outside"),
        (Outside("Secret", "sho*", "d?"), SECRET, "outside"),
        (Outside("*", "shop"), SECRET, "outside"),
        (Outside("*", "*", "db"), SECRET, "outside"),
        (Outside("v1/Secret"), SECRET, "outside"),
        (Outside("ConfigMap"), SECRET, "absent"),
        (Outside("Secret", "other"), SECRET, "absent"),
        (Outside("Secret", "*", "web"), SECRET, "absent"),
        (Outside("x.io/Secret"), SECRET, "absent"),
        (Outside("StorageClass"), FAST, "outside"),
        (Outside("StorageClass", "shop"), FAST, "absent"),
        (Outside("workloads"), ANY_WORKLOAD, "outside"),
        (Outside("Deployment", "shop"), ANY_WORKLOAD, "outside"),
        (Outside("Deployment", "shop", "web"), ANY_WORKLOAD, "absent"),
        (Outside("Secret"), ANY_WORKLOAD, "absent"),
        (Outside("*", "shop"), ANY_WORKLOAD, "outside"),
        (Outside("Service"), Reference("", "Service", "shop", None), "outside"),
        (Outside("Rollout"), Reference(None, "Rollout", "shop", "web"), "outside"),
        (Outside("argoproj.io/Rollout"), Reference(None, "Rollout", "shop", "web"), "outside"),
    ],
)  # fmt: skip
def test_configuration_says_what_exists_outside(
    rule: Outside, reference: Reference, expected: str
) -> None:
    """Kinds, namespaces and names, by globs; a selector is answered only by a whole open kind."""
    assert World([rule], kinds=Kinds.of()).judge(reference).state == expected


@pytest.mark.parametrize(
    "reference",
    [
        Reference("", "Namespace", "", "kube-system"),
        Reference("", "Namespace", "", "default"),
        Reference("", "ServiceAccount", "any", "default"),
        Reference("", "ConfigMap", "any", "kube-root-ca.crt"),
        Reference("", "Service", "default", "kubernetes"),
        Reference("scheduling.k8s.io", "PriorityClass", "", "system-node-critical"),
        Reference("rbac.authorization.k8s.io", "ClusterRole", "", "view"),
        Reference("rbac.authorization.k8s.io", "ClusterRole", "", "system:auth-delegator"),
    ],
)
def test_what_kubernetes_provides_is_never_missing(reference: Reference) -> None:
    """Every cluster has these without a manifest."""
    assert World().judge(reference).state == "outside"


@pytest.mark.parametrize(
    ("name", "namespace"),
    [("{{ .Release.Name }}-db", "shop"), ("${DB}", "shop"), ("$(DB)", "shop"), ("db", "${NS}")],
)
def test_a_templated_reference_is_unknowable(name: str, namespace: str) -> None:
    """Who fills in the name decides whether it exists."""
    verdict = World().judge(Reference("", "Secret", namespace, name))
    assert verdict.state == "unknowable"
    assert "template" in verdict.reason


@pytest.mark.parametrize(
    ("unread", "expected"),
    [
        (Unread("a.yaml", 3), "unknowable"),
        (Unread("a.yaml", 3, kinds=("Secret",)), "unknowable"),
        (Unread("a.yaml", 3, kinds=("Secret", "Pod"), names=("db", "x")), "unknowable"),
        (Unread("a.yaml", 3, kinds=("Pod",)), "absent"),
        (Unread("a.yaml", 3, names=("web",)), "absent"),
        (Unread("a.yaml", 3, scope="other"), "absent"),
    ],
)
def test_a_document_that_failed_to_parse_may_define_it(unread: Unread, expected: str) -> None:
    """Only one that names such a kind and name, in the same scope, makes absence unknowable."""
    verdict = World(unread=[unread]).judge(SECRET)
    assert verdict.state == expected
    if expected == "unknowable":
        assert verdict.unread is unread
        assert verdict.reason.startswith("a.yaml:3 could not be parsed")


def test_an_unread_workload_answers_a_selector() -> None:
    """A Service without pods is unknowable when a Deployment beside it could not be read."""
    broken = unread_from_text("a.yaml", "kind: Deployment\nmetadata:\n  name: web\n  bad: [")
    assert World(unread=[broken]).judge(ANY_WORKLOAD).state == "unknowable"
    other = unread_from_text("a.yaml", "kind: ConfigMap\nmetadata: {name: web, bad: [")
    assert World(unread=[other]).judge(ANY_WORKLOAD).state == "absent"


def test_words_of_an_unread_text() -> None:
    """Kinds and names are read off the text; a template among the names leaves them open."""
    text = 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: "db"\n  labels: {\n'
    assert unread_from_text("a.yaml", text, 7) == Unread("a.yaml", 7, ("Secret",), ("db",))
    flow = "{kind: Secret, metadata: {name: db, labels: {"
    assert unread_from_text("a.yaml", flow) == Unread("a.yaml", 0, ("Secret",), ("db",))
    helm = "kind: Secret\nmetadata:\n  name: {{ .Values.name }}\n"
    assert unread_from_text("t.yaml", helm).names == ()
    assert unread_from_text("t.yaml", "a: [").kinds == ()


def test_configuration_comes_before_other_reasons() -> None:
    """A declared name is outside even when it is templated or may be in an unread file."""
    world = World([Outside("Secret")], [Unread("a.yaml")])
    assert world.judge(Reference("", "Secret", "shop", "${DB}")).state == "outside"
    assert world.with_unread([]).judge(SECRET).state == "outside"
    assert world.with_unread([]).unread == ()


def test_a_snapshot_resolves_references() -> None:
    """Found, found in another scope only, and not found."""
    found = snapshot(obj("Secret", "db", "shop"), obj("Service", "web", "shop"))
    assert found.resolve(SECRET).state == "resolved"
    assert found.resolve(SECRET).resources == (found.resources[0],)
    assert found.resolve(SECRET, "dev").state == "absent"
    assert found.resolve(Reference(None, "Service", "shop", "web")).state == "resolved"
    missing = found.resolve(Reference("", "Secret", "shop", "x"))
    assert (missing.state, missing.resources) == ("absent", ())
    assert missing.reason


@pytest.mark.parametrize("text", ["\n" * 400_000, " " * 400_000, "{" * 400_000, ", " * 200_000])
def test_words_of_a_hostile_text_are_found_in_linear_time(text: str) -> None:
    """No run of white space or brackets makes the search slow."""
    import time

    started = time.process_time()
    unread_from_text("a.yaml", text)
    assert time.process_time() - started < 2
