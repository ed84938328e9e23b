"""The CEL surface: related resources, counts, missing targets, the snapshot, and workloads."""

from __future__ import annotations

from typing import Any

import pytest
from manifest_values import claim_volume, obj, resource, snapshot, workload

from kpolicy import cel
from kpolicy.relations import Filter, JoinContext
from kpolicy.relations.library import library
from kpolicy.snapshot import Kinds, Outside, Snapshot, WorkloadKind, World

ENVIRONMENT = cel.Environment(
    variables={"object": cel.DYN, "oldObject": cel.DYN},
    libraries=(*cel.kubernetes_libraries(), library()),
)

CONTAINERS = {
    "initContainers": [{"name": "i"}],
    "containers": [{"name": "a"}, {"name": "b"}],
    "ephemeralContainers": [{"name": "e"}],
}


def shop() -> Snapshot:
    return snapshot(
        workload(
            "Deployment",
            "web",
            "shop",
            pod_labels={"app": "web"},
            volumes=[claim_volume("c")],
            **CONTAINERS,
        ),
        workload("Pod", "log", "shop", volumes=[claim_volume("c", "logs")]),
        workload("Pod", "tail", "shop", volumes=[claim_volume("c", "logs")]),
        obj("PersistentVolumeClaim", "c", "shop"),
        obj("Service", "web", "shop", spec={"selector": {"app": "web"}}),
        obj("Namespace", "shop", labels={"team": "x"}),
        obj("ConfigMap", "only"),
    )


FILTERS = {"log": Filter("log", lambda r: r.name == "log")}


def evaluate(source: str, position: int = 0, found: Snapshot | None = None, **more: Any) -> Any:
    """Return the value of an expression with `object` = the resource at a position."""
    where = found or shop()
    here = where.resources[position]
    context = JoinContext(where, here, FILTERS, **more)
    return ENVIRONMENT.compile(source).evaluate({"object": here.body, "oldObject": None}, context)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("object.related('shared-volume-claim').map(o, o.metadata.name)", ["log", "tail"]),
        ("object.related('shared-volume-claim', 'log').map(o, o.metadata.name)", ["log"]),
        ("object.related('mounts-claim').map(o, o.kind)", ["PersistentVolumeClaim"]),
        ("object.related('selected-by').map(o, o.metadata.name)", ["web"]),
        ("object.related('selects')", []),
        ("object.related('mounts-claim')[0].related('mounted-by').size()", 3),
        ("object.isRelated('shared-volume-claim')", True),
        ("object.isRelated('shared-volume-claim', 'log')", True),
        ("object.isRelated('scaled-by')", False),
        (
            "object.related('shared-volume').all(o, o.isRelated('shared-volume', object))",
            True,
        ),
        ("object.isRelated('mounts-claim', object.related('shared-volume-claim')[0])", False),
        ("object.countRelated('shared-volume-claim')", 2),
        ("object.countRelated('shared-volume-claim', 'log')", 1),
        ("object.countRelated('shared-volume-claim', 1)", 1),
        ("object.countRelated('shared-volume-claim', 5)", 2),
        ("object.countRelated('shared-volume-claim', 0)", 0),
        ("object.countRelated('shared-volume-claim', -1)", 0),
        ("object.countRelated('shared-volume-claim', 'log', 5)", 1),
        (
            "object.relatedPlaces('shared-volume', 'log').map(p, [p.here.name, p.there.name])",
            [["v", "logs"]],
        ),
        ("object.relatedPlaces('shared-volume-claim', 'log')[0].otherPointer", "/spec/volumes/0"),
        ("object.relatedPlaces('selected-by').map(p, p.resource.kind)", ["Service"]),
        ("object.missing('mounts-claim')", []),
        ("object.missing('in-namespace')", []),
        ("snapshot.get('v1', 'Pod', 'shop', 'log').value().metadata.name", "log"),
        ("snapshot.get('v1', 'Pod', 'shop', 'none').hasValue()", False),
        ("snapshot.get('v1', 'Pod', '', 'log').hasValue()", False),
        ("snapshot.get('v1', 'ConfigMap', '', 'only').hasValue()", True),
        ("snapshot.get('v1', 'ConfigMap', 'default', 'only').hasValue()", True),
        ("snapshot.get('v1', 'Namespace', 'ignored', 'shop').hasValue()", True),
        ("snapshot.get('apps/v1beta1', 'Deployment', 'shop', 'web').hasValue()", True),
        ("snapshot.get('v1', 'Deployment', 'shop', 'web').hasValue()", False),
        ("snapshot.resolve('v1', 'Pod', 'shop', 'log')", "resolved"),
        ("snapshot.resolve('v1', 'Pod', 'shop', 'none')", "absent"),
        ("snapshot.resolve('v1', 'Pod', 'shop', '${NAME}')", "unknowable"),
        ("snapshot.resolve('v1', 'Namespace', '', 'kube-system')", "outside"),
        ("snapshot.list('v1', 'Pod').map(p, p.metadata.name)", ["log", "tail"]),
        ("snapshot.list('v1', 'Pod', 'shop').size()", 2),
        ("snapshot.list('v1', 'Pod', '').size()", 0),
        ("snapshot.list('v1', 'ConfigMap', '').size()", 1),
        ("object.isWorkload()", True),
        ("object.hasPodTemplate()", True),
        ("object.podLabels().app", "web"),
        ("object.containers().map(c, c.name)", ["a", "b"]),
        ("object.initContainers().map(c, c.name)", ["i"]),
        ("object.ephemeralContainers().map(c, c.name)", ["e"]),
        ("object.allContainers().map(c, c.name)", ["i", "a", "b", "e"]),
        ("object.volumes().map(v, v.name)", ["v"]),
        ("object.podTemplate().spec.volumes[0].name", "v"),
        ("object.effectiveNamespace()", "shop"),
        ("object.namespaceLabels()", {"team": "x", "kubernetes.io/metadata.name": "shop"}),
    ],
)
def test_functions(source: str, expected: Any) -> None:
    """Each function on a small shop."""
    assert evaluate(source) == expected


