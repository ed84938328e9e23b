# ruff: noqa: E501 -- the tables read better whole
"""What one policy says of one resource: messages, places, items, errors."""

from __future__ import annotations

import pytest
from scan_kit import at, deployment, policy, run, told, write

CONTAINERS = """
    match: {kinds: [workloads]}
    validations:
      - forEach: {var: c, in: object.containers()}
        expression: c.name != 'bad'
        message: a bad container
"""


def test_each_failing_item_has_its_own_finding_at_its_own_line(tmp_path):
    root = write(tmp_path / "in", {"a.yaml": deployment("web", "good", "bad", "fine", "bad")})
    report = run(root, policy("p", CONTAINERS))
    assert [at(f) for f in report.findings] == [("a.yaml", 11, 9), ("a.yaml", 13, 9)]
    assert [f.place.pointer for f in report.findings] == [
        "/spec/template/spec/containers/1",
        "/spec/template/spec/containers/3",
    ]
    assert [f.item for f in report.findings] == ["bad", "bad"]


def test_a_finding_without_a_place_stands_at_the_resource(tmp_path):
    root = write(tmp_path / "in", {"a.yaml": "# a comment\n" + deployment("web", "a")})
    (finding,) = run(root, policy("p", "validations: [{expression: 'false'}]")).findings
    assert at(finding) == ("a.yaml", 2, 1)


@pytest.mark.parametrize(
    ("expression", "line", "column", "pointer"),
    [
        ("object.spec.replicas", 5, 13, "/spec/replicas"),
        ("object.spec", 5, 3, "/spec"),
        ("object.spec.absent", 5, 3, "/spec"),
        ("object.spec.absent.further", 5, 3, "/spec"),
        ("object.?spec.?absent", 5, 3, "/spec"),
        ("object.spec.items[1]", 8, 7, "/spec/items/1"),
        ("object.metadata['labels']", 3, 29, "/metadata/labels"),
        ("object.metadata.labels[variables.key]", 3, 33, "/metadata/labels/a"),
        ("object.metadata.labels[?variables.key]", 3, 33, "/metadata/labels/a"),
        ("object.metadata[['labels'][0]][variables.key]", 3, 33, "/metadata/labels/a"),
        ("object.spec.items[object.spec.replicas - 2]", 8, 7, "/spec/items/1"),
        ("object.spec[variables.absent]", 5, 3, "/spec"),
        ("object.spec.items[variables.missing.here]", 7, 5, "/spec/items"),
        ("object.spec.items[-1 * variables.one]", 7, 5, "/spec/items"),
        ("'not a part'", 1, 1, ""),
    ],
)  # fmt: skip
def test_at_decides_where_a_finding_stands(tmp_path, expression, line, column, pointer):
    """A scalar is found in the file, something absent is where it would be."""
    text = """\
        apiVersion: example.com/v1
        kind: Thing
        metadata: {name: x, labels: {a: b}}
        spec:
          replicas: 3
          items:
            - one
            - two
        """
    root = write(tmp_path / "in", {"a.yaml": text})
    spec = f"""
        variables:
          - {{name: key, expression: "'a'"}}
          - {{name: absent, expression: "'absent'"}}
          - {{name: missing, expression: "object.spec.absent"}}
          - {{name: one, expression: "1"}}
        validations:
          - expression: "false"
            at: "{expression}"
    """
    (finding,) = run(root, policy("p", spec)).findings
    assert (at(finding)[1:], finding.place.pointer) == ((line, column), pointer)


def test_a_scalar_item_of_a_list_stands_at_its_line(tmp_path):
    text = """\
        apiVersion: example.com/v1
        kind: Thing
        metadata: {name: x}
        spec:
          hosts:
            - good
            - bad
        """
    root = write(tmp_path / "in", {"a.yaml": text})
    spec = """
        validations:
          - forEach: {var: h, in: object.spec.hosts}
            expression: h != 'bad'
    """
    (finding,) = run(root, policy("p", spec)).findings
    assert at(finding) == ("a.yaml", 7, 7)
    assert finding.item == "bad"


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        ("message: fixed", "fixed"),
        ("messageExpression: \"'name ' + object.metadata.name\"", "name web"),
        ("{messageExpression: \"'x'\", message: fixed}", "x"),
        ("{messageExpression: \"'  '\", message: fixed}", "fixed"),
        ('{messageExpression: "object.absent", message: fixed}', "fixed"),
        ("{messageExpression: \"'a\\\\nb'\", message: fixed}", "fixed"),
        ("messageExpression: object.absent", "failed expression: object.kind == 'Pod'"),
        ("at: object", "failed expression: object.kind == 'Pod'"),
    ],
)
def test_the_message_is_chosen_as_kubernetes_chooses_it(tmp_path, validation, message):
    root = write(tmp_path / "in", {"a.yaml": deployment("web", "a")})
    inner = validation.strip("{}")
    spec = f"validations: [{{expression: \"object.kind == 'Pod'\", {inner}}}]"
    assert told(run(root, policy("p", spec))) == [message]


