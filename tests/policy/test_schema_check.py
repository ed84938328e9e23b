# ruff: noqa: E501 -- the tables read better whole
"""Policies are checked against the schemas of the kinds that they match."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest
from scan_kit import toolbox

from kpolicy import schemas
from kpolicy.policy.compiled import CompileContext, compile_policy
from kpolicy.policy.loader import load_file
from kpolicy.policy.schema_check import SchemaChecker, SchemaReport
from kpolicy.relations.index import directory

BOX = toolbox()


def report_of(kinds: str, spec: str, schema_set: schemas.SchemaSet | None = None) -> SchemaReport:
    """Return what the schemas say against a policy."""
    text = (
        "apiVersion: kpolicy.dev/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n"
        f"  match: {{kinds: [{kinds}]}}\n" + indent(dedent(spec), "  ")
    )
    loaded = load_file("p.yaml", text)
    assert loaded.problems == ()
    names = frozenset(directory(BOX.relations))
    context = CompileContext(BOX.libraries, names, None, {"p.yaml": text})
    compiled, problems = compile_policy(loaded.policies[0], context)
    assert problems == ()
    assert compiled is not None
    return SchemaChecker(context, schema_set or schemas.load()).check(compiled)


def report_of_expression(kinds: str, expression: str) -> SchemaReport:
    """Return what the schemas say against one validation."""
    return report_of(kinds, f"validations:\n  - expression: >-\n      {expression}\n")


def test_mistyped_field_is_an_error() -> None:
    """A field that the kind does not have is found with its place and the right name."""
    report = report_of_expression("Deployment", "object.spec.replica >= 3")
    assert report.warnings == ()
    (error,) = report.errors
    assert "undefined field 'replica' in DeploymentSpec" in error.message
    assert "did you mean `replicas`?" in error.hint
    assert error.location is not None
    assert (error.location.line, error.location.column) == (8, 20)


@pytest.mark.parametrize(
    ("kinds", "expression", "field"),
    [
        ("Pod", "has(object.spec.hostNetwrok)", "hostNetwrok"),
        ("Pod", "object.?spec.?hostNetwrok.orValue(false)", "hostNetwrok"),
        ("Pod", "!('hostNetwrok' in object.spec)", "hostNetwrok"),
        ("Pod", "object.spec['hostNetwrok']", "hostNetwrok"),
        ("Pod", "object.metadata.label.size() > 0", "label"),
        ("Pod", "object.spec.containers.all(c, c.img != '')", "img"),
        ("Pod", "object.spec.containers.all(c, has(c.resources.limit))", "limit"),
        ("Pod", "object.spec.containers.exists(i, c, c.prots.size() > i)", "prots"),
        ("Pod", "cel.bind(s, object.spec, s.volume.size() > 0)", "volume"),
        ("Pod", "object.spec.containers.map(c, c.securityContext).all(s, s.priv)", "priv"),
        ("workloads", "object.podSpec().containrs.size() > 0", "containrs"),
        ("workloads", "object.allContainers().all(c, c.imagePolicy != '')", "imagePolicy"),
        ("workloads", "object.podTemplate().metadata.label.size() > 0", "label"),
        ("Deployment", "oldObject.spec.replica == 1", "replica"),
        ("Deployment", "namespaceObject.metadata.labls.x == 'y'", "labls"),
        ("Deployment, StatefulSet", "object.spec.replica == 1", "replica"),
        ("workloads", "object.spek.template == null", "spek"),
    ],
)  # fmt: skip
def test_mistyped_field_in_every_form(kinds: str, expression: str, field: str) -> None:
    """A field that no matched kind has is an error wherever it is read or asked for."""
    (error,) = report_of_expression(kinds, expression).errors
    assert f"undefined field '{field}'" in error.message


@pytest.mark.parametrize(
    ("kinds", "expression"),
    [
        ("Deployment", "object.spec.replicas == null || object.spec.replicas > 1"),
        ("Deployment", "object.spec.replicas > 1.5"),
        ("Deployment", "string(object.spec.strategy.rollingUpdate.maxSurge) == '1'"),
        ("Deployment", "object.spec.strategy.rollingUpdate.maxSurge == 1"),
        ("Pod", "object.metadata.labels.app == 'x' && object.metadata.annotations['a/b'] != ''"),
        ("Pod", "object.spec.containers.all(c, c.resources.limits.memory != '1Gi')"),
        ("Pod", "object.spec.containers.all(c, quantity(c.resources.limits.cpu).isLessThan(quantity('1')))"),
        ("Pod", "(object.spec.containers + object.spec.initContainers).all(c, has(c.image))"),
        ("Pod", "object.spec.containers.all(c, object.spec.volumes.exists(v, v.name == c.name))"),
        ("Pod", "object.spec.containers.all(c, c.ports.all(p, p.containerPort > 1024))"),
        ("Pod", "object.spec.all(field, field != 'hostPID')"),
        ("Pod", "object.spec.nodeSelector.all(k, v, k != v)"),
        ("Pod", "(has(object.spec.hostname) ? object.spec.hostname : 1) != 2"),
        ("Pod", "[object.spec.hostname, object.spec.hostPID].size() == 2"),
        ("Pod", "object.spec.containers.all(c, c.securityContext == object.spec.securityContext)"),
        ("Pod", "oldObject == null || oldObject.spec == object.spec"),
        ("ConfigMap", "object.data.anything == 'x'"),
        ("Secret", "object.data.all(k, k.startsWith('a'))"),
        ("'*'", "object.metadata.name != ''"),
        ("'*'", "object.spec.anything == 1"),
        ("CustomResourceDefinition", "object.spec.versions.all(v, v.schema.openAPIV3Schema.properties.spec.type == 'object')"),
        ("example.com/v1/Shop", "object.spec.whatever.at.all == 1"),
        ("workloads", "object.related('mounts-claim').all(c, c.spec.anything == 1)"),
        ("workloads", "object.allContainers().all(c, !has(c.targetContainerName) || c.image != '')"),
    ],
)  # fmt: skip
def test_right_policies_pass(kinds: str, expression: str) -> None:
    """What is written rightly has neither error nor warning."""
    assert report_of_expression(kinds, expression) == SchemaReport()


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("object.spec.replicas == '3'", "found no matching overload for '=='"),
        ("object.spec.template.spec.hostNetwork + 1 > 1", "applied to '(bool, int)'"),
        ("object.spec.replicas.size() > 1", "applied to 'int.()'"),
        ("object.metadata.name > 1", "applied to '(string, int)'"),
    ],
)
def test_wrong_types_are_errors(expression: str, message: str) -> None:
    """A field used as what it is not is found, too."""
    (error,) = report_of_expression("Deployment", expression).errors
    assert message in error.message


def test_mistyped_is_told_from_absent() -> None:
    """A field that is almost another one is mistyped; one that is like none is just not there."""
    report = report_of_expression(
        "Deployment", "object.spec.replica > 1 && object.spec.nowhere > 1"
    )
    assert len(report.errors) == 2
    assert report.mistyped == report.errors[:1]
    assert report_of_expression("Deployment", "object.spec.replicas == 'a'").mistyped == ()


def test_field_of_some_kinds_is_a_warning() -> None:
    """A field that only some of the matched kinds have is a warning that names the others."""
    report = report_of_expression("Deployment, Pod", "object.spec.template.spec.hostPID")
    assert report.errors == ()
    (warning,) = report.warnings
    assert "undefined field 'template' in PodSpec, for Pod" in warning.message


@pytest.mark.parametrize(
    "expression",
    [
        "has(object.spec.template) && object.spec.template.spec.hostPID",
        "!has(object.spec.template) || object.spec.template.spec.hostPID",
        "object.?spec.?template.?spec.?hostPID.orValue(false)",
        "'template' in object.spec && object.spec.template.spec.hostPID",
        "object.kind == 'Pod' ? object.spec.hostPID : object.spec.template.spec.hostPID",
    ],
)
def test_guarded_field_of_some_kinds_passes(expression: str) -> None:
    """An expression that asks for the field, or for the kind, may read what some kinds lack."""
    assert report_of_expression("Deployment, Pod", expression) == SchemaReport()


def test_guard_in_a_match_condition() -> None:
    """What a match condition asks for may be read after it."""
    spec = """
        matchConditions: [{name: templated, expression: has(object.spec.template)}]
        validations:
          - expression: object.spec.template.spec.hostPID
    """
    assert report_of("Deployment, Pod", spec) == SchemaReport()


def test_kind_asked_for_in_a_variable() -> None:
    """Who reads a variable that asks for the kind knows what he meets."""
    spec = """
        variables:
          - {name: fields, expression: "object.kind == 'Pod' ? ['hostPID'] : ['template']"}
          - {name: bad, expression: "variables.fields.filter(f, f != 'x')"}
        validations:
          - forEach: {var: f, in: variables.bad}
            expression: "false"
            at: object.spec.template
    """
    assert report_of("Deployment, Pod", spec) == SchemaReport()


def test_types_flow_through_variables_and_items() -> None:
    """Variables and the items of forEach have the types of their expressions."""
    spec = """
        variables: [{name: pod, expression: object.spec.template.spec}]
        validations:
          - forEach: {var: c, in: variables.pod.containers}
            expression: c.imag != ''
            messageExpression: "'see ' + c.nam"
          - expression: variables.pod.hostNetwrok
    """
    report = report_of("Deployment", spec)
    fields = ["'imag'", "'nam'", "'hostNetwrok'"]
    assert len(report.errors) == len(fields)
    for error, field in zip(report.errors, fields, strict=True):
        assert f"undefined field {field}" in error.message


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("params.most.startsWith('a')", "applied to 'int.(string)'"),
        ("params.names.all(n, n > 1)", "applied to '(string, int)'"),
        ("params.on + 1 > 1", "applied to '(bool, int)'"),
        ("params.most > object.spec.replicas || params.names.exists(n, n == 'a') && params.on", ""),
        ("params.most == null || params.any.thing == params.share", ""),
    ],
)
def test_params_have_their_types(expression: str, message: str) -> None:
    """Declared parameters are used as what they are."""
    spec = f"""
        params:
          most: {{type: integer, default: 1}}
          names: {{type: array, items: {{type: string}}, default: []}}
          on: {{type: boolean, default: true}}
          any: {{type: object, default: {{}}}}
          share: {{type: number, default: 1}}
        validations: [{{expression: "{expression}"}}]
    """
    errors = report_of("Deployment", spec).errors
    assert [message in error.message for error in errors] == [True] * bool(message)


def test_kind_without_schema_makes_errors_warnings() -> None:
    """Beside a named custom kind, which may have the field, a missing field is but a warning."""
    report = report_of_expression("Deployment, argoproj.io/Rollout", "object.spec.canary == 1")
    assert report.errors == ()
    assert len(report.warnings) == 1


def test_admission_policy_is_only_warned_of() -> None:
    """A ValidatingAdmissionPolicy runs unchanged: what its fields get wrong is a warning."""
    text = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: p}
spec:
  matchConstraints:
    resourceRules:
      - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}
  validations: [{expression: object.spec.replica > 1}]
"""
    loaded = load_file("p.yaml", text, BOX.formats)
    assert loaded.problems == ()
    context = CompileContext(BOX.libraries, frozenset(directory(BOX.relations)))
    compiled, problems = compile_policy(loaded.policies[0], context)
    assert problems == ()
    assert compiled is not None
    report = SchemaChecker(context, schemas.load()).check(compiled)
    assert report.errors == report.mistyped == ()
    (warning,) = report.warnings
    assert "undefined field 'replica'" in warning.message