def test_related_bodies_are_the_bodies_themselves() -> None:
    """Identity is kept, so that findings can be placed and relations can be asked further."""
    found = shop()
    (claim,) = evaluate("object.related('mounts-claim')", 0, found)
    assert claim is found.resources[3].body
    containers = evaluate("object.allContainers()", 0, found)
    spec = found.resources[0].body["spec"]["template"]["spec"]
    assert containers[1] is spec["containers"][0]
    assert evaluate("object.volumes()", 0, found) is spec["volumes"]
    (place,) = evaluate("object.relatedPlaces('shared-volume-claim', 'log')", 0, found)
    assert place["here"] is spec["volumes"][0]
    assert place["there"] is found.resources[1].body["spec"]["volumes"][0]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("object.isWorkload()", False),
        ("object.hasPodTemplate()", False),
        ("object.podSpec()", {}),
        ("object.podTemplate()", {}),
        ("object.podLabels()", {}),
        ("object.allContainers()", []),
        ("object.volumes()", []),
        ("object.effectiveNamespace()", ""),
        ("object.namespaceLabels()", {}),
    ],
)
def test_functions_on_what_is_no_workload(source: str, expected: Any) -> None:
    """A Namespace has no pods and lives in no namespace."""
    assert evaluate(source, 5) == expected


@pytest.mark.parametrize("containers", [None, "x", 3, {}, {"name": "a"}])
def test_containers_of_a_wrong_type_are_none(containers: Any) -> None:
    """A field that is no list gives an empty one."""
    found = snapshot(workload("Pod", "p", containers=containers))
    assert evaluate("object.containers()", 0, found) == []
    assert evaluate("object.allContainers()", 0, found) == []


def test_an_absent_template() -> None:
    """Present and empty for a Deployment, absent for a ReplicationController."""
    found = snapshot(obj("Deployment", "d", "", "apps/v1"), obj("ReplicationController", "rc"))
    assert evaluate("object.hasPodTemplate()", 0, found) is True
    assert evaluate("object.hasPodTemplate()", 1, found) is False
    assert evaluate("object.podSpec()", 1, found) == {}


def test_a_plugins_workload_kind() -> None:
    """Its pods are found by the path that the plugin gave."""
    kinds = Kinds.of([WorkloadKind("x.io", "Fleet", ("pods",))])
    body = obj("Fleet", "f", "", "x.io/v1", pods={"spec": {"containers": [{"name": "c"}]}})
    found = Snapshot.of([resource(body, "f.yaml", kinds=kinds)], kinds)
    assert evaluate("object.containers()[0].name", 0, found) == "c"


