"""Why resources are related, in words and as graphs."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from manifest_values import claim_volume, obj, snapshot, workload

from kpolicy.relations import relations
from kpolicy.relations.explain import explain
from kpolicy.relations.graph import FORMATS, to_data, to_dot, to_json, to_mermaid, to_text
from kpolicy.snapshot import Snapshot


def shop() -> Snapshot:
    config = {"name": "c", "configMap": {"name": "settings"}}
    return snapshot(
        workload(
            "Deployment",
            "web",
            "shop",
            pod_labels={"app": "web"},
            volumes=[claim_volume("data"), config],
        ),
        workload("Pod", "log", "shop", volumes=[claim_volume("data")]),
        obj("PersistentVolumeClaim", "data", "shop"),
        obj("Service", "web", "shop", spec={"selector": {"app": "web"}, "ports": [{"port": 80}]}),
        obj(
            "Ingress",
            "in",
            "shop",
            "networking.k8s.io/v1",
            spec={"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}},
        ),
    )


def test_links_and_their_reasons() -> None:
    """Each link says how it is asked for, which way it goes, what matched and where."""
    found = shop()
    links = [
        (k.name, k.way, k.other.name, k.because, k.pointer)
        for k in explain(found, found.resources[0]).links
    ]
    volume = "/spec/template/spec/volumes/0"
    claim = "PersistentVolumeClaim shop/data"
    assert links == [
        ("mounts-claim", "to", "data", claim, volume),
        ("shared-volume-claim", "both", "log", claim, volume),
        ("shared-volume", "both", "log", claim, volume),
        (
            "selected-by",
            "from",
            "web",
            "selector app=web in shop",
            "/spec/template/metadata/labels",
        ),
    ]


def test_reasons_name_selectors_ports_and_families() -> None:
    """The words for other kinds of keys."""
    found = shop()
    reasons = {k.name: k.because for k in explain(found, found.resources[3]).links}
    assert reasons == {
        "selects": "selector app=web in shop",
        "routed-from": "Service shop/web, port 80",
    }
    templates = {"volumeClaimTemplates": [{"metadata": {"name": "d"}}]}
    sets = snapshot(
        workload("StatefulSet", "s", extra=templates),
        workload("Pod", "p", volumes=[claim_volume("d-s-3")]),
    )
    (link, _) = explain(sets, sets.resources[0]).links
    assert link.because == (
        "PersistentVolumeClaim default/d-s-<ordinal> and PersistentVolumeClaim default/d-s-3"
    )
    policy = obj(
        "NetworkPolicy",
        "n",
        "a",
        "networking.k8s.io/v1",
        spec={
            "podSelector": {"matchLabels": {"no": "one"}},
            "ingress": [{"from": [{"namespaceSelector": {}}]}],
        },
    )
    peers = snapshot(policy, workload("Pod", "p"))
    (link,) = explain(peers, peers.resources[0]).links
    assert link.because == "selector <everything> in any namespace"


def test_missing_targets_are_part_of_the_explanation() -> None:
    """What a resource refers to in vain."""
    found = shop()
    gaps = explain(found, found.resources[0]).missing
    assert [(r, g["kind"], g["name"], g["certainty"]) for r, g in gaps] == [
        ("uses-config", "ConfigMap", "settings", "absent"),
        ("in-namespace", "Namespace", "shop", "absent"),
    ]


def test_only_the_given_relations() -> None:
    """A caller may narrow the question."""
    found = shop()
    chosen = [r for r in relations() if r.name == "mounts-claim"]
    assert [k.name for k in explain(found, found.resources[0], chosen).links] == ["mounts-claim"]


def test_text() -> None:
    """A line for each link and one for its reason."""
    found = shop()
    text = to_text(explain(found, found.resources[2]))
    assert text.splitlines() == [
        "PersistentVolumeClaim shop/data  002.yaml",
        "  mounted-by <- Deployment shop/web  000.yaml",
        "      PersistentVolumeClaim shop/data",
        "  mounted-by <- Pod shop/log  001.yaml",
        "      PersistentVolumeClaim shop/data",
        "  in-namespace -> Namespace shop  absent",
        "      nothing in the input defines it, written at /metadata/namespace",
    ]
    lonely = snapshot(obj("Namespace", "n"))
    assert to_text(explain(lonely, lonely.resources[0])).endswith("  no relations\n")


def test_json() -> None:
    """Round trip, with the shape that docs/joins.md shows."""
    found = shop()
    data = json.loads(to_json(explain(found, found.resources[0])))
    assert data == to_data(explain(found, found.resources[0]))
    assert data["resource"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "namespace": "shop",
        "name": "web",
    }
    assert data["relations"][0] == {
        "name": "mounts-claim",
        "relation": "mounts-claim",
        "direction": "to",
        "because": "PersistentVolumeClaim shop/data",
        "pointer": "/spec/template/spec/volumes/0",
        "resource": {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": "shop",
            "name": "data",
        },
        "location": {"path": "002.yaml", "line": 0, "column": 0},
        "otherPointer": "",
    }
    assert data["missing"][0]["certainty"] == "absent"


def test_mermaid() -> None:
    """Nodes and arrows; text that Mermaid would read is escaped."""
    found = shop()
    lines = to_mermaid(explain(found, found.resources[0])).splitlines()
    assert lines[0] == "flowchart LR"
    assert '  n0["Deployment shop/web"]' in lines
    assert '  n0 -->|"mounts-claim"| n1' in lines
    assert '  n0 <-->|"shared-volume-claim"| n2' in lines
    assert '  n3 -->|"selects"| n0' in lines
    assert '  n0 -.->|"uses-config"| n4' in lines
    odd = snapshot(obj("Namespace", 'a"]<b>#'))
    assert '["Namespace a#quot;]#lt;b#gt;#35;"]' in to_mermaid(explain(odd, odd.resources[0]))


def test_dot() -> None:
    """Nodes and arrows; quotes and backslashes are escaped."""
    found = shop()
    text = to_dot(explain(found, found.resources[0]))
    assert '  n0 -> n1 [label="mounts-claim"];' in text
    assert '  n0 -> n2 [label="shared-volume-claim", dir=both];' in text
    assert '  n0 -> n4 [label="uses-config", style=dashed];' in text
    odd = snapshot(obj("Namespace", 'a"\\b'))
    assert 'label="Namespace a\\"\\\\b"' in to_dot(explain(odd, odd.resources[0]))


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_reads_the_graph() -> None:
    """The program itself accepts what is written."""
    found = shop()
    text = to_dot(explain(found, found.resources[0]))
    done = subprocess.run(["dot", "-Tsvg"], input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0
    assert "mounts-claim" in done.stdout


def test_formats_have_names() -> None:
    """The command line offers these."""
    assert sorted(FORMATS) == ["dot", "json", "mermaid", "text"]


def test_keys_of_declared_relations_read_as_values() -> None:
    """The namespace beside a key that holds only there; composite keys by their parts."""
    from kpolicy.relations.explain import key_text

    assert key_text(("shop", "string", "orders")) == "orders in shop"
    assert key_text(("", "number", 3)) == "3"
    assert key_text(("", "list", ("string", "a"), ("number", 1))) == "a/1"
    assert key_text(("apps", "Deployment", "shop", "web")) == "Deployment shop/web"
    assert key_text(("", "Node", "", "n")) == "Node n"
    assert key_text(("group", "system:masters")) == "group system:masters"