def test_custom_resource_with_its_definition() -> None:
    """A custom kind is checked when its definition is at hand."""
    definition = {
        "spec": {
            "group": "example.com",
            "names": {"kind": "Shop"},
            "versions": [
                {
                    "name": "v1",
                    "schema": {
                        "openAPIV3Schema": {
                            "properties": {"spec": {"properties": {"size": {"type": "integer"}}}}
                        }
                    },
                }
            ],
        }
    }
    spec = "validations:\n  - expression: object.spec.siz > 1 && object.metadata.name != ''\n"
    known = schemas.load().with_custom_resources(definition)
    (error,) = report_of("example.com/Shop", spec, known).errors
    assert "undefined field 'siz'" in error.message
    assert report_of("example.com/Shop", spec) == SchemaReport()


def test_built_in_policies_pass() -> None:
    """No policy that ships with kpolicy reads a field that its kinds lack."""
    from kpolicy.config.model import Config
    from kpolicy.engine.plan import catalogue_of
    from kpolicy.engine.request import ScanRequest

    request = ScanRequest(targets=(".",), isolated=True)
    catalogue = catalogue_of(BOX, request, Config())
    context = CompileContext(
        BOX.libraries, frozenset(directory(BOX.relations)), None, catalogue.texts
    )
    checker = SchemaChecker(context, schemas.load())
    checked = 0
    for policy in catalogue.policies.values():
        compiled, problems = compile_policy(policy, context)
        if problems or compiled is None:
            continue
        assert checker.check(compiled) == SchemaReport(), policy.id
        checked += 1
    assert checked > 20