def test_namespace_labels_without_a_namespace_in_the_input() -> None:
    """The name label is there in any case."""
    found = snapshot(obj("Pod", "p", "far"))
    expected = {"kubernetes.io/metadata.name": "far"}
    assert evaluate("object.namespaceLabels()", 0, found) == expected


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("nginx", "nginx"),
        ("nginx:1.27", "nginx"),
        ("fluent/fluent-bit:2", "fluent-bit"),
        ("registry.example.com/a/b/c:v1@sha256:0123", "c"),
        ("registry:5000/app", "app"),
        ("registry:5000/team/app:1", "app"),
        ("app@sha256:0123", "app"),
        ("", ""),
        ("a/", ""),
    ],
)
def test_image_names(image: str, name: str) -> None:
    """Registry, tag and digest are no part of the name; a port is no tag."""
    assert evaluate(f"imageName('{image}')") == name


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("object.related('shares')", "no relation is named 'shares'"),
        ("object.related('select')", "did you mean 'selects'"),
        ("object.related('selects', 'nolog')", "no filter named 'nolog'"),
        ("object.spec.related('selects')", "whole resource"),
        ("{'kind': 'Pod'}.related('selects')", "whole resource"),
        ("oldObject.related('selects')", "whole resource"),
        ("object.missing('selected-by')", "forwards"),
    ],
)
def test_misuse_is_told(source: str, message: str) -> None:
    """The error names what is wrong and the next step."""
    with pytest.raises(cel.CelError) as caught:
        evaluate(source)
    assert message in str(caught.value)


def test_old_objects_are_related_in_their_own_snapshot() -> None:
    """oldObject comes from the base; its relations are those of the base."""
    base = shop()
    head = base.without_file("001.yaml")
    here = head.resources[0]
    context = JoinContext(head, here, base=base)
    program = ENVIRONMENT.compile("oldObject.countRelated('mounted-by')")
    old_claim = base.resources[3].body
    assert program.evaluate({"object": here.body, "oldObject": old_claim}, context) == 2
    separate = shop()
    context = JoinContext(head, here, base=separate)
    old_claim = separate.resources[3].body
    assert program.evaluate({"object": here.body, "oldObject": old_claim}, context) == 3


def test_missing_targets_in_cel() -> None:
    """A policy can iterate over what is missing and say what, where and how sure."""
    found = snapshot(workload("Pod", "p", "shop", volumes=[claim_volume("gone")]))
    source = "object.missing('mounts-claim').map(m, m.kind + ' ' + m.name + ': ' + m.certainty)"
    assert evaluate(source, 0, found) == ["PersistentVolumeClaim gone: absent"]
    (gap,) = evaluate("object.missing('mounts-claim')", 0, found)
    assert gap["item"] is found.resources[0].body["spec"]["volumes"][0]
    opened = found.with_world(World([Outside("PersistentVolumeClaim")]))
    assert evaluate(source, 0, opened) == []


def test_lookups_are_noted_when_asked_for() -> None:
    """A trace sees each question to an index with its answer."""
    noted: list[Any] = []
    evaluate("object.related('shared-volume-claim', 'log').size()", lookups=noted)
    (lookup,) = noted
    assert (lookup.relation, lookup.filter, lookup.resource.name) == (
        "shared-volume-claim",
        "log",
        "web",
    )
    assert [hit.resource.name for hit in lookup.hits] == ["log"]


def test_get_stays_in_the_scope_of_the_object() -> None:
    """What another scope holds is not seen."""
    made = [resource(obj("Secret", "s"), f"{scope}.yaml", scope) for scope in ("dev", "prod")]
    pod = resource(obj("Pod", "p"), "test.yaml", "test")
    found = Snapshot.of([*made, pod])
    assert evaluate("snapshot.get('v1', 'Secret', '', 's').value()", 0, found) is made[0].body
    assert evaluate("snapshot.get('v1', 'Secret', '', 's').value()", 1, found) is made[1].body
    assert evaluate("snapshot.get('v1', 'Secret', '', 's').hasValue()", 2, found) is False
    assert evaluate("snapshot.list('v1', 'Secret').size()", 0, found) == 1


def test_unknown_functions_and_wrong_arguments_are_found_when_a_policy_loads() -> None:
    """The checker knows the signatures."""
    for source in (
        "object.relatives('selects')",
        "object.related()",
        "object.related(1)",
        "object.related('a', 'b', 'c')",
        "object.countRelated('a', 'b', 'c')",
        "snapshot.get('v1', 'Pod', 'a')",
        "snapshot.put('v1')",
        "imageName(3)",
        "object.containers('x')",
    ):
        with pytest.raises(cel.CelError) as caught:
            ENVIRONMENT.compile(source)
        assert caught.value.phase == "check", source


def test_every_function_is_documented() -> None:
    """docs/joins.md names each function of the library."""
    from pathlib import Path

    text = (Path(__file__).parents[2] / "docs" / "joins.md").read_text(encoding="utf-8")
    for function in library().functions:
        assert f"{function.name}(" in text, function.name