def test_an_evaluation_error_is_a_finding_of_the_policys_severity(tmp_path):
    root = write(tmp_path / "in", {"a.yaml": deployment("web", "a")})
    spec = "{severity: error, validations: [{expression: object.spec.absent > 1}]}"
    (finding,) = run(root, policy("p", spec)).findings
    assert (finding.outcome, finding.severity) == ("error", "error")
    assert "validation 1" in finding.message
    assert "absent" in finding.message


def test_an_ignored_evaluation_error_is_a_skip_with_its_reason(tmp_path):
    root = write(tmp_path / "in", {"a.yaml": deployment("web", "a")})
    spec = "{failurePolicy: Ignore, validations: [{expression: object.spec.absent > 1}]}"
    assert run(root, policy("p", spec)).findings == ()
    (finding,) = run(root, policy("p", spec), results_all=True).findings
    assert finding.outcome == "skip"
    assert "absent" in finding.message


def test_an_error_in_one_item_leaves_the_others(tmp_path):
    root = write(tmp_path / "in", {"a.yaml": deployment("web", "a", "bad")})
    spec = """
        validations:
          - forEach: {var: c, in: object.containers()}
            expression: "c.name == 'a' ? c.absent : false"
    """
    report = run(root, policy("p", spec))
    assert [f.outcome for f in report.findings] == ["error", "fail"]
    assert [f.item for f in report.findings] == ["a", "bad"]


def test_a_foreach_over_something_else_than_a_list_is_an_error(tmp_path):
    root = write(tmp_path / "in", {"a.yaml": deployment("web", "a")})
    spec = "validations: [{forEach: {var: c, in: object.metadata}, expression: 'true'}]"
    (finding,) = run(root, policy("p", spec)).findings
    assert finding.outcome == "error"
    assert "expected a list" in finding.message


def test_a_false_match_condition_wins_over_a_failing_one(tmp_path):
    """As in Kubernetes: one condition that is false excludes the resource, whatever the others do."""
    root = write(tmp_path / "in", {"a.yaml": deployment("web", "a")})
    failing = "{name: breaks, expression: object.spec.absent == 1}"
    false = "{name: 'no', expression: 'false'}"
    validations = "validations: [{expression: 'false', message: met}]"
    both = policy("p", f"matchConditions: [{failing}, {false}]\n{validations}")
    assert run(root, both).findings == ()
    (finding,) = run(root, policy("p", f"matchConditions: [{failing}]\n{validations}")).findings
    assert finding.outcome == "error"
    assert 'match condition "breaks"' in finding.message


def test_a_variable_is_evaluated_only_when_it_is_read(tmp_path):
    root = write(tmp_path / "in", {"a.yaml": deployment("web", "a")})
    spec = """
        variables:
          - {name: broken, expression: object.absent.further}
          - {name: count, expression: size(object.containers())}
        validations:
          - expression: variables.count == 1 || variables.broken
          - expression: has(variables.broken)
    """
    assert run(root, policy("p", spec)).findings == ()


def test_a_failing_variable_is_named(tmp_path):
    root = write(tmp_path / "in", {"a.yaml": deployment("web", "a")})
    spec = """
        variables: [{name: broken, expression: object.absent.further}]
        validations: [{expression: variables.broken}]
    """
    (finding,) = run(root, policy("p", spec)).findings
    assert "variable broken" in finding.message


def test_request_is_synthesised(tmp_path):
    root = write(tmp_path / "in", {"a.yaml": deployment("web", "a")})
    spec = """
        validations:
          - expression: "false"
            messageExpression: >-
              request.operation + ' ' + request.resource.group + '/' + request.resource.resource + ' '
              + request.namespace + '/' + request.name + ' ' + request.kind.kind
    """
    assert told(run(root, policy("p", spec))) == ["CREATE apps/deployments shop/web Deployment"]
    report = run(root, policy("p", spec), operation="UPDATE")
    assert told(report)[0].startswith("UPDATE ")


def test_the_namespace_object_comes_from_the_snapshot(tmp_path):
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: red}}\n"
    spec = """
        match: {kinds: [Deployment]}
        validations: [{expression: "namespaceObject != null && namespaceObject.metadata.labels.team == 'blue'"}]
    """
    root = write(tmp_path / "in", {"a.yaml": deployment("web", "a"), "ns.yaml": namespace})
    assert len(run(root, policy("p", spec)).findings) == 1
    root = write(tmp_path / "other", {"a.yaml": deployment("web", "a")})
    report = run(root, policy("p", "validations: [{expression: namespaceObject == null}]"))
    assert report.findings == ()


def test_parameters_reach_expressions(tmp_path):
    root = write(tmp_path / "in", {"a.yaml": deployment("web", "a")})
    spec = """
        params: {allowed: {type: array, items: string, default: [b]}}
        match: {kinds: [workloads]}
        validations:
          - forEach: {var: c, in: object.containers()}
            expression: c.name in params.allowed
    """
    assert len(run(root, policy("p", spec)).findings) == 1
    assert run(root, policy("p", spec), params={"p": {"allowed": ["a"]}}).findings == ()
