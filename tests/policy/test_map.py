"""MutatingAdmissionPolicies are read and checked; a gate does not evaluate them, and says so."""

from __future__ import annotations

from vap_kit import DEPLOYMENTS, GROUP, binding, decisions, deployment, run, vap


def mutating(**spec) -> dict:
    mutation = {
        "patchType": "ApplyConfiguration",
        "applyConfiguration": {"expression": "Object{spec: Object.spec{replicas: 3}}"},
    }
    return {
        "apiVersion": f"{GROUP}/v1beta1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": "m"},
        "spec": {
            "matchConstraints": {"resourceRules": [dict(DEPLOYMENTS)]},
            "mutations": [mutation], "reinvocationPolicy": "Never", "failurePolicy": "Fail",
            **spec,
        },
    }  # fmt: skip


def test_it_is_noted_and_the_others_run(tmp_path):
    bound = {**binding(policy="m"), "kind": "MutatingAdmissionPolicyBinding"}
    for _ in range(2):  # the second scan could come from the cache
        report = run(tmp_path, [mutating(), bound, vap("false"), binding()], [deployment()])
        assert decisions(report) == {"web": "fail"}
        assert not report.problems
        (note,) = report.notes
        assert note.message.endswith("MutatingAdmissionPolicy m is not evaluated by a gate")


def test_its_conditions_and_variables_are_checked(tmp_path):
    wrong = mutating(
        matchConditions=[{"name": "c", "expression": "nothing(object)"}],
        variables=[{"name": "v", "expression": "params.x"}],
    )
    report = run(tmp_path, [wrong, vap("true")], [deployment()])
    assert len(report.problems) == 2
    assert all(problem.location.line for problem in report.problems)


def test_its_structure_is_checked(tmp_path):
    broken = mutating()
    del broken["spec"]["mutations"]
    report = run(tmp_path, [broken, vap("true")], [deployment()])
    assert [p.message for p in report.problems] == ['spec lacks "mutations"']
